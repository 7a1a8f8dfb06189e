// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// Many files in the foreground, from the parsed options to the exit code.
struct MapForeground {
    private let options: MapOptions
    private let standard: StandardDescriptors
    private let style: ProgressMeter.Style
    private let console: Console
    private let signals: SignalWatch
    private let reactor: Reactor

    init(options: MapOptions, standard: StandardDescriptors) {
        self.options = options
        self.standard = standard
        // Before there is a second thread.
        signals = SignalWatch()
        reactor = Reactor(name: "ipc-parent")
        style = options.telling.progressStyle(on: .standardError)
        console = Console(isJSON: style == .json, isQuiet: options.telling.quiet)
    }

    /// Does all files; returns what the process exits with.
    func run(_ names: Result<[String], MapRefusal>) -> Int32 {
        let report: OutputTarget?
        do throws(JobBodyError) {
            report = try options.telling.report.map { path throws(JobBodyError) in
                try OutputTarget.open(path, standardOutput: standard.output)
            }
        } catch {
            return end(refuse(MapRefusal(exitCode: SupervisorExitCode.cannotCreate, text: "\(error)"), nil, []))
        }
        var files: [String] = []
        do throws(MapRefusal) {
            files = try names.get()
            let outputs: OutputPlan? =
                if let directory = options.outputDir { try OutputPlan(directory: directory, files: files) } else { nil }
            let output = try openOutput()
            return end(run(files, outputs, output, report))
        } catch {
            return end(refuse(error, report, files))
        }
    }

    private func run(
        _ files: [String],
        _ outputs: OutputPlan?,
        _ output: OutputTarget,
        _ report: OutputTarget?
    ) -> Int32 {
        let settings = settings(files, outputs, output)
        let session = MapSession(settings, style: style, console: console, reactor: reactor)
        signals.start { session.receive($0) }
        let result = MapResultBox()
        let reactor = reactor
        Task(executorPreference: reactor) {
            result.set(await session.run())
            reactor.stop()
        }
        reactor.runOnCurrentThread()
        guard let outcome = result.report else { return SupervisorExitCode.notSupervised }
        return write(outcome, to: report)
    }

    // MARK: What is run

    private func openOutput() throws(MapRefusal) -> OutputTarget {
        do throws(JobBodyError) {
            return try OutputTarget.open("-", standardOutput: standard.output)
        } catch {
            throw MapRefusal(exitCode: SupervisorExitCode.cannotCreate, text: "\(error)")
        }
    }

    private func settings(_ files: [String], _ outputs: OutputPlan?, _ output: OutputTarget) -> MapSession.Settings {
        var worker = WorkerConfiguration(options.program, options.patience, options.limits, options.surroundings)
        let console = console
        worker.standardError = { console.relay($0) }
        var pool = PoolConfiguration(worker: worker)
        pool.policy.maximumWorkers = options.workers ?? min(pool.policy.maximumWorkers, MapOptions.mostWorkers)
        // There are only so many calls at a time, and each may wait.
        pool.policy.whenFull = .wait
        pool.policy.cancelGrace = options.patience.grace
        // How often a file is tried is said by --retries alone.
        pool.policy.quarantineAfter = .max
        // A file that kills its worker is that file's failure, and the next one gets its chance soon: that no worker
        // starts at all is found out otherwise.
        pool.policy.breaker = nil
        pool.policy.restart.longest = .milliseconds(250)

        var call = PoolCallOptions()
        call.codec = options.compression == .none ? .none : .zlib
        // Of many calls none is worth a region of its own.
        call.delivery = .inline
        call.timeout = options.timeout.duration
        call.timeoutBeginsWithWorker = true
        call.stallTimeout = options.patience.stallTimeout.duration
        call.retry = RetryPolicy(retries: options.retries)

        var settings = MapSession.Settings(files: files, job: options.job, pool: pool, call: call, output: output)
        settings.arguments = options.jobArguments.all(and: IPCParent.programArguments.program)
        settings.outputs = outputs
        settings.keepsOrder = options.keepOrder
        settings.failsFast = options.failFast
        settings.keepsOutcomes = options.telling.report != nil
        settings.isQuiet = options.telling.quiet
        return settings
    }

    // MARK: The end

    /// Tells why nothing was begun; returns the exit code.
    private func refuse(_ refusal: MapRefusal, _ target: OutputTarget?, _ files: [String]) -> Int32 {
        console.failure("map: \(refusal.text)")
        var report = MapReport(job: options.job)
        report.tally.notRun = files.count
        report.reason = ("refused", refusal.text)
        report.exitCode = refusal.exitCode
        report.startedAt = WallClock.now
        report.finishedAt = report.startedAt
        report.files = files.map { ($0, nil) }
        return write(report, to: target)
    }

    private func write(_ report: MapReport, to target: OutputTarget?) -> Int32 {
        target?.write(report: report.json, otherwise: report.exitCode, console: console) ?? report.exitCode
    }

    private func end(_ code: Int32) -> Int32 {
        console.finish()
        return code
    }
}

/// The report on its way from the reactor's task to the main thread's code behind it.
private final class MapResultBox: Sendable {
    private let value = Mutex<MapReport?>(nil)

    var report: MapReport? { value.withLock { $0 } }

    func set(_ report: MapReport) { value.withLock { $0 = report } }
}
