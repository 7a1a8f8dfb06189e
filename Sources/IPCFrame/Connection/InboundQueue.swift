// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// What has come of one body and was not fetched yet: the reactor puts it in, the body's reader takes it out.
///
/// The reader takes without a hop to the reactor, and sleeps only when there is nothing. What waits here is bounded by
/// the credit that the body was given: credit counts raw bytes, so small stored chunks are joined, and what cannot be
/// joined may not take up much more than it carries.
///
/// Compressed chunks that wait while the reader is busy are inflated by a ``ChunkPool``, a few of the first of them: they
/// go through a window, ahead of what waits, in which each takes its raw bytes and no more.
final class InboundQueue: Sendable {
    /// What the application fetches of a body.
    enum Item: Sendable {
        case chunk(Chunk)
        /// All of the body, to be read piece by piece.
        case file(ReceivedFile)
        case end(End)
        /// In place of a chunk that is not what it declared to be.
        case damaged(CallError)
    }

    /// Only wakes: what there is is taken under the lock, also when the reader was woken while it fell asleep.
    private typealias Waiter = CheckedContinuation<Void, Never>

    /// Stored chunks up to here are joined with small ones before them.
    private static let smallChunk = 4 << 10
    private static let joinedBytes = 64 << 10
    /// What a chunk that waits takes beside its payload, about: its place in the queue and its array.
    private static let overhead = 128
    /// Bytes that all that waits may take beyond twice its raw bytes (PROTOCOL.md §8).
    private static let wasteLimit = 1 << 20

    private struct State {
        var items = Queue<Item>()
        /// Small stored chunks that came last, as one that may still grow; behind all items.
        var tail: (bytes: [UInt8], isFlush: Bool)?
        var waste = 0
        var failure: CallError?
        /// The sender may use its slots again: what is copied out of them now may be another body's.
        var hasLostArena = false
        var waiter: Waiter?
        /// What was taken out of `items` before the reader came for it.
        var window: OrderedWindow<Item>
        /// Chunks in `items` that the pool could inflate.
        var worthwhile = 0
        /// What the pool was asked for, and has not begun.
        var asked = 0

        var isEmpty: Bool { items.isEmpty && tail == nil }

        /// Whether the reader need not wait for an item.
        var hasNext: Bool { window.isEmpty ? !isEmpty : window.isFirstDone }

        mutating func next() -> Item? { window.isEmpty ? popFirst() : window.takeFirst() }

        /// How many more chunks the pool should be asked to inflate; `isReaderComing`: one is for the reader.
        mutating func ask(isReaderComing: Bool = false) -> Int {
            let more = max(0, min(worthwhile - (isReaderComing ? 1 : 0), window.room) - asked)
            asked += more
            return more
        }

        /// A chunk to inflate, as the pool was asked; nil when it is not needed any more.
        ///
        /// What waits before it comes into the window as well.
        mutating func claim() -> (OrderedWindow<Item>.Place, Chunk)? {
            asked -= 1
            while worthwhile > 0, !window.isFull, let item = popFirst() {
                let place = window.begin()
                if let chunk = InboundQueue.worthwhileChunk(item) { return (place, chunk) }
                window.finish(place, item)
            }
            return nil
        }

        mutating func popFirst() -> Item? {
            if items.isEmpty { closeTail() }
            let item = items.popFirst()
            if let item { count(item, -1) }
            return item
        }

        mutating func append(_ item: Item) {
            // The first is most often fetched before the next one comes: it stays as it is.
            if case .chunk(let chunk) = item, !isEmpty, !chunk.isCompressed, chunk.place == nil,
                chunk.rawCount <= smallChunk
            {
                join(chunk)
                return
            }
            closeTail()
            push(item)
        }

        /// A flush of a part is a flush of the whole: all of it is here, and is answered at its end.
        private mutating func join(_ chunk: Chunk) {
            if let tail, tail.bytes.count + chunk.rawCount > joinedBytes { closeTail() }
            if tail == nil { tail = ([], false) }
            tail?.bytes.append(contentsOf: chunk.bytes)
            if chunk.isFlush { tail?.isFlush = true }
        }

        private mutating func closeTail() {
            guard let (bytes, isFlush) = tail else { return }
            tail = nil
            push(.chunk(Chunk(stored: bytes[...], isFlush: isFlush)))
        }

        private mutating func push(_ item: Item) {
            items.append(item)
            count(item, 1)
        }

        private mutating func count(_ item: Item, _ sign: Int) {
            waste += sign * InboundQueue.waste(item)
            if InboundQueue.worthwhileChunk(item) != nil { worthwhile += sign }
        }

