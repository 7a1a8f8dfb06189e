// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// What the caller of a call has said beforehand who wants all of its answer: how much of it, and in what memory.
///
/// With it the reactor accepts the answer's body by itself, and wakes the caller when it has landed.
final class AnswerCollector: Sendable {
    private struct State {
        /// That the body may be collected in; empty while a landing has it.
        var memory: [UInt8] = []
        var landing: BodyLanding?
    }

    private let limit: UInt64
    private let state: Mutex<State>

    /// Of an answer of at most `limit` raw bytes.
    init(reusing memory: inout [UInt8], upTo limit: UInt64) {
        self.limit = limit
        // The only reference moves, as it must for memory that is used again.
        var state = State()
        swap(&state.memory, &memory)
        self.state = Mutex(state)
    }

    /// Where the body goes, if all of it is wanted and can land.
    func makeLanding(for offer: Offer, codec: ChunkCodec?) -> BodyLanding? {
        guard let size = offer.size, size <= limit else { return nil }
        return state.withLock { state in
            state.landing = BodyLanding(for: offer, codec: codec, reusing: &state.memory)
            return state.landing
        }
    }

    /// Where the body has been sent to.
    var landing: BodyLanding? { state.withLock { $0.landing } }

    /// The memory that was to be used again, if no landing has it.
    func takeMemory() -> [UInt8] {
        state.withLock { state in
            var memory: [UInt8] = []
            swap(&memory, &state.memory)
            return memory
        }
    }
}
