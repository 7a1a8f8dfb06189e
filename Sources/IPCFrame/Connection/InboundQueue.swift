// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// What has come of one body and was not fetched yet: the reactor puts it in, the body's reader takes it out.
///
/// The reader takes without a hop to the reactor, and sleeps only when there is nothing. What waits here is bounded by
/// the credit that the body was given.
final class InboundQueue: Sendable {
    /// What the application fetches of a body.
    enum Item: Sendable {
        case chunk(Chunk)
        case end(End)
    }

    private typealias Waiter = CheckedContinuation<Result<Item, CallError>, Never>

    private struct State {
        var items: [Item?] = []
        var head = 0
        var failure: CallError?
        var waiter: Waiter?

        mutating func popFirst() -> Item? {
            guard head < items.count else { return nil }
            // The place is emptied: a chunk that was taken is not kept in memory.
            defer { head += 1 }
            if head > 64 {
                items.removeFirst(head)
                head = 0
            }
            return items[head].take()
        }
    }

    private let state = Mutex(State())

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
        try await withCheckedContinuation { (continuation: Waiter) in
            let result = state.withLock { state -> Result<Item, CallError>? in
                if let item = state.popFirst() { return .success(item) }
                if let failure = state.failure { return .failure(failure) }
                precondition(state.waiter == nil, "a body has one reader")
                state.waiter = continuation
                return nil
            }
            if let result { continuation.resume(returning: result) }
        }.get()
    }

    func put(_ item: Item) {
        let waiter = state.withLock { state -> Waiter? in
            guard state.failure == nil else { return nil }
            if let waiter = state.waiter.take() { return waiter }
            if state.head == state.items.count {
                state.items.removeAll(keepingCapacity: true)
                state.head = 0
            }
            state.items.append(item)
            return nil
        }
        waiter?.resume(returning: .success(item))
    }

    /// Nothing more will come.
    ///
    /// The first failure stays.
    ///
    /// `dropping`: what has come is not handed out any more. Without it a body that is here as a whole can
    ///   still be read to its end.
    func fail(_ error: CallError, dropping: Bool) {
        let (waiter, failure) = state.withLock { state in
            let failure = state.failure ?? error
            state.failure = failure
            if dropping {
                state.items = []
                state.head = 0
            }
            return (state.waiter.take(), failure)
        }
        waiter?.resume(returning: .failure(failure))
    }
}
