// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// What the error of an attempt means to the pool.
struct AttemptError {
    let error: any Error

    init(_ error: any Error) { self.error = error }

    /// The end of the attempt; `mayRetry` says whether the call itself can be made again.
    func end(mayRetry: Bool) -> PoolMachine.AttemptEnd {
        guard let error = error as? CallError else { return .failed(isRetryable: false) }
        return switch error {
        case .failed(let remote): .failed(isRetryable: remote.isRetryable && mayRetry)
        case .draining: .notTaken
        case .refused(.draining, _, _): .notTaken
        case .connection: .workerLost(mayRetry: mayRetry)
        case .cancelled: .cancelled
        default: .failed(isRetryable: false)
        }
    }
}

extension PoolError {
    /// What the caller is told; not for a call that succeeded, or failed with an error of its own.
    init(_ verdict: PoolMachine.Verdict, _ evidence: StallEvidence?) {
        self =
            switch verdict {
            case .succeeded, .failed: preconditionFailure("the caller has the value, or the error")
            case .queueFull: .queueFull
            case .timedOut(let whileRunning): .timedOut(whileRunning: whileRunning)
            case .stalled: .stalled(evidence)
            case .cancelled: .cancelled
            case .workerLost(let exit): .workerLost(exit)
            case .quarantined(let exit): .quarantined(exit)
            case .notStarted(let error): .notStarted(error)
            case .breakerOpen(let pause, let end): .breakerOpen(retryAfter: pause, lastEnd: end)
            case .stopped: .stopped
            }
    }
}
