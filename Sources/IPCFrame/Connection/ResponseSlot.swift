// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// How the answer to one call begins: the reactor puts it in, whoever made the call takes it out, without a hop to the
/// reactor.
///
/// Of a call whose caller wants all of the answer at once, the reactor accepts the answer's body, too, and wakes the
/// caller when it has landed.
final class ResponseSlot: Sendable {
    typealias Outcome = Result<ResponseHead, CallError>

    private struct Collecting {
        let limit: UInt64
        /// That the body may be collected in.
        var memory: [UInt8]
        var landing: BodyLanding?
    }

    private let state = WaitableState<Outcome?>(nil)
    private let collecting: Mutex<Collecting?>

    /// Of a caller who takes the answer part by part.
    init() { collecting = Mutex(nil) }

    /// Of a caller who wants all of the answer's body, of at most `limit` raw bytes.
    init(reusing memory: inout [UInt8], upTo limit: UInt64) {
        // The only reference moves, as it must for memory that is used again.
        var collecting = Collecting(limit: limit, memory: [])
        swap(&collecting.memory, &memory)
        self.collecting = Mutex(collecting)
    }

    /// Whether the answer, or the failure, has come.
    var isFilled: Bool { state.withLock { $0 != nil } }

    /// Puts in the answer, or why there is none; the first one stays.
    ///
    /// Without `wakes` who waits sleeps on until ``wake()``.
    func fill(_ outcome: Outcome, wakes: Bool = true) {
        state.withLock { state in
            if state == nil { state = outcome }
        }
        if wakes { wake() }
    }

    func wake() { state.change { _ in } }

    /// Where the body goes, if its caller wants all of it and it can land.
    func makeLanding(for offer: Offer, codec: ChunkCodec?) -> BodyLanding? {
        collecting.withLock { collecting in
            guard var taken = collecting.take() else { return nil }
            if let size = offer.size, size <= taken.limit {
                taken.landing = BodyLanding(for: offer, codec: codec, reusing: &taken.memory)
            }
            defer { collecting = taken }
            return taken.landing
        }
    }

    /// Where the body has been sent to.
    var landing: BodyLanding? { collecting.withLock { $0?.landing } }

    /// The memory that was to be used again, if the body has not landed there.
    func takeMemory() -> [UInt8] {
        collecting.withLock { collecting in
            var memory: [UInt8] = []
            if var taken = collecting.take() { swap(&memory, &taken.memory) }
            return memory
        }
    }

    /// Waits for the answer.
    ///
    /// For one at a time.
    func take() async -> Outcome {
        await state.wait { $0 != nil }
        guard let outcome = state.withLock({ $0 }) else { preconditionFailure("an answer stays") }
        return outcome
    }
}
