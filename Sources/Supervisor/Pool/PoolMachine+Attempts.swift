// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    mutating func endAttempt(_ id: CallID, _ end: AttemptEnd, now: ContinuousMoment) {
        guard let call = calls[id] else { return }
        switch call.state {
        case .running(let worker): endRunning(id, on: worker, end, now: now)
        case .orphaned(let loss):
            closeAttempt(id)
            conclude(id, end, loss: loss, now: now)
        case .ending(let worker, _): endFinished(id, on: worker, end, now: now)
        case .queued, .queuedAlone, .pausing, .lost: break
        }
    }

    /// Takes note that the worker of an attempt has ended.
    mutating func loseAttempt(_ id: CallID, _ loss: Loss, now: ContinuousMoment) {
        guard let call = calls[id] else { return }
        switch call.state {
        case .running:
            calls[id]?.ran += now - call.attemptBegan
            if call.traits.stallTimeout != nil { timers.clear(.stall(id)) }
            calls[id]?.state = .orphaned(loss)
        case .lost(_, let mayRetry):
            closeAttempt(id)
            conclude(id, .workerLost(mayRetry: mayRetry), loss: loss, now: now)
        case .ending:
            timers.clear(.overdue(id))
            if loss.isUnasked, loss.wasAlone { chargeFinished(id, now: now) }
            calls[id] = nil
        case .queued, .queuedAlone, .pausing, .orphaned: break
        }
    }

    /// Ends the worker of a call that was told to end, and did not.
    mutating func endOverdue(_ id: CallID, now: ContinuousMoment) {
        guard let call = calls[id], case .ending(let worker, let end) = call.state else { return }
        guard let order = workers[worker]?.order, order != .terminate else { return }
        tell(.callOverdue(call: id, worker: worker))
        let cause: StopCause =
            switch end {
            case .timedOut: .timedOut(.total)
            case .stalled: .stalled(.progress)
            case .cancelled, .stopped, .succeeded, .failed, .queueFull, .workerLost, .quarantined, .notStarted,
                .breakerOpen:
                .cancelled(by: "its caller, and the call did not end")
            }
        self.order(worker, .terminate, cause)
        chargeFinished(id, now: now)
    }

    private mutating func endRunning(_ id: CallID, on worker: WorkerID, _ end: AttemptEnd, now: ContinuousMoment) {
        if let call = calls[id] {
            calls[id]?.ran += now - call.attemptBegan
            if call.traits.stallTimeout != nil { timers.clear(.stall(id)) }
        }
        if case .workerLost(let mayRetry) = end {
            calls[id]?.state = .lost(worker, mayRetry: mayRetry)
            return leave(worker)
        }
        closeAttempt(id)
        conclude(id, end, loss: nil, now: now)
        free(id, on: worker, end, now: now)
    }

    /// Ends the attempt of a call that has its verdict.
    private mutating func endFinished(_ id: CallID, on worker: WorkerID, _ end: AttemptEnd, now: ContinuousMoment) {
        timers.clear(.overdue(id))
        if case .workerLost = end { return leave(worker) }
        calls[id] = nil
        free(id, on: worker, end, now: now)
    }

    private mutating func closeAttempt(_ id: CallID) {
        runningCount -= 1
        calls[id]?.state = .pausing
    }

    /// Decides what follows an attempt that is over in every respect.
    private mutating func conclude(_ id: CallID, _ end: AttemptEnd, loss: Loss?, now: ContinuousMoment) {
        switch end {
        case .succeeded:
            if let identity = calls[id]?.traits.identity { quarantine.forgive(identity) }
            finish(id, .succeeded, now: now)
        case .failed(let isRetryable):
            if !isRetryable || !retry(id, now: now) { finish(id, .failed, now: now) }
        case .cancelled:
            finish(id, .cancelled, now: now)
        case .notTaken:
            calls[id]?.attempt -= 1
            enqueueAgain(id)
        case .workerLost(let mayRetry):
            guard let loss else { return }
            if loss.isUnasked {
                calls[id]?.isSuspect = true
                if loss.wasAlone, charge(id, now: now) { return finish(id, .quarantined(loss.exit), now: now) }
            }
            if !mayRetry || !retry(id, now: now) { finish(id, .workerLost(loss.exit), now: now) }
        }
    }

    /// Charges a call with a worker; says whether that was one too many.
    private mutating func charge(_ id: CallID, now: ContinuousMoment) -> Bool {
        guard let call = calls[id] else { return false }
        calls[id]?.kills += 1
        var kills = call.kills + 1
        if let identity = call.traits.identity { kills = max(kills, quarantine.charge(identity, now: now)) }
        guard kills >= policy.quarantineAfter else { return false }
        if let identity = call.traits.identity { quarantine.hold(identity, now: now) }
        tell(.callQuarantined(call: id, identity: call.traits.identity))
        return true
    }

    /// Charges a call that has its verdict; only its identity can still be quarantined.
    private mutating func chargeFinished(_ id: CallID, now: ContinuousMoment) {
        if calls[id]?.traits.identity != nil { _ = charge(id, now: now) }
    }
}
