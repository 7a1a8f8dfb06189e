// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine.AttemptEnd {
    /// What the error of an attempt means to the pool; `mayRetry` says whether the call itself can be made again.
    init(_ error: any Error, mayRetry: Bool) {
        guard let error = error as? CallError else {
            self = .failed(isRetryable: false)
            return
        }
        self =
            switch error {
            case .failed(let remote): .failed(isRetryable: remote.isRetryable && mayRetry)
            case .draining, .refused(.draining, _, _): .notTaken
            case .connection: .workerLost(mayRetry: mayRetry)
            case .cancelled: .cancelled
            default: .failed(isRetryable: false)
            }
    }
}
