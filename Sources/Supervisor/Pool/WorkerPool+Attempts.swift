// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

// The calls, on the pool's side.
extension WorkerPool {
    func submit(_ id: PoolMachine.CallID, _ request: CallRequest, _ turns: TurnSlot) {
        start()
        calls[id] = CallRecord(request, turns)
        handle(.submit(id, request.traits))
    }

    /// Opens a call on its worker, at once: the request is under way before its caller knows.
    func dispatch(_ id: PoolMachine.CallID, to worker: PoolMachine.WorkerID, attempt: Int) {
        guard let record = calls[id], let process = workers[worker]?.process else {
            preconditionFailure("a call that is given to a worker exists, and so does the worker")
        }
        let request = record.request
        let options = record.options(isFirst: attempt == 1)
        do throws(CallError) {
            let result = process.connection.assumeIsolated { connection in
                do throws(CallError) {
                    return Result<OutgoingCall, CallError>.success(
                        try connection.call(
                            request.method,
                            arguments: request.arguments,
                            body: request.body,
                            options: options
                        )
                    )
                } catch {
                    return .failure(error)
                }
            }
            record.begin(
                PooledCall(number: id, worker: worker, attempt: attempt, outgoing: try result.get()),
                with: process
            )
            watchForStalls(record)
        } catch {
            record.failToBegin(error)
            let end = PoolMachine.AttemptEnd(error, mayRetry: request.body.isRepeatable)
            // Later: the machine's other actions are obeyed first.
            reactor.perform { self.assumeIsolated { $0.handle(.attemptEnded(id, end)) } }
        }
    }

    /// Tells the machine that an attempt is over on both sides.
    func endAttempt(_ attempt: PooledCall, _ end: PoolMachine.AttemptEnd) {
        guard let record = calls[attempt.number] else {
            preconditionFailure("a call is there as long as its attempt is")
        }
        record.endAttempt()
        if record.isFinished { calls[attempt.number] = nil }
        if end == .succeeded { sampleMemory(of: attempt.worker) }
        tell(.callTransferred(call: attempt.number, worker: attempt.worker, attempt.statistics))
        handle(.attemptEnded(attempt.number, end))
    }

    func finish(_ id: PoolMachine.CallID, _ verdict: PoolMachine.Verdict) {
        guard let record = calls[id] else { return }
        // An attempt that goes on is told to end after this, and needs its record for that.
        if record.attempt == nil { calls[id] = nil }
        if let unheard = record.finish(verdict) { end(unheard, .cancelled) }
    }

    // MARK: Stalls

    /// Looks, while a call with a stall timeout runs, whether it moves: often enough for the shortest of them.
    private func watchForStalls(_ record: CallRecord) {
        if let interval = record.stallInterval { watchForStalls(each: interval) }
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
            guard let interval = record.stallInterval else { continue }
            shortest = min(shortest ?? interval, interval)
            if record.hasMoved() { handle(.activity(id)) }
        }
        return shortest
    }
}
