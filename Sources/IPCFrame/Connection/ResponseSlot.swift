// SPDX-License-Identifier: Apache-2.0

/// How the answer to one call begins: the reactor puts it in, whoever made the call takes it out, without a hop to the
/// reactor.
final class ResponseSlot: Sendable {
    typealias Outcome = Result<ResponseHead, CallError>

    private let state = WaitableState<Outcome?>(nil)

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

    /// Waits for the answer.
    ///
    /// For one at a time.
    func take() async -> Outcome {
        await state.wait { $0 != nil }
        guard let outcome = state.withLock({ $0 }) else { preconditionFailure("an answer stays") }
        return outcome
    }
}
