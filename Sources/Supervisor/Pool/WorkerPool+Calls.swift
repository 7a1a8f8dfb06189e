// SPDX-License-Identifier: Apache-2.0
public import IPCFrame
internal import Synchronization

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
        return try await perform(request) { call in
            let response = try await call.response()
            let bytes = try await response.body.collect(upTo: limit)
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
}

// The calls, on the caller's side.
extension WorkerPool {
    /// Submits a call and does as the pool says, until it is over.
    ///
    /// What goes on in the pool goes on on its reactor, and the caller stays where he is.
    private nonisolated func perform<Value: Sendable>(
        _ request: CallRequest,
        _ handler: (PooledCall) async throws -> Value
    ) async throws -> Value {
        guard !Task.isCancelled else { throw PoolError.cancelled }
        let id = lastCall.add(1, ordering: .relaxed).newValue
        let turns = TurnSlot()
        onReactor { $0.submit(id, request, turns) }
        return try await withTaskCancellationHandler {
            try await attend(request, turns, handler)
        } onCancel: {
            reactor.perform { self.assumeIsolated { $0.handle(.cancel(id)) } }
        }
    }

    private nonisolated func attend<Value: Sendable>(
        _ request: CallRequest,
        _ turns: TurnSlot,
        _ handler: (PooledCall) async throws -> Value
    ) async throws -> Value {
        var failure: (any Error)?
        var next: Turn?
        while true {
            let turn: Turn
            if let known = next.take() { turn = known } else { turn = await turns.take() }
            switch turn {
            case .run(let attempt):
                do {
                    let value = try await handler(attempt)
                    // Who has the whole result has it, whatever the pool would say from now on.
                    next = turns.close()
                    end(attempt, .succeeded)
                    if next == nil { return value }
                } catch {
                    failure = error
                    let mayRetry = request.body.isRepeatable && !attempt.isFinal
                    end(attempt, PoolMachine.AttemptEnd(error, mayRetry: mayRetry))
                }
            case .finished(.failed, _, let notOpened): throw notOpened ?? failure ?? PoolError.stopped
            case .finished(let verdict, let evidence, _): throw PoolError(verdict, evidence)
            }
        }
    }

    /// Ends an attempt.
    ///
    /// The worker's slot is free when the worker says so, and the caller need not wait for that.
    nonisolated func end(_ attempt: PooledCall, _ end: PoolMachine.AttemptEnd) {
        if end != .succeeded || !attempt.isTaken { attempt.outgoing.cancel() }
        onReactor { pool in
            if attempt.outgoing.isOver { return pool.endAttempt(attempt, end) }
            Task {
                await attempt.outgoing.finished()
                pool.endAttempt(attempt, end)
            }
        }
    }

    /// At once for who is there, and in the order of the calls from one thread.
    private nonisolated func onReactor(_ body: @escaping @Sendable (isolated WorkerPool) -> Void) {
        if reactor.isCurrent {
            assumeIsolated(body)
        } else {
            reactor.perform { self.assumeIsolated(body) }
        }
    }
}
