// SPDX-License-Identifier: Apache-2.0
internal import Glibc
public import IPCFrame

/// Runs one job in supervised workers of its own, one for each attempt.
///
/// What happens when is decided by ``JobRunMachine``; this does as it is told.
public actor JobRun {
    /// What belongs to one attempt.
    struct Attempt {
        let number: Int
        let startedAt: ContinuousMoment
        var worker: WorkerProcess?
        var connection: Connection?
        var call: OutgoingCall?
        var exit: WorkerExit?
        var lastTraffic: CallStatistics?
        /// The bodies may go through shared memory.
        var sharesMemory = false
        /// The input goes as the open file that it is.
        var passesInput = false
        /// An end that was wanted before there was a worker.
        var earlyStop: JobRunMachine.Action?
    }

    let request: JobRequest
    let observer: JobObserver
    let reactor: Reactor
    let outputThread = BlockingThread(name: "result")
    let inputGate = InputGate()

    private var machine: JobRunMachine
    private var timer: Reactor.TimerID?
    private var waiter: CheckedContinuation<JobOutcome, Never>?
    private var startedAt = ContinuousMoment.now
    var attempt = Attempt(number: 0, startedAt: ContinuousMoment.now)
    var outcome: JobOutcome
    var hints: [String] = []

    /// The reactor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }

    /// Prepares a run; nothing happens before ``run()``.
    public init(_ request: JobRequest, observer: JobObserver = JobObserver(), on reactor: Reactor = .shared) {
        self.request = request
        self.observer = observer
        self.reactor = reactor
        machine = JobRunMachine(policy: request.policy)
        outcome = JobOutcome(job: request.job, verdict: .unknown("the job was not run"))
    }

    /// Runs the job and tells how it ended; to be called once.
    public func run() async -> JobOutcome {
        precondition(waiter == nil && attempt.number == 0, "a job is run once")
        startedAt = .now
        outcome.startedAt = WallClock.now
        return await withCheckedContinuation { continuation in
            waiter = continuation
            handle(.start)
            // It may have been cancelled before it began.
            if machine.isFinished, waiter != nil { finish(outcome.verdict, commitUnknown: false) }
        }
    }

    /// Ends the job early: in order, or at once if `force` is true.
    public func cancel(_ reason: JobCancellation, force: Bool = false) { handle(.cancel(reason, force: force)) }

    /// The end that the run is coming to, once it is known.
    var coming: JobVerdict? { machine.verdict }

    /// What has moved so far, in the present attempt.
    public var traffic: JobTraffic { currentTraffic() }

    // MARK: Events

    /// Gives an event to the machine and does what it answers, unless it is of an attempt that is over.
    func handle(_ event: JobRunMachine.Event, from number: Int? = nil) {
        if let number, number != attempt.number { return }
        for action in machine.handle(event, now: .now) { obey(action) }
        reschedule()
    }

    private func reschedule() {
        if let timer { reactor.cancel(timer) }
        timer = machine.nextWake.map { moment in
            reactor.schedule(at: moment) { self.assumeIsolated { $0.tick() } }
        }
    }

    private func tick() {
        timer = nil
        if let statistics = attempt.call?.statistics, statistics != attempt.lastTraffic {
            attempt.lastTraffic = statistics
            handle(.activity)
        }
        handle(.wake)
    }

    private func obey(_ action: JobRunMachine.Action) {
        switch action {
        case .spawn(let number): begin(number)
        case .openCall: openCall()
        case .cancelCall: attempt.call?.cancel()
        case .hangUp: hangUp()
        case .placeResult: placeResult()
        case .discardResult: discardResult()
        case .stopWorker, .terminateWorker, .killWorker: endWorker(action)
        case .tell(let notice): observer.notice(notice)
        case .finish(let verdict, let commitUnknown): finish(verdict, commitUnknown: commitUnknown)
        }
    }

    private func finish(_ verdict: JobVerdict, commitUnknown: Bool) {
        outcome.verdict = verdict
        outcome.isCommitUnknown = commitUnknown
        outcome.attempts = attempt.number
        outcome.duration = ContinuousMoment.now - startedAt
        outcome.finishedAt = WallClock.now
        outcome.traffic = currentTraffic()
        addEvidence()
        if let dropped = attempt.call?.logLinesDropped, dropped > 0 { observer.notice(.logLinesDropped(dropped)) }
        request.input?.interrupt()
        if verdict != .succeeded { request.output.interrupt() }
        waiter?.resume(returning: outcome)
        waiter = nil
    }

    private func addEvidence() {
        var sentences = hints
        if let exit = attempt.exit {
            switch exit.status {
            case .exited(let code): outcome.workerExitCode = Int32(clamping: code)
            case .signalled(let signal, _): outcome.signal = Int32(clamping: signal)
            case .none: break
            }
            outcome.workerPeakRSS = [outcome.workerPeakRSS, exit.peakRSS].compactMap { $0 }.max()
            // A worker that ended as it should, after it had said what there was to say, proves nothing more.
            if !outcome.verdict.isWorkersWord || outcome.signal != nil || outcome.workerExitCode != 0 {
                sentences.append(exit.description)
            }
        }
        if !sentences.isEmpty { outcome.evidence = sentences.joined(separator: "; ") }
    }
}

/// The time of day.
package enum WallClock {
    /// Nanoseconds since 1970 UTC.
    package static var now: Int64 {
        var time = timespec()
        // Fills in one timespec; the clock is always there.
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
