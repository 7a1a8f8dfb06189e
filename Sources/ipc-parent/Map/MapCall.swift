// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// One file on its way through a worker: opened, sent, its result taken and put in its place.
final class MapCall: Sendable {
    /// What is the same for all files.
    struct Settings: Sendable {
        let pool: WorkerPool
        let job: String
        let arguments: [Argument]
        let options: PoolCallOptions
        /// Nil where results go to standard output.
        let outputs: OutputPlan?
        /// How much of a result for standard output may be kept in memory.
        let spoolMemory: Int
        let console: Console
    }

    /// How it ended.
    struct End: Sendable {
        var outcome: JobOutcome
        /// Nothing but our giving it up ended it: why is for us to say.
        var isGivenUp = false
        /// The result, where it is yet to be written to standard output.
        var spool: ResultSpool?
    }

    /// How far it is.
    struct Standing {
        var bytesIn: UInt64 = 0
        var bytesOut: UInt64 = 0
        /// The part of the file that has been sent, from 0 to 1.
        var part = 0.0
    }

    private struct State {
        var attempts = 0
        /// The worker's last word has come.
        var hasCompleted = false
        var size: UInt64?
        var call: PooledCall?
        var place: ResultPlace?
        var began: (moment: ContinuousMoment, time: Int64)?
    }

    let path: String
    private let settings: Settings
    private let state = Mutex(State())

    init(_ path: String, _ settings: Settings) {
        self.path = path
        self.settings = settings
    }

    /// Whether a worker has had it.
    var isBegun: Bool { state.withLock { $0.attempts > 0 } }

    /// Whether the job has said that its effects may be lasting.
    var isFinal: Bool { state.withLock { $0.call }?.isFinal ?? false }

    var standing: Standing {
        let (call, size) = state.withLock { ($0.call, $0.size) }
        guard let statistics = call?.statistics else { return Standing() }
        var standing = Standing(bytesIn: statistics.bytesSent, bytesOut: statistics.bytesReceived)
        if let size, size > 0 { standing.part = min(1, Double(statistics.bytesSent) / Double(size)) }
        return standing
    }

    /// Takes away what an end at once would leave behind.
    func abandon() { state.withLock { $0.place }?.abandon() }

    /// Does it all; to be called on a thread that may block.
    @concurrent
    func run() async -> End {
        var outcome = JobOutcome(job: settings.job, verdict: .succeeded)
        var isGivenUp = false
        do {
            outcome.counts = try await transfer(&outcome).counts
        } catch {
            if let end = PooledJobEnd(error) {
                outcome.verdict = end.verdict
                outcome.evidence = end.evidence
            } else {
                isGivenUp = true
            }
        }
        return conclude(outcome, isGivenUp: isGivenUp)
    }

    private func transfer(_ outcome: inout JobOutcome) async throws -> Trailer {
        let body = try open()
        let place = try makePlace()
        state.withLock { state in
            state.size = body.size
            state.place = place
        }
        let trailer = try await settings.pool.withCall(
            settings.job,
            arguments: settings.arguments,
            body: body,
            options: settings.options
        ) { call in
            try await self.take(call, into: place)
        }
        state.withLock { $0.hasCompleted = true }
        if let end = PooledJobEnd(exitCode: trailer.exitCode, reason: trailer.reason) {
            // The result is whole, but its maker says that it failed.
            outcome.verdict = end.verdict
        } else {
            try place.finish()
        }
        return trailer
    }

    private func conclude(_ outcome: JobOutcome, isGivenUp: Bool) -> End {
        var outcome = outcome
        let (standing, last) = (self.standing, state.withLock { $0 })
        outcome.attempts = last.attempts
        let hasLastWord = last.hasCompleted || !isGivenUp && outcome.verdict.isWorkersWord
        outcome.isCommitUnknown = last.call?.isFinal == true && !hasLastWord
        outcome.traffic.bytesIn = standing.bytesIn
        outcome.traffic.bytesOut = standing.bytesOut
        outcome.finishedAt = WallClock.now
        outcome.startedAt = last.began?.time ?? outcome.finishedAt
        outcome.duration = last.began.map { ContinuousMoment.now - $0.moment } ?? .zero
        let isDone = outcome.verdict == .succeeded && !isGivenUp
        if !isDone { last.place?.abandon() }
        // The descriptors are closed now, and not when the last one who knows this call forgets it.
        state.withLock { state in
            state.place = nil
            state.call = nil
        }
        var end = End(outcome: outcome, isGivenUp: isGivenUp)
        if isDone, case .spool(let spool) = last.place { end.spool = spool }
        return end
    }

    // MARK: Input and result

    private func open() throws(JobBodyError) -> OutboundBody {
        do throws(SystemError) {
            switch try File.status(at: path).kind {
            case .regular: return try .file(path: path)
            case .directory: throw SystemError(call: "open", errno: EISDIR)
            // Opening it might wait for ever.
            case .fifo, .socket, .device, .other: break
            }
        } catch {
            throw .input("cannot read it: \(error.reason)")
        }
        throw .input("cannot read it: it is not a regular file")
    }

    private func makePlace() throws(JobBodyError) -> ResultPlace {
        guard let outputs = settings.outputs else {
            return .spool(ResultSpool(memory: settings.spoolMemory, directory: SpoolDirectory.path))
        }
        let target = try OutputTarget.open(outputs.target(of: path))
        guard !target.isImmediate else { throw .output("cannot write \(target.name): it is not a regular file") }
        return .file(target)
    }

    /// Takes the result of one attempt.
    private func take(_ call: PooledCall, into place: ResultPlace) async throws -> Trailer {
        try begin(call, place)
        let console = settings.console
        let path = path
        let log = Task(executorPreference: settings.pool.reactor) {
            for await case .log(var line) in call.events {
                line.text = "\(path): \(line.text)"
                console.log(line)
            }
        }
        let body = try await call.response().body
        while let piece = try await body.nextPiece() {
            try place.write(piece.bytes)
            if piece.isFlush { try place.synchronize() }
        }
        await log.value
        guard let trailer = body.trailer else { preconditionFailure("a body that has ended has its trailer") }
        return trailer
    }

    private func begin(_ call: PooledCall, _ place: ResultPlace) throws(JobBodyError) {
        state.withLock { state in
            state.call = call
            state.attempts = call.attempt
            state.began = state.began ?? (ContinuousMoment.now, WallClock.now)
        }
        guard call.attempt > 1 else { return }
        try place.discard()
        settings.console.notice("\(path): attempt \(call.attempt) of \(settings.options.retry.retries + 1)")
    }
}
