// SPDX-License-Identifier: Apache-2.0

/// Why a call to a pool has no result.
///
/// What the worker itself, or the transfer, says of a failure is a `CallError`, and an error of the caller's own closure
/// is thrown as it is.
public enum PoolError: Error, Equatable, Sendable {
    /// As many calls wait as may.
    case queueFull
    /// The call's deadline passed, while it ran or while it waited for a worker.
    case timedOut(whileRunning: Bool)
    /// The call made no progress for too long; what its worker was doing then, if it still lived.
    case stalled(StallEvidence?)
    /// The calling task was cancelled.
    case cancelled
    /// The worker ended in the middle of the call.
    case workerLost(WorkerExit)
    /// The call has cost too many workers, the last one so; nil where one like it had before.
    case quarantined(WorkerExit?)
    /// No worker lives, and none can be started.
    case notStarted(SpawnError)
    /// No worker lives, and none is started for a while, since the last ones ended so soon.
    case breakerOpen(retryAfter: Duration, lastEnd: PoolWorkerEnd?)
    /// The pool takes no more calls, or was stopped.
    case stopped
}

extension PoolError: CustomStringConvertible {
    /// What happened, and where it helps, what to do.
    public var description: String {
        switch self {
        case .queueFull: "as many calls wait as may: try again later, or raise the queue's limit"
        case .timedOut(whileRunning: true): "the call did not finish in time"
        case .timedOut(whileRunning: false): "the call found no free worker in time"
        case .stalled(let evidence):
            "the call made no progress for too long" + (evidence.map { "; as to its worker, \($0)" } ?? "")
        case .cancelled: "the call was cancelled"
        case .workerLost(let exit): "the worker ended in the middle of the call: \(exit)"
        case .quarantined(let exit?): "the call has cost too many workers and is not tried again; the last: \(exit)"
        case .quarantined(nil): "a call like this one has cost too many workers before and is not tried again for now"
        case .notStarted(let error): "\(error)"
        case .breakerOpen(let pause, let end):
            "no worker is started for the next \(pause.formattedSeconds), since the last ones ended at once"
                + (end.map { ": \($0)" } ?? "")
        case .stopped: "the pool takes no more calls"
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

extension PoolWorkerEnd: CustomStringConvertible {
    /// The story, on one line.
    public var description: String {
        switch self {
        case .exited(let exit): "\(exit)"
        case .notSpawned(let error): "\(error)"
        }
    }
}

extension Duration {
    /// "1.5 s"; tenths of a second, for people.
    var formattedSeconds: String {
        let tenths = Int((self / .milliseconds(100)).rounded(.up))
        return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
}
