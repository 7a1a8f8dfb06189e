// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    mutating func submit(_ id: CallID, _ traits: CallTraits, now: ContinuousMoment) {
        guard calls[id] == nil else { return }
        guard mode == .running else { return refuse(id, .stopped) }
        if let identity = traits.identity, quarantine.holds(identity, now: now) {
            return refuse(id, .quarantined(nil))
        }
        if policy.whenFull == .fail, isFull(for: traits.lane) {
            refuse(id, .queueFull)
            return tell(.queueFull(call: id))
        }
        let place = queue.append(id, lane: traits.lane)
        calls[id] = Call(
            traits: traits,
            submitted: now,
            state: .queued(place),
            attemptBegan: now,
            lastActivity: now
        )
        unfinishedCount += 1
        if let timeout = traits.timeout, !traits.timeoutBeginsWithWorker {
            timers.set(.deadline(id), at: now + timeout)
        }
    }

    /// Gives a call its verdict, unless it has one.
    ///
    /// If an attempt goes on, it is told to end.
    mutating func finish(_ id: CallID, _ verdict: Verdict, now: ContinuousMoment) {
        guard let call = calls[id] else { return }
        var ran = call.ran
        var running: WorkerID?
        switch call.state {
        case .ending: return
        case .queued(let place): queue.remove(at: place)
        case .queuedAlone(let place): suspects.remove(at: place)
        case .pausing: break
        case .running(let worker):
            runningCount -= 1
            ran += now - call.attemptBegan
            running = worker
        case .lost, .orphaned: runningCount -= 1
        }
        unfinishedCount -= 1
        clearTimers(of: id, call)
        actions.append(.finish(id, verdict))
        if let running {
            actions.append(.cancelCall(id, on: running))
            calls[id]?.state = .ending(running, verdict.end)
            if mode != .stopping { timers.set(.overdue(id), at: now + policy.cancelGrace) }
        } else if case .lost(let worker, _) = call.state {
            calls[id]?.state = .ending(worker, verdict.end)
        } else {
            calls[id] = nil
        }
        let waited = now - call.submitted - ran
        tell(.callEnded(call: id, verdict.end, attempts: call.attempt, waited: waited, ran: ran))
    }

    /// Gives all calls that wait for a worker their verdict.
    mutating func finishWaiting(_ verdict: Verdict, now: ContinuousMoment) {
        while let call = suspects.next ?? queue.next { finish(call, verdict, now: now) }
    }

    /// Tries a call again after a pause, if it may be; says whether.
    mutating func retry(_ id: CallID, now: ContinuousMoment) -> Bool {
        guard let call = calls[id], call.retriesUsed < call.traits.retry.retries else { return false }
        let policy = call.traits.retry
        let backoff = RestartBackoff(first: policy.first, longest: policy.longest)
        let pause = backoff.pause(call.retriesUsed + 1, using: &random)
        calls[id]?.retriesUsed += 1
        timers.set(.retry(id), at: now + pause)
        tell(.callRetried(call: id, attempt: call.attempt, after: pause))
        return true
    }

    /// Puts a call back at the front of its lane.
    mutating func enqueueAgain(_ id: CallID) {
        guard let call = calls[id], case .pausing = call.state else { return }
        calls[id]?.state = .queued(queue.prepend(id, lane: call.traits.lane))
    }

    mutating func passDeadline(of id: CallID, now: ContinuousMoment) {
        guard let call = calls[id] else { return }
        switch call.state {
        case .queued, .queuedAlone, .pausing: finish(id, .timedOut(whileRunning: false), now: now)
        case .running, .lost, .orphaned: finish(id, .timedOut(whileRunning: true), now: now)
        case .ending: break
        }
    }

    mutating func passStall(of id: CallID, now: ContinuousMoment) {
        guard let call = calls[id], case .running = call.state, let timeout = call.traits.stallTimeout else { return }
        let due = call.lastActivity + timeout
        if due <= now {
            finish(id, .stalled, now: now)
        } else {
            timers.set(.stall(id), at: due)
        }
    }

    private func isFull(for lane: String) -> Bool {
        if queue.isEmpty, ready.first != nil { return false }
        if queue.countedCount >= policy.queueLimit { return true }
        return policy.laneLimit.map { queue.countedCount(ofLane: lane) >= $0 } ?? false
    }

    private mutating func refuse(_ id: CallID, _ verdict: Verdict) {
        actions.append(.finish(id, verdict))
        tell(.callEnded(call: id, verdict.end, attempts: 0, waited: .zero, ran: .zero))
    }

    private mutating func clearTimers(of id: CallID, _ call: Call) {
        if call.traits.timeout != nil { timers.clear(.deadline(id)) }
        if call.traits.stallTimeout != nil { timers.clear(.stall(id)) }
        if call.retriesUsed > 0 { timers.clear(.retry(id)) }
    }
}
