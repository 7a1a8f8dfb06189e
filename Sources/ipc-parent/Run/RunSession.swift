// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// A running job and the person before it: progress, notices, signals.
actor RunSession {
    nonisolated let reactor: Reactor
    private nonisolated let console: Console
    private let request: JobRequest
    private let isQuiet: Bool
    private var meter: ProgressMeter
    private var job: JobRun?
    private var timer: Reactor.TimerID?
    private var ends = 0
    /// The signal that came before there was a job.
    private var earlyEnd: CInt?
    private var isOver = false
    private let abandon: @Sendable () -> Void

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }

    /// A session for one job; `abandon` removes what an end at once would leave behind.
    init(
        _ request: JobRequest,
        style: ProgressMeter.Style,
        console: Console,
        isQuiet: Bool,
        reactor: Reactor,
        abandon: @escaping @Sendable () -> Void
    ) {
        self.request = request
        self.console = console
        self.isQuiet = isQuiet
        self.reactor = reactor
        self.abandon = abandon
        meter = ProgressMeter(job: request.job, style: style, startedAt: WallClock.now, now: .now)
    }

    /// Runs the job and shows what there is to show.
    func run() async -> JobOutcome {
        let job = JobRun(request, observer: observer, on: reactor)
        self.job = job
        if let earlyEnd { await job.cancel(.signal(earlyEnd)) }
        if !isQuiet { console.lines(meter.begin()) }
        tickLater()
        let outcome = await job.run()
        isOver = true
        if let timer { reactor.cancel(timer) }
        timer = nil
        await measure()
        console.bar("", columns: 0)
        meter.finish(counts: outcome.counts)
        if !isQuiet { console.lines(meter.end(outcome.verdict.outcome, now: .now)) }
        return outcome
    }

    private var observer: JobObserver {
        var observer = JobObserver()
        observer.notice = { notice in self.assumeIsolated { $0.tell(notice) } }
        observer.progress = { progress in self.assumeIsolated { $0.report(progress) } }
        observer.log = { [console] line in console.log(line) }
        return observer
    }

    // MARK: Progress

    private func report(_ progress: Progress) {
        let report = ProgressMeter.Report(
            completed: progress.completed,
            total: progress.total,
            unit: progress.unit,
            text: progress.text,
            counts: progress.counts
        )
        meter.update(report, now: .now)
    }

    private func measure() async {
        guard let traffic = await job?.traffic else { return }
        meter.update(
            bytesIn: traffic.bytesIn,
            of: request.input?.byteCount,
            bytesOut: traffic.bytesOut,
            now: .now
        )
    }

    private func tickLater() {
        timer = meter.nextWake(now: .now).map { moment in
            reactor.schedule(at: moment) { self.assumeIsolated { $0.tick() } }
        }
    }

    private func tick() {
        timer = nil
        Task {
            await self.measure()
            self.show()
        }
    }

    private func show() {
        guard timer == nil, !isOver else { return }
        if !isQuiet { console.lines(meter.dueLines(now: .now)) }
        if meter.style == .bar, TerminalProbe.isInForeground {
            console.bar(meter.line(now: .now), columns: TerminalProbe.columns)
        }
        tickLater()
    }

    // MARK: Notices

    private func tell(_ notice: JobNotice) {
        switch notice {
        case .cancelling(.resultReaderGone, _), .cancelling(.inputFailed, _), .cancelling(.outputFailed, _):
            // Told at the end; the worker ends soon enough.
            break
        case .cancelling(let verdict, let grace):
            let reason = verdict.text
            console.notice(
                "\(reason): the job is asked to end, for up to \(NumberText.span(grace))\(Self.hint(verdict))"
            )
        case .tooLateToCancel(let verdict, let grace):
            let reason = verdict.text
            console.notice(
                "\(reason), but the job is committing: it is left to end, for up to \(NumberText.span(grace))"
                    + Self.hint(verdict)
            )
        case .terminating: console.notice("the worker did not end, and is terminated")
        case .retrying(let verdict, let attempt, let attempts, let delay):
            console.notice(
                "\(verdict.text); attempt \(attempt) of \(attempts) follows in \(NumberText.span(delay))"
            )
        case .logLinesDropped(let count):
            console.notice("\(count) lines of the job's log are missing: they came faster than they could be taken")
        case .workerEndedBadly(.workerExited(let code)):
            console.notice("the job is done, but afterwards the worker exited with \(code)")
        case .workerEndedBadly(let verdict): console.notice("the job is done, but afterwards \(verdict.text)")
        }
    }

    private static func hint(_ verdict: JobVerdict) -> String {
        if case .cancelled(.signal(SIGINT)) = verdict { " (Ctrl-C again: at once)" } else { "" }
    }

    // MARK: Signals

    /// Called on the signals' own thread.
    nonisolated func receive(_ wish: SignalWatch.Wish) {
        if wish == .stopping {
            // The process stands still when this returns: the line must be free by then.
            console.bar("", columns: 0)
            console.waitUntilWritten(atMost: .milliseconds(200))
            return
        }
        reactor.perform { self.assumeIsolated { $0.obey(wish) } }
    }

    private func obey(_ wish: SignalWatch.Wish) {
        switch wish {
        case .end(let signal):
            ends += 1
            if ends > 2 { endNow(signal) }
            let isSecond = ends == 2
            if isSecond { console.notice("ending at once") }
            guard let job else {
                earlyEnd = signal
                return
            }
            Task { await job.cancel(.signal(signal), force: isSecond) }
        case .status:
            Task {
                await self.measure()
                self.console.lines([self.meter.line(now: .now)])
            }
        case .continued: console.forgetBar()
        case .stopping: break
        }
    }

    /// Somebody has asked three times: not even the worker's end is waited for.
    private func endNow(_ signal: CInt) -> Never {
        abandon()
        console.finish()
        _exit(SupervisorExitCode.signalBase + signal)
    }
}

/// The outcome on its way from the reactor's task to the main thread's code behind it.
final class ResultBox: Sendable {
    private let value = Mutex<JobOutcome?>(nil)

    var outcome: JobOutcome? { value.withLock { $0 } }

    func set(_ outcome: JobOutcome) { value.withLock { $0 = outcome } }
}
