// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Supervisor

/// Many files, a pool of workers for them, and the person before it.
///
/// Files are begun in their order, so many at a time; what happens to each is up to ``MapCall``.
actor MapSession {
    /// What is to be done.
    struct Settings: Sendable {
        let files: [String]
        let job: String
        let pool: PoolConfiguration
        let call: PoolCallOptions
        /// Standard output.
        let output: OutputTarget
        var arguments: [Argument] = []
        /// Nil where results go to standard output.
        var outputs: OutputPlan?
        var keepsOrder = false
        var failsFast = false
        /// Whether the outcome of each file is wanted at the end.
        var keepsOutcomes = false
        var isQuiet = false
    }

    struct Running {
        let call: MapCall
        let task: Task<Void, Never>
    }

    /// Files beyond the workers' that are open, so that a worker never waits for the next one.
    private static let mostAhead = 8
    private static let spoolMemory = 1 << 20
    /// For results that may wait for an earlier one, many at a time.
    private static let smallSpoolMemory = 16 << 10

    nonisolated let reactor: Reactor
    nonisolated let console: Console
    let settings: Settings
    private let resultThread = BlockingThread(name: "results")
    private let startedAt = WallClock.now
    private let start = ContinuousMoment.now

    var pool: WorkerPool?
    private var callSettings: MapCall.Settings?
    var starts = WorkerStarts()
    private var next = 0
    var running: [Int: Running] = [:]
    private var results: ResultQueue<MapCall.End>
    /// Results on their way to standard output.
    private var writing: [Int: MapCall.End] = [:]
    private var isOutputGivenUp = false
    var stopped: MapStop?
    var ends = 0
    var isOver = false
    private var waiter: CheckedContinuation<Void, Never>?

    private var outcomes: [JobOutcome?] = []
    var state = MapMeter.State()
    var meter: MapMeter
    var timer: Reactor.TimerID?

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }

    init(_ settings: Settings, style: ProgressMeter.Style, console: Console, reactor: Reactor) {
        self.settings = settings
        self.console = console
        self.reactor = reactor
        results = ResultQueue(isOrdered: settings.keepsOrder)
        meter = MapMeter(
            job: settings.job,
            files: settings.files.count,
            style: style,
            startedAt: startedAt,
            now: start
        )
    }

    /// Does all files, and tells how it went.
    func run() async -> MapReport {
        let pool = makePool()
        if settings.keepsOutcomes { outcomes = Array(repeating: nil, count: settings.files.count) }
        show(meter.begin(workers: settings.pool.policy.maximumWorkers))
        tickLater()
        await withCheckedContinuation { continuation in
            waiter = continuation
            feed()
        }
        isOver = true
        await pool.drain()
        return finish()
    }

    private func makePool() -> WorkerPool {
        var configuration = settings.pool
        configuration.observer = { event, _ in self.assumeIsolated { $0.hear(event) } }
        let pool = WorkerPool(configuration, on: reactor)
        self.pool = pool
        callSettings = MapCall.Settings(
            pool: pool,
            job: settings.job,
            arguments: settings.arguments,
            options: settings.call,
            outputs: settings.outputs,
            spoolMemory: settings.keepsOrder ? Self.smallSpoolMemory : Self.spoolMemory,
            console: console
        )
        return pool
    }

    private func finish() -> MapReport {
        if let timer { reactor.cancel(timer) }
        timer = nil
        state.tally.notRun = settings.files.count - state.tally.ended
        measure()
        console.bar("", columns: 0)
        if case .readerGone = stopped {} else { show(meter.end(now: .now)) }
        var report = MapReport(job: settings.job)
        report.tally = state.tally
        report.reason = stopped?.reason
        report.evidence = stopped?.evidence
        report.exitCode = stopped?.exitCode ?? state.tally.exitCode
        report.startedAt = startedAt
        report.finishedAt = WallClock.now
        report.duration = ContinuousMoment.now - start
        if settings.keepsOutcomes { report.files = zip(settings.files, outcomes).map { ($0, $1) } }
        return report
    }

    // MARK: Files

    /// Begins as many files as may be open, and sees when all is done.
    private func feed() {
        let workers = settings.pool.policy.maximumWorkers
        let limit = workers + min(workers, Self.mostAhead)
        while stopped == nil, next < settings.files.count, running.count + writing.count < limit, !results.isFull {
            begin(next)
            next += 1
        }
        let isDone = running.isEmpty && writing.isEmpty && (stopped != nil || next == settings.files.count)
        guard isDone, let waiter else { return }
        precondition(results.isEmpty, "once all files have ended, no result waits for another")
        self.waiter = nil
        waiter.resume()
    }

    private func begin(_ index: Int) {
        guard let callSettings else { preconditionFailure("files are begun when there is a pool") }
        let call = MapCall(settings.files[index], callSettings)
        let task = CallThreads.shared.run {
            let end = await call.run()
            await self.ended(index, end)
        }
        running[index] = Running(call: call, task: task)
    }

    /// A worker has done with a file, or never will.
    private func ended(_ index: Int, _ end: MapCall.End) {
        running[index] = nil
        state.bytesIn += end.outcome.traffic.bytesIn
        state.bytesOut += end.outcome.traffic.bytesOut
        results.add(end.spool == nil ? nil : end, of: index)
        if end.spool == nil { conclude(index, end) }
        for (index, end) in results.takeReady() { write(index, end) }
        feed()
    }

    /// Writes a result to standard output, after those before it.
    private func write(_ index: Int, _ end: MapCall.End) {
        guard let spool = end.spool else { preconditionFailure("what is written has a result") }
        writing[index] = end
        if isOutputGivenUp { return written(index, .failure(.interrupted)) }
        let output = settings.output
        resultThread.perform { [reactor] in
            let result = Result { () throws(JobBodyError) in try spool.copy(to: output) }
            reactor.perform { self.assumeIsolated { $0.written(index, result) } }
        }
    }

    private func written(_ index: Int, _ result: Result<Void, JobBodyError>) {
        // It may have been given up before.
        guard var end = writing.removeValue(forKey: index) else { return }
        end.spool = nil
        if case .failure(let error) = result {
            switch error {
            case .interrupted: end.isGivenUp = true
            case .readerGone:
                stop(.readerGone)
                end.isGivenUp = true
            case .input(let text), .output(let text):
                end.outcome.verdict = .outputFailed(text)
                stop(.outputFailed(text))
            }
        }
        conclude(index, end)
        feed()
    }

    /// Waits no longer for whoever reads standard output.
    ///
    /// The thread that writes may stay where it is: the process does not wait for it.
    func giveOutputUp() {
        isOutputGivenUp = true
        settings.output.interrupt()
        for index in writing.keys.sorted() { written(index, .failure(.interrupted)) }
    }

    /// Takes account of a file that has ended.
    private func conclude(_ index: Int, _ end: MapCall.End) {
        var outcome = end.outcome
        if end.isGivenUp, let stopped {
            // One that no worker had is like those that were not begun.
            guard outcome.attempts > 0 else { return }
            outcome.verdict = stopped.verdict
            state.tally.cancelled += 1
        } else if outcome.verdict == .succeeded, !end.isGivenUp {
            state.tally.succeeded += 1
        } else if case .noWorker = stopped, outcome.attempts == 0 {
            return
        } else {
            if end.isGivenUp { outcome.verdict = .unknown("the call was given up") }
            state.tally.failed += 1
            tell(settings.files[index], outcome)
            if settings.failsFast { stop(.failure) }
        }
        if settings.keepsOutcomes { outcomes[index] = outcome }
    }

    private func tell(_ path: String, _ outcome: JobOutcome) {
        if case .readerGone = stopped { return }
        // One line a file; programs that read the lines get the evidence too, and so does the report.
        console.failure("map: \(path): \(outcome.text)", evidence: meter.style == .json ? outcome.evidence : nil)
    }
}
