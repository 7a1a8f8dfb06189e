// SPDX-License-Identifier: Apache-2.0
package import IPCFrame

/// Decides the life of one job: its attempts, deadlines, cancellation and retries.
///
/// It knows nothing of processes, sockets or clocks: feed it events with the time, obey the actions it returns in their
/// order, and wake it at ``nextWake``. Events that no longer matter are ignored, so a caller need not filter them.
package struct JobRunMachine: Sendable {
    /// How a worker ended, in the words of whoever reaped it.
    package enum WorkerEnd: Sendable, Equatable {
        case exited(code: Int32)
        case killed(signal: Int32, dumpedCore: Bool)
        case outOfMemory(evidence: String)
        case outOfCPUTime(evidence: String)
        case timedOut(JobDeadline)
        case protocolViolation(code: String, text: String)
        /// We stopped it, as we had been told to.
        case stopped
        case unknown(String)
    }

    /// How a call ended short of its result.
    package enum CallEnd: Sendable, Equatable {
        /// The worker said why.
        case failed(JobFailure)
        /// The connection ended without a word; the worker's exit will tell why.
        case connectionLost
        /// What came was not the protocol.
        case protocolViolation(code: String, text: String)
        /// We refused the worker in the handshake; it exits by itself.
        case rejected(String)
        /// The worker confirmed our cancellation.
        case cancelled
    }

    package enum Event: Sendable, Equatable {
        case start
        case startFailed(JobStartFailure)
        case ready
        /// A byte moved, either way, or a body was accepted.
        case activity
        case progress(isFinal: Bool)
        /// A byte of the result has gone where it cannot be taken back.
        case resultLeft
        /// The call ended with END and its whole result has been taken; the reason goes with an exit code but 0.
        case completed(exitCode: Int32, reason: String? = nil)
        case callEnded(CallEnd)
        case resultPlaced
        case resultNotPlaced(String)
        /// The worker was reaped, after everything that it had sent was read.
        case workerGone(WorkerEnd)
        case inputFailed(String)
        case outputFailed(String)
        case resultReaderGone
        case cancel(JobCancellation, force: Bool)
        case wake
    }

    package enum Action: Sendable, Equatable {
        case spawn(attempt: Int)
        case openCall
        /// Send RESET; the call's end is then reported, or the worker's.
        case cancelCall
        /// Everything that will come has come: end the connection, so that the call ends too.
        case hangUp
        /// Put the result where it is wanted.
        case placeResult
        /// Forget what was written of the result, and be ready to take it from its beginning.
        case discardResult
        /// End the worker in order: DRAIN, grace, SIGTERM, grace, SIGKILL.
        case stopWorker
        /// End the worker without asking: SIGTERM, grace, SIGKILL.
        case terminateWorker
        /// End the worker at once: SIGKILL.
        case killWorker
        case tell(JobNotice)
        case finish(JobVerdict, commitUnknown: Bool)
    }

    /// What may be asked of a run.
    package struct Policy: Sendable, Equatable {
        /// For each attempt, from its spawn to its end.
        package var timeout: Duration?
        /// Without progress and without a byte.
        package var stallTimeout: Duration?
        /// From the spawn to READY.
        package var startTimeout: Duration? = .seconds(10)
        /// For a cancelled call, and a worker that has hung up.
        package var grace: Duration = .seconds(10)
        /// Attempts after the first.
        package var retries = 0
        /// The pause before the first retry; doubled for each further one.
        package var retryDelay: Duration = .milliseconds(500)
        /// The longest such pause.
        package var longestRetryDelay: Duration = .seconds(30)

        package init() {}
    }

    enum State: Sendable, Equatable {
        case idle
        case waitingToRetry
        case starting
        case calling
        /// The call is to end; if `patiently`, it has passed the point of no return and is left to end by itself.
        case cancelling(patiently: Bool)
        case placing
        /// Only the worker's end is awaited.
        case leaving
        case finished
    }

    let policy: Policy
    var state = State.idle
    var attempt = 0
    /// The end that the run is coming to, once it is known.
    var verdict: JobVerdict?
    /// The worker's end, when it came before the call's.
    var workerEnd: WorkerEnd?
    var isFinal = false
    var hasResultLeft = false
    var hasCompleted = false
    var cancellation: JobCancellation?
    var deadlines = Deadlines()
    var actions: [Action] = []

    /// A run that has not begun.
    package init(policy: Policy) { self.policy = policy }

    /// True once `finish` has been returned; nothing follows it.
    package var isFinished: Bool { state == .finished }

    /// When to send `wake` at the latest; `nil` for never.
    package var nextWake: ContinuousMoment? { deadlines.nextWake }

    /// Takes an event in and gives the actions that it calls for.
    package mutating func handle(_ event: Event, now: ContinuousMoment) -> [Action] {
        guard !isFinished else { return [] }
        deadlines.advance(to: now)
        actions.removeAll(keepingCapacity: true)
        advance(event, now: now)
        if let deadline = deadlines.firstPassed(at: now) { pass(deadline, now: now) }
        if isFinished { deadlines = Deadlines() }
        return actions
    }
}

/// Something that whoever watches a job may want to be told.
public enum JobNotice: Sendable, Equatable {
    /// The job is being cancelled, for the reason of the verdict; it may take up to `grace`.
    case cancelling(JobVerdict, grace: Duration)

    /// The job has passed the point of no return and is left to end by itself, for up to `grace`.
    case tooLateToCancel(JobVerdict, grace: Duration)

    /// The worker did not do as it was asked in its grace, and gets signals from now on.
    case terminating

    /// An attempt failed and another one follows after `delay`.
    case retrying(JobVerdict, attempt: Int, of: Int, delay: Duration)

    /// So many lines of the job's log are missing: they came faster than they could be taken.
    case logLinesDropped(UInt64)

    /// The job was done, but its worker then ended badly.
    case workerEndedBadly(JobVerdict)
}
