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
        /// The timeout begins with the first attempt instead.
        package var timeoutBeginsWithWorker = false
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
        /// Drained or stopped, and every worker has ended; nothing follows but the refusal of further calls.
        case finished
    }

    enum Mode: Sendable, Equatable {
        case running
        case draining
        case stopping
        case finished
    }

    enum Timer: Sendable, Hashable {
        case deadline(CallID)
        case stall(CallID)
        case retry(CallID)
        /// A call that was told to end should have.
        case overdue(CallID)
        case age(WorkerID)
        case healthy(WorkerID)
        case idle
        case restart
        case breaker
    }

    let policy: PoolPolicy
    var random: SeededRandom
    var mode = Mode.running
    /// The standing workers are kept from the start on.
    var isStarted = false
    var actions: [Action] = []
    var timers = TimerHeap<Timer>()
    var isIdleTimerSet = false

    /// Calls without a verdict, and those whose attempt still takes up a slot.
    var calls: [CallID: Call] = [:]
    var unfinishedCount = 0
    var runningCount = 0
    var queue = FairQueue()
    /// Suspects that wait for a worker of their own; only where workers take several calls.
    var suspects = FairQueue()
    var quarantine: Quarantine

    /// Workers that have not exited.
    var workers: [WorkerID: Worker] = [:]
    var lastWorker: WorkerID = 0
    var startingCount = 0
    var readyCount = 0
    var ready = ReadyWorkers()
    /// The worker that takes no more calls until a suspect can have it for itself.
    var reserved: WorkerID?

    let restartBackoff: RestartBackoff
    /// Unasked ends of workers that were not well, since one was.
    var endsInARow = 0
    var lastBadEnd: (moment: ContinuousMoment, end: PoolWorkerEnd)?
    var restartPausedUntil: ContinuousMoment?
    var breaker: CircuitBreaker

    /// A pool without workers.
    ///
    /// - Precondition: the figures of the policy make sense together.
    package init(policy: PoolPolicy, seed: UInt64) {
        precondition(policy.maximumWorkers >= 1, "a pool has at least one worker")
        precondition(
            0...policy.maximumWorkers ~= policy.minimumWorkers,
            "the minimum of workers is not negative, and not above the maximum"
        )
        precondition(policy.warmStandby >= 0, "the standby is not negative")
        precondition(policy.callsPerWorker >= 1, "a worker does at least one call at a time")
        precondition(policy.queueLimit >= 0 && policy.laneLimit ?? 0 >= 0, "a queue's limit is not negative")
        precondition(policy.quarantineAfter >= 1, "a call is quarantined for at least one worker")
        self.policy = policy
        random = SeededRandom(seed: seed)
        quarantine = Quarantine(time: policy.quarantineTime)
        restartBackoff = RestartBackoff(first: policy.restart.first, longest: policy.restart.longest)
        breaker = CircuitBreaker(policy: policy.breaker)
    }

    /// True once ``Action/finished`` has been returned.
    package var isFinished: Bool { mode == .finished }

    /// When to send `wake` at the latest; nil for never.
    package var nextWake: ContinuousMoment? { timers.next }

    /// Takes an event in and gives the actions that it calls for.
    package mutating func handle(_ event: Event, now: ContinuousMoment) -> [Action] {
        if case .activity(let call) = event {
            // It comes for every progress: nothing is searched, moved or allocated.
            calls[call]?.lastActivity = now
            return []
        }
        advance(event, now: now)
        repeat {
            while let timer = timers.takeDue(at: now) { pass(timer, now: now) }
            settle(now: now)
            // What settles may set a timer without any time on it.
        } while timers.next.map { $0 <= now } ?? false
        var result: [Action] = []
        swap(&result, &actions)
        return result
    }

    mutating func tell(_ event: PoolEvent) { actions.append(.tell(event)) }
}
