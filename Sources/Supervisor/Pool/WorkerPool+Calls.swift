// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

// The calls.
extension WorkerPool {
    /// Has a worker do a call, and returns its whole answer.
    ///
    /// Cancelling the calling task cancels the call. The answer may have `limit` bytes at most; for more, and for
    /// progress, see ``withCall(_:arguments:body:options:_:)``.
    ///
    /// - Throws: ``PoolError`` when the pool or the supervision says no, `CallError` when the worker or the transfer does.
    public nonisolated func call(
        _ method: String,
        arguments: [Argument] = [],
        body: OutboundBody = .none,
        options: PoolCallOptions = PoolCallOptions(),
        upTo limit: UInt64 = 16 << 20
    ) async throws -> PoolReply {
        let request = CallRequest(method: method, arguments: arguments, body: body, options: options)
        // On the reactor, without a hop, as long as it is little.
        return try await perform(request) { call in
            let response = try await call.response()
            let bytes = try await Self.collect(response.body, upTo: limit)
            guard let trailer = response.body.trailer else {
                preconditionFailure("a body that has ended has its trailer")
            }
            return PoolReply(arguments: response.arguments, bytes: bytes, trailer: trailer)
        }
    }

    /// Has a worker do a call while `handler` takes its answer, on the caller's side of the reactor: it may block.
    ///
    /// The call is over when `handler` returns; an answer that was not taken to its end is given up. Where the options
    /// allow retries, `handler` is called anew for each attempt.
    ///
    /// - Throws: what `handler` throws; ``PoolError`` when the pool or the supervision says no.
    public nonisolated func withCall<Value: Sendable>(
        _ method: String,
        arguments: [Argument] = [],
        body: OutboundBody = .none,
        options: PoolCallOptions = PoolCallOptions(),
        _ handler: @Sendable @concurrent (PooledCall) async throws -> Value
    ) async throws -> Value {
        let request = CallRequest(method: method, arguments: arguments, body: body, options: options)
        return try await perform(request) { call in try await handler(call) }
    }

    /// Small bodies where they are; larger ones, which take time to inflate and to check, elsewhere.
    private static func collect(_ body: InboundBody, upTo limit: UInt64) async throws(CallError) -> [UInt8] {
        if let size = body.size, size <= 65_536 { return try await body.collect(upTo: limit) }
        return try await collectElsewhere(body, upTo: limit)
    }

    @concurrent
    private static func collectElsewhere(_ body: InboundBody, upTo limit: UInt64) async throws(CallError) -> [UInt8] {
        try await body.collect(upTo: limit)
    }
}

extension WorkerPool {
    struct CallRequest: Sendable {
        let method: String
        let arguments: [Argument]
        let body: OutboundBody
        let options: PoolCallOptions

        var traits: PoolMachine.CallTraits {
            var traits = PoolMachine.CallTraits()
            traits.lane = options.lane
            traits.identity = options.identity
            traits.timeout = options.timeout
            traits.timeoutBeginsWithWorker = options.timeoutBeginsWithWorker
            traits.stallTimeout = options.stallTimeout
            traits.retry = options.retry
            return traits
        }
    }

    /// What a call is told by the pool.
    enum Turn: Sendable {
        case run(worker: PoolMachine.WorkerID, WorkerProcess, attempt: Int)
        case finished(PoolMachine.Verdict, StallEvidence?)
    }

    /// A call, as long as its caller waits.
    final class CallRecord {
        /// When the time of its timeout began.
        var beganAt = ContinuousMoment.now
        let timeoutBeginsWithWorker: Bool
        var outgoing: OutgoingCall?
        /// Who does it now, or did it last.
        var process: WorkerProcess?
        var lastStatistics: CallStatistics?
        /// How often it is looked at whether it moves; nil for a call that may stand still.
        var stallInterval: Duration?
        private var turn: Turn?
        private var waiter: CheckedContinuation<Turn, Never>?

        init(timeoutBeginsWithWorker: Bool) { self.timeoutBeginsWithWorker = timeoutBeginsWithWorker }

        func take(_ turn: Turn) {
            if let waiter {
                self.waiter = nil
                waiter.resume(returning: turn)
            } else {
                self.turn = turn
            }
        }

        /// To be called on the pool's thread, once for each turn.
        func wait(_ continuation: CheckedContinuation<Turn, Never>) {
            if let turn = turn.take() { continuation.resume(returning: turn) } else { waiter = continuation }
        }
    }

    func dispatch(_ id: PoolMachine.CallID, to worker: PoolMachine.WorkerID, attempt: Int) {
        guard let record = calls[id], let process = workers[worker]?.process else {
            preconditionFailure("a call that is given to a worker exists, and so does the worker")
        }
        record.process = process
        if attempt == 1, record.timeoutBeginsWithWorker { record.beganAt = .now }
        record.take(.run(worker: worker, process, attempt: attempt))
    }

