// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Compresses several chunks of a body at the same time, on the threads of a ``ChunkPool``, and hands them on in order.
///
/// A chunk is handed on as soon as it and all before it are done, by whichever thread has done the last of them: nothing
/// waits for the sender's next word. For one sender.
final class DeflateAhead: Sendable {
    private struct Result: Sendable {
        let chunk: Chunk
        /// Whether the policy waits to hear of it.
        let wasTried: Bool
    }

    private struct State: Sendable {
        var policy = CompressionPolicy()
        var window: OrderedWindow<Result>
        /// A thread is handing on what is done: only one at a time, or the order would be lost.
        var isHandingOn = false

        /// The next chunk to hand on, for the thread that does so now; nil when it need not go on.
        mutating func next() -> Chunk? {
            guard let result = window.takeFirst() else {
                isHandingOn = false
                return nil
            }
            if result.wasTried { policy.tried(compressed: result.chunk.isCompressed) }
            return result.chunk
        }
    }

    private let pool: ChunkPool
    private let handOn: @Sendable (Chunk) -> Void
    private let state: WaitableState<State>
    /// For what is not worth another thread.
    private let own: Mutex<ChunkDeflater?>

    /// `handOn` is called on any thread, for one chunk after the other.
    init(pool: ChunkPool, handOn: @escaping @Sendable (Chunk) -> Void) {
        self.pool = pool
        self.handOn = handOn
        state = WaitableState(State(window: OrderedWindow(width: pool.width)))
        own = Mutex(nil)
    }

    /// Takes the next chunk's bytes; waits while as many chunks as the pool has threads are not handed on.
    ///
    /// `isAlone`: more may not come soon, so it is done here and now.
    func add(_ raw: ArraySlice<UInt8>, isFlush: Bool, isAlone: Bool) async {
        await state.wait { !$0.window.isFull }
        let (place, isTried) = state.withLock { state in
            (state.window.begin(), state.policy.shouldTry(rawCount: raw.count))
        }
        guard isTried else {
            finish(place, Result(chunk: Chunk(stored: raw, isFlush: isFlush), wasTried: false))
            return
        }
        if isAlone || raw.count < ChunkPool.smallestWorthwhile {
            let chunk = own.withLock { own in
                let deflater = own ?? ChunkDeflater(codec: pool.codec)
                own = deflater
                return Self.encode(raw, isFlush, deflater)
            }
            finish(place, Result(chunk: chunk, wasTried: true))
            return
        }
        pool.run { coders in
            guard self.state.withLock({ $0.window.isWanted(place) }) else { return }
            self.finish(place, Result(chunk: Self.encode(raw, isFlush, coders.deflater), wasTried: true))
        }
    }

    /// Waits until everything is handed on.
    func waitUntilDone() async {
        await state.wait { $0.window.isEmpty && !$0.isHandingOn }
        own.withLock { $0 = nil }
    }

    /// Nobody wants the body any more: what is not done yet is left undone, and not handed on.
    func drop() { state.withLock { $0.window.removeAll() } }

    private static func encode(_ raw: ArraySlice<UInt8>, _ isFlush: Bool, _ deflater: ChunkDeflater) -> Chunk {
        let payload = deflater.compress(raw.span, within: CompressionPolicy.largestPayload(forRaw: raw.count))
        guard let payload else { return Chunk(stored: raw, isFlush: isFlush) }
        return Chunk(compressed: payload[...], rawCount: raw.count, isFlush: isFlush)
    }

    private func finish(_ place: OrderedWindow<Result>.Place, _ result: Result) {
        var next = state.withLock { state -> Chunk? in
            state.window.finish(place, result)
            guard !state.isHandingOn else { return nil }
            state.isHandingOn = true
            return state.next()
        }
        while let chunk = next {
            handOn(chunk)
            next = state.change { $0.next() }
        }
    }
}
