// SPDX-License-Identifier: Apache-2.0
package import IPCFrame

/// Decides everything about a pool: which worker does which call, when workers are started, replaced and stopped, and how
/// each call ends.
///
/// It knows nothing of processes, sockets or clocks, and its chance comes from a seed: feed it events with the time, obey
/// the actions that it returns in their order, and wake it at ``nextWake``.
package struct PoolMachine: Sendable {
    package typealias WorkerID = UInt64
    package typealias CallID = UInt64

    /// What a call brings along.
    package struct CallTraits: Sendable, Equatable {
        /// Calls of one lane are done in order; lanes take turns.
        package var lane = ""
        /// What is remembered of a call that was quarantined; nil for nothing.
        package var identity: String?
        /// From the submission to the end, through all attempts.
        package var timeout: Duration?
        /// Of an attempt that runs, without progress and without a byte.
        package var stallTimeout: Duration?
        package var retry = RetryPolicy()

        package init() {}
    }

    /// How an attempt ended, as the shell saw it.
    package enum AttemptEnd: Sendable, Equatable {
        /// The whole result has been taken.
        case succeeded
        /// The worker said why, or the caller's own side failed; the shell keeps the error.
        case failed(isRetryable: Bool)
        /// The worker did not take it: it drains. It had no effect.
        case notTaken
        /// The connection ended; the worker's end tells why.
        case workerLost(mayRetry: Bool)
        /// The worker has confirmed our cancellation.
        case cancelled
    }

    package enum Event: Sendable, Equatable {
        case start
        case submit(CallID, CallTraits)
        /// The caller has given up.
        case cancel(CallID)
        /// A byte or a PROGRESS of the attempt that runs.
        case activity(CallID)
        /// Sent exactly once for each `dispatch`, also after `cancelCall`.
        case attemptEnded(CallID, AttemptEnd)
        case workerReady(WorkerID)
        /// It could not be spawned; no `workerExited` follows.
        case spawnFailed(WorkerID, SpawnError)
        /// It takes no more calls, by its own wish or because its connection has ended; its exit follows.
        case workerLeaving(WorkerID)
        /// Sent exactly once for each worker that was spawned, possibly before the ends of its attempts.
        case workerExited(WorkerID, WorkerExit)
        /// What a worker uses of memory, told after a call; bytes.
        case residentSize(WorkerID, UInt64)
        /// No new calls; those that were taken are done, then the workers are stopped.
        case drain
        /// Ends everything now: waiting calls fail, running ones are cancelled, workers are told to end.
        case stop
        case wake
    }

    /// How a call ends; exactly one for each `submit`.
    package enum Verdict: Sendable, Equatable {
        case succeeded
        /// As the shell knows from the last attempt.
        case failed
        case queueFull
        /// Its own deadline passed, while it waited or while it ran.
        case timedOut(whileRunning: Bool)
        /// No progress for too long.
        case stalled
        case cancelled
        /// Its worker ended in the middle of it.
        case workerLost(WorkerExit)
        /// It cost too many workers; the last end, or nil for an identity that is remembered.
        case quarantined(WorkerExit?)
        /// No worker lives, and none can be started: not in a way that may pass.
        case notStarted(SpawnError)
        /// No worker lives, and none is started for now.
        case breakerOpen(retryAfter: Duration, lastEnd: PoolWorkerEnd?)
        /// The pool is draining or stopped.
        case stopped
    }

    package enum Action: Sendable, Equatable {
        case spawn(WorkerID)
        case dispatch(CallID, to: WorkerID, attempt: Int)
        /// RESET the call; its `attemptEnded` follows.
        case cancelCall(CallID, on: WorkerID)
        case stopWorker(WorkerID, StopCause)
        case terminateWorker(WorkerID, StopCause)
        case killWorker(WorkerID, StopCause)
        case finish(CallID, Verdict)
        case tell(PoolEvent)
        /// Drained or stopped, and every worker has ended; nothing follows.
        case finished
    }
}
