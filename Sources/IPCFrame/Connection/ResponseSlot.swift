// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// How the answer to one call begins: the reactor puts it in, whoever made the call takes it out, without a hop to the
/// reactor.
final class ResponseSlot: Sendable {
    typealias Outcome = Result<ResponseHead, CallError>
    /// Only wakes, as in ``InboundQueue``.
    private typealias Waiter = CheckedContinuation<Void, Never>

    private struct State {
        var outcome: Outcome?
        var waiter: Waiter?
    }

    private let state = Mutex(State())

    /// Whether the answer, or the failure, has come.
    var isFilled: Bool { state.withLock { $0.outcome != nil } }

    /// Puts in the answer, or why there is none; the first one stays.
    func fill(_ outcome: Outcome) {
        let waiter = state.withLock { state in
            if state.outcome == nil { state.outcome = outcome }
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits for the answer.
    ///
    /// For one at a time.
    func take() async -> Outcome {
        while true {
            if let outcome = state.withLock({ $0.outcome }) { return outcome }
            await withCheckedContinuation { (continuation: Waiter) in
                let mustWake = state.withLock { state in
                    guard state.outcome == nil else { return true }
                    precondition(state.waiter == nil, "a call's response is awaited once")
                    state.waiter = continuation
                    return false
                }
                if mustWake { continuation.resume() }
            }
        }
    }
}
