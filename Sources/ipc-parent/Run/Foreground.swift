// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor

/// A job in the foreground, from the parsed options to the exit code.
///
/// The main thread becomes the reactor: nothing here starts another runtime's threads.
struct Foreground {
    private let options: RunOptions
    private let standard: StandardDescriptors
    private let style: ProgressMeter.Style
    private let console: Console
    private let signals: SignalWatch
    private let reactor: Reactor

    init(options: RunOptions, standard: StandardDescriptors) {
        self.options = options
        self.standard = standard
        // Before there is a second thread.
        signals = SignalWatch()
        reactor = Reactor(name: "ipc-parent")
        style = options.telling.progressStyle(on: .standardError)
        console = Console(isJSON: style == .json, isQuiet: options.telling.quiet)
    }

    /// Runs the job; returns what the process exits with.
    func run() -> Int32 {
        let report: OutputTarget?
        do throws(JobBodyError) {
            report = try options.telling.report.map { path throws(JobBodyError) in
                try OutputTarget.open(path, standardOutput: standard.output)
            }
        } catch {
            return end(with: fail(JobOutcome(job: options.job, error), nil))
        }
        let input: InputSource
        let output: OutputTarget
        let request: JobRequest
        do throws(JobBodyError) {
            let signals = signals
            input = try InputSource.open(options.input, standardInput: standard.input) { signals.settle() }
            output = try OutputTarget.open(options.output, standardOutput: standard.output)
            request = try self.request(input, output)
        } catch {
            return end(with: fail(JobOutcome(job: options.job, error), report))
        }
        let session = RunSession(
            request,
            style: style,
            console: console,
            isQuiet: options.telling.quiet,
            reactor: reactor,
            abandon: { output.abandon() }
        )
        signals.start { session.receive($0) }
        let result = ResultBox()
        let reactor = reactor
        Task(executorPreference: reactor) {
            let outcome = await session.run()
            result.set(outcome)
            reactor.stop()
        }
        reactor.runOnCurrentThread()
        output.abandon()
        guard let outcome = result.outcome else { return end(with: SupervisorExitCode.notSupervised) }
        if outcome.verdict == .succeeded || outcome.verdict == .resultReaderGone {
            return end(with: write(JobReport(outcome), to: report, otherwise: outcome.verdict.exitCode))
        }
        return end(with: fail(outcome, report))
    }

    // MARK: The request

    private func request(_ input: InputSource, _ output: OutputTarget) throws(JobBodyError) -> JobRequest {
        var worker = WorkerConfiguration(options.program, options.patience, options.limits, options.surroundings)
        let console = console
        worker.standardError = { console.relay($0) }

        var request = JobRequest(worker: worker, job: options.job, output: output)
        request.arguments = options.jobArguments.all(and: options.positional)
        if !input.isAbsent {
            let mustSpool = options.retries > 0 && !input.isRewindable
            request.input = mustSpool ? try SpooledInput(input, in: SpoolDirectory.path) : input
        }
        request.codec = options.compression == Compression.none ? .none : .zlib
        request.insistsOnCodec = options.compression != nil
        request.transport =
            switch options.transport {
            case .auto: .auto
            case .socket: .socket
            case .memory: .memory
            case .descriptor: .descriptor
            }
        request.timeout = options.timeout.duration
        request.stallTimeout = options.patience.stallTimeout.duration
        request.retries = options.retries
        return request
    }

    // MARK: The end

    /// Tells why there is no result; returns the exit code.
    private func fail(_ outcome: JobOutcome, _ report: OutputTarget?) -> Int32 {
        console.failure("\(outcome.job): \(outcome.text)", evidence: outcome.evidence)
        return write(JobReport(outcome), to: report, otherwise: outcome.verdict.exitCode)
    }

    private func write(_ report: JobReport, to target: OutputTarget?, otherwise code: Int32) -> Int32 {
        target?.write(report: report.json, otherwise: code, console: console) ?? code
    }

    private func end(with code: Int32) -> Int32 {
        console.finish()
        return code
    }
}

extension JobOutcome {
    /// A job that was not begun, since its input or its output was not there.
    fileprivate init(job: String, _ error: JobBodyError) {
        let verdict: JobVerdict =
            if case .input(let text) = error { .inputFailed(text) } else { .outputFailed("\(error)") }
        self.init(job: job, verdict: verdict)
        startedAt = WallClock.now
        finishedAt = startedAt
    }
}
