// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// State under a lock, and a task that sleeps until the state lets it go on; for one such task at a time.
///
/// The task stays where it is while others change the state from any thread (docs/decisions/0015). A continuation only
/// wakes: what there is is looked at under the lock, also by a task that is woken while it falls asleep.
package final class WaitableState<State: Sendable>: Sendable {
    private typealias Waiter = CheckedContinuation<Void, Never>

    private struct Guarded {
        var state: State
        var waiter: Waiter?
    }

    private let guarded: Mutex<Guarded>

    package init(_ state: State) {
        guarded = Mutex(Guarded(state: state))
    }

    /// Looks at the state, or changes it in a way that nobody waits for.
    package func withLock<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        guarded.withLock { body(&$0.state) }
    }

    /// Changes the state, and has whoever waits look at it.
    package func change<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        let (result, waiter) = guarded.withLock { (body(&$0.state), $0.waiter.take()) }
        waiter?.resume()
        return result
    }

    /// Waits until the state is as it should be.
    package func wait(until isReady: (State) -> Bool) async {
        while !guarded.withLock({ isReady($0.state) }) {
            await withCheckedContinuation { (continuation: Waiter) in
                let mustWake = guarded.withLock { guarded in
                    guard !isReady(guarded.state) else { return true }
                    precondition(guarded.waiter == nil, "one task at a time may wait")
                    guarded.waiter = continuation
                    return false
                }
                if mustWake { continuation.resume() }
            }
        }
    }
}
