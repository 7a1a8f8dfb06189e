// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// What has come of one body and was not fetched yet: the reactor puts it in, the body's reader takes it out.
///
/// The reader takes without a hop to the reactor, and sleeps only when there is nothing. What waits here is bounded by
/// the credit that the body was given: credit counts raw bytes, so small stored chunks are joined, and what cannot be
/// joined may not take up much more than it carries.
final class InboundQueue: Sendable {
    /// What the application fetches of a body.
    enum Item: Sendable {
        case chunk(Chunk)
        case end(End)
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
        var items: [Item?] = []
        var head = 0
        /// Small stored chunks that came last, as one that may still grow; behind all items.
        var tail: (bytes: [UInt8], isFlush: Bool)?
        var waste = 0
        var failure: CallError?
        /// The sender may use its slots again: what is copied out of them now may be another body's.
        var hasLostArena = false
        var waiter: Waiter?

        var isEmpty: Bool { head == items.count && tail == nil }

        mutating func popFirst() -> Item? {
            if head == items.count { closeTail() }
            guard head < items.count else { return nil }
            // The place is emptied: a chunk that was taken is not kept in memory.
            defer { head += 1 }
            if head > 64 {
                items.removeFirst(head)
                head = 0
            }
            let item = items[head].take()
            if let item { waste -= InboundQueue.waste(item) }
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
            if head == items.count, head > 0 {
                items.removeAll(keepingCapacity: true)
                head = 0
            }
            items.append(item)
            waste += InboundQueue.waste(item)
        }

        mutating func removeAll() {
            items = []
            head = 0
            tail = nil
            waste = 0
        }
    }

    private static func waste(_ item: Item) -> Int {
        guard case .chunk(let chunk) = item else { return 0 }
        return max(0, chunk.bytes.count + overhead - 2 * chunk.rawCount)
    }

    private let state = Mutex(State())

    /// Whether nothing waits.
    var isEmpty: Bool { state.withLock { $0.isEmpty } }

    /// The next item if there is one; throws when the body cannot be completed.
    func takeNow() throws(CallError) -> Item? {
        let (item, failure) = state.withLock { state in (state.popFirst(), state.failure) }
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
                    guard state.isEmpty, state.failure == nil else { return true }
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
        let (waiter, isBearable) = state.withLock { state -> (Waiter?, Bool) in
            guard state.failure == nil else { return (nil, true) }
            state.append(item)
            return (state.waiter.take(), state.waste <= Self.wasteLimit)
        }
        waiter?.resume()
        return isBearable
    }

    /// Call before the sender is told of anything by which it may use its slots of the arena again.
    func loseArena() { state.withLock { $0.hasLostArena = true } }

    /// Looked at after a chunk was copied out of its slot: why it may not be the body's, or nil.
    var arenaFailure: CallError? {
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