    func finish(_ id: PoolMachine.CallID, _ verdict: PoolMachine.Verdict) {
        guard let record = calls[id] else { return }
        var evidence = verdict == .stalled ? record.process?.assumeIsolated { $0.currentActivity } : nil
        evidence?.lastProgress = record.outgoing?.lastProgress
        record.take(.finished(verdict, evidence))
    }

    /// Submits a call and does as the pool says, until it is over.
    func perform<Value: Sendable>(
        _ request: CallRequest,
        _ handler: (PooledCall) async throws -> Value
    ) async throws -> Value {
        start()
        lastCall += 1
        let id = lastCall
        let record = CallRecord(timeoutBeginsWithWorker: request.options.timeoutBeginsWithWorker)
        calls[id] = record
        defer { calls[id] = nil }
        handle(.submit(id, request.traits))
        return try await withTaskCancellationHandler {
            try await attend(id, record, request, handler)
        } onCancel: {
            reactor.perform { self.assumeIsolated { $0.handle(.cancel(id)) } }
        }
    }

    private func attend<Value: Sendable>(
        _ id: PoolMachine.CallID,
        _ record: CallRecord,
        _ request: CallRequest,
        _ handler: (PooledCall) async throws -> Value
    ) async throws -> Value {
        var value: Value?
        var failure: (any Error)?
        while true {
            switch await withCheckedContinuation({ record.wait($0) }) {
            case .finished(.succeeded, _):
                guard let value else { preconditionFailure("a call that succeeded has its value") }
                return value
            case .finished(.failed, _): throw failure ?? PoolError.stopped
            case .finished(let verdict, let evidence): throw PoolError(verdict, evidence)
            case .run(let worker, let process, let attempt):
                do {
                    value = try await run(id, record, request, worker, process, attempt, handler)
                } catch {
                    failure = error
                }
            }
        }
    }

    /// One attempt; its end has been, or will be, told to the machine when this returns.
    private func run<Value: Sendable>(
        _ id: PoolMachine.CallID,
        _ record: CallRecord,
        _ request: CallRequest,
        _ worker: PoolMachine.WorkerID,
        _ process: WorkerProcess,
        _ attempt: Int,
        _ handler: (PooledCall) async throws -> Value
    ) async throws -> Value {
        let call: OutgoingCall
        do throws(CallError) {
            call = try await process.connection.call(
                request.method,
                arguments: request.arguments,
                body: request.body,
                options: options(for: request, record)
            )
        } catch {
            handle(.attemptEnded(id, PoolMachine.AttemptEnd(error, mayRetry: request.body.isRepeatable)))
            throw error
        }
        record.outgoing = call
        watchForStalls(record, request)
        let pooled = PooledCall(number: id, worker: worker, attempt: attempt, call: call)
        do {
            let value = try await handler(pooled)
            if !pooled.isTaken { call.cancel() }
            await call.finished()
            record.outgoing = nil
            sampleMemory(of: worker)
            tell(.callTransferred(call: id, worker: worker, call.statistics))
            handle(.attemptEnded(id, .succeeded))
            return value
        } catch {
            record.outgoing = nil
            let mayRetry = request.body.isRepeatable && !call.isFinal
            // The worker's slot is free when the worker says so, and the caller need not wait for that.
            Task {
                call.cancel()
                await call.finished()
                tell(.callTransferred(call: id, worker: worker, call.statistics))
                handle(.attemptEnded(id, PoolMachine.AttemptEnd(error, mayRetry: mayRetry)))
            }
            throw error
        }
    }

    private func options(for request: CallRequest, _ record: CallRecord) -> CallOptions {
        var options = CallOptions()
        options.codec = request.options.codec
        options.delivery = request.options.delivery
        options.digest = request.options.digest
        options.timeout = request.options.timeout.map { max(.zero, $0 - (ContinuousMoment.now - record.beganAt)) }
        return options
    }

    // MARK: Stalls

    /// Looks, while a call with a stall timeout runs, whether it moves: often enough for the shortest of them.
    private func watchForStalls(_ record: CallRecord, _ request: CallRequest) {
        guard let timeout = request.options.stallTimeout else { return }
        let interval = max(.milliseconds(1), min(.seconds(1), timeout / 4))
        record.stallInterval = interval
        watchForStalls(each: interval)
    }

    private func watchForStalls(each interval: Duration) {
        if let stallWatch {
            guard interval < stallWatch.interval else { return }
            reactor.cancel(stallWatch.id)
        }
        let id = reactor.schedule(at: .now + interval) {
            self.assumeIsolated { pool in
                pool.stallWatch = nil
                if let interval = pool.noteActivity() { pool.watchForStalls(each: interval) }
            }
        }
        stallWatch = (id, interval)
    }

    /// Tells the machine which calls have moved; returns how soon that is to be looked at again, if it is.
    @discardableResult
    func noteActivity() -> Duration? {
        var shortest: Duration?
        for (id, record) in calls {
            guard let call = record.outgoing, let interval = record.stallInterval else { continue }
            shortest = min(shortest ?? interval, interval)
            let statistics = call.statistics
            guard statistics != record.lastStatistics else { continue }
            record.lastStatistics = statistics
            handle(.activity(id))
        }
        return shortest
    }
}
