// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Memory for the whole of a body whose size was told: the socket is read straight into it, and nobody is woken before
/// the end.
///
/// The reactor fills it; who collects the body takes it when END has come.
final class BodyLanding: Sendable {
    private struct State {
        /// Memory that may be used again before the first byte comes, then the body.
        var bytes: [UInt8]
        var isBegun = false
        /// Bytes of whole frames.
        var filled = 0
        var digest: CRC32Digest?
    }

    private let count: Int
    private let state: Mutex<State>

    /// Nil for a body whose bytes do not come as they are, or whose size is not known or more than a stranger's word is
    /// good for; no memory is taken before the first of them comes, and that of `bytes` if it is large enough.
    init?(for offer: Offer, codec: ChunkCodec? = nil, reusing bytes: inout [UInt8]) {
        guard offer.codec == .none, let size = offer.size, size <= BodyCollector.trustedSize else { return nil }
        count = Int(size)
        // The only reference moves: memory that somebody else sees is not written to.
        var state = State(bytes: [], digest: offer.digest == .crc32 ? CRC32Digest(codec: codec) : nil)
        swap(&state.bytes, &bytes)
        self.state = Mutex(state)
    }

    /// Has `body` write what is missing of a frame's payload: from `offset`, of its first byte, on.
    func withRoom<Result: Sendable>(at offset: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
        state.withLock { state in
            if !state.isBegun {
                state.isBegun = true
                BodyCollector.makeRoom(for: count, in: &state.bytes)
            }
            let start = min(state.filled + offset, count)
            return unsafe state.bytes.withUnsafeMutableBytes { bytes in
                unsafe body(UnsafeMutableRawBufferPointer(rebasing: bytes[start...]))
            }
        }
    }

    /// The next `count` bytes are all there.
    func add(_ count: Int) {
        state.withLock { state in
            let end = min(state.filled + count, state.bytes.count)
            state.digest?.update(state.bytes[state.filled..<end].span)
            state.filled = end
        }
    }

    /// The next chunk, which lies in the arena.
    func add(_ place: ArenaPlace, from region: ArenaRegion) {
        unsafe withRoom(at: 0) { unsafe region.read(place, to: $0) }
        add(place.count)
    }

    /// Whether nothing has come here.
    var isUnused: Bool { state.withLock { $0.filled == 0 } }

    /// The digest of what has come; nil if none was offered.
    var digest: CRC32Digest? { state.withLock { $0.digest } }

    /// The memory that was to be used again, if the body comes another way.
    func takeUnused() -> [UInt8] {
        state.withLock { state in
            guard !state.isBegun else { return [] }
            defer { state.bytes = [] }
            return state.bytes
        }
    }

    /// The body, once; nil unless all of it came here.
    func take() -> [UInt8]? {
        state.withLock { state in
            guard state.filled == count, count > 0 else { return nil }
            state.filled = 0
            defer { state.bytes = [] }
            return state.bytes
        }
    }
}