        mutating func removeAll() {
            window.removeAll()
            worthwhile = 0
            items.removeAll()
            tail = nil
            waste = 0
        }
    }

    private static func waste(_ item: Item) -> Int {
        guard case .chunk(let chunk) = item else { return 0 }
        return max(0, chunk.bytes.count + overhead - 2 * chunk.rawCount)
    }

    /// The chunk, if it is compressed and large enough to be handed to another thread.
    private static func worthwhileChunk(_ item: Item) -> Chunk? {
        guard case .chunk(let chunk) = item, chunk.isCompressed, chunk.rawCount >= ChunkPool.smallestWorthwhile else {
            return nil
        }
        return chunk
    }

    private let state: Mutex<State>
    private let pool: ChunkPool?

    /// Without a pool chunks come out as they went in.
    init(pool: ChunkPool? = nil) {
        self.pool = pool
        state = Mutex(State(window: OrderedWindow(width: pool?.width ?? 0)))
    }

    /// Whether nothing waits.
    var isEmpty: Bool { state.withLock { $0.isEmpty && $0.window.isEmpty } }

    /// The next item if there is one; throws when the body cannot be completed.
    func takeNow() throws(CallError) -> Item? {
        let (item, failure, asked) = state.withLock { state in
            let item = state.next()
            return (item, state.window.isEmpty ? state.failure : nil, state.ask())
        }
        askPool(asked)
        if let item { return item }
        if let failure { throw failure }
        return nil
    }

    /// The next item.
    ///
    /// For one reader at a time.
    func take() async throws(CallError) -> Item {
        while true {
            if let item = try takeNow() { return item }
            await withCheckedContinuation { (continuation: Waiter) in
                let mustWake = state.withLock { state in
                    // What is in the window comes before a failure.
                    guard !state.hasNext, state.failure == nil || !state.window.isEmpty else { return true }
                    precondition(state.waiter == nil, "a body has one reader")
                    state.waiter = continuation
                    return false
                }
                if mustWake { continuation.resume() }
            }
        }
    }

    /// False when the chunks that wait take far more memory than they carry: the body should be given up.
    @discardableResult
    func put(_ item: Item) -> Bool {
        let (waiter, asked, isBearable) = state.withLock { state -> (Waiter?, Int, Bool) in
            guard state.failure == nil else { return (nil, 0, true) }
            state.append(item)
            let waiter = state.waiter.take()
            let isReaderComing = waiter != nil && state.window.isEmpty
            return (waiter, state.ask(isReaderComing: isReaderComing), state.waste <= Self.wasteLimit)
        }
        waiter?.resume()
        askPool(asked)
        return isBearable
    }

    /// Has the pool inflate so many chunks, if they still wait when it comes to them.
    private func askPool(_ count: Int) {
        guard let pool else { return }
        for _ in 0..<count { pool.run { self.inflate($0) } }
    }

    private func inflate(_ coders: ChunkCoders) {
        guard let (place, chunk) = state.withLock({ $0.claim() }) else { return }
        let item: Item
        do throws(CallError) {
            let raw = try BodyDecoder.inflate(chunk, coders.inflater)
            item = .chunk(Chunk(stored: raw[...], isFlush: chunk.isFlush))
        } catch {
            item = .damaged(error)
        }
        let waiter = state.withLock { state in
            state.window.finish(place, item)
            return state.window.isFirstDone ? state.waiter.take() : nil
        }
        waiter?.resume()
    }

    /// Call before the sender is told of anything by which it may use its slots of the arena again.
    func loseArena() { state.withLock { $0.hasLostArena = true } }

    /// Why what is not in this queue may not be read any more, or nil: looked at after a chunk was copied out of its slot,
    /// and before more of a file is read, or a body that has come as a whole.
    var readFailure: CallError? {
        state.withLock { state in
            guard state.hasLostArena else { return nil }
            return state.failure ?? .stopped(code: .stopped, reason: "the call is over")
        }
    }

    /// Nothing more will come.
    ///
    /// The first failure stays.
    ///
    /// `dropping`: what has come is not handed out any more. Without it a body that is here as a whole can
    ///   still be read to its end.
    func fail(_ error: CallError, dropping: Bool) {
        let waiter = state.withLock { state in
            if state.failure == nil { state.failure = error }
            if dropping {
                state.removeAll()
                state.hasLostArena = true
            }
            return state.waiter.take()
        }
        waiter?.resume()
    }
}
