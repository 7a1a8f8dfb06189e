// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    /// Starts the workers that are missing, as far as back-off and breaker allow.
    mutating func startWorkers(now: ContinuousMoment) {
        var missing = min(missingWorkers, policy.maximumWorkers - workers.count)
        guard missing > 0, restartPausedUntil == nil else { return }
        if endsInARow > 0 {
            guard startingCount == 0 else { return }
            missing = 1
        }
        switch breaker.state {
        case .closed: break
        case .open, .halfOpen(.some, _): return
        case .halfOpen(nil, _):
            missing = 1
            breaker.probe(with: lastWorker + 1)
            tell(.breakerProbing)
        }
        for _ in 0..<missing { startWorker(now: now) }
    }

    /// Where no worker lives and none is to be started for a while, calls do not wait.
    mutating func refuseWaitingIfBroken(now: ContinuousMoment) {
        guard let until = breaker.opensUntil, startingCount + readyCount == 0 else { return }
        finishWaiting(.breakerOpen(retryAfter: until - now, lastEnd: lastBadEnd?.end), now: now)
    }

    /// Counts the unasked end of a worker that was not well.
    mutating func recordBadEnd(of id: WorkerID, _ end: PoolWorkerEnd, now: ContinuousMoment) {
        guard let length = breaker.recordBadEnd(of: id, now: now) else {
            return pauseRestarts(after: end, now: now)
        }
        endsInARow += 1
        lastBadEnd = (now, end)
        // The breaker's pause takes the place of the back-off's.
        restartPausedUntil = nil
        timers.clear(.restart)
        timers.set(.breaker, at: now + length)
        tell(.breakerOpened(for: length, end))
    }

    /// Lets the next start wait.
    mutating func pauseRestarts(after end: PoolWorkerEnd, now: ContinuousMoment) {
        endsInARow += 1
        lastBadEnd = (now, end)
        if breaker.opensUntil != nil { return }
        let pause = restartBackoff.pause(endsInARow, using: &random)
        let until = max(now + pause, restartPausedUntil ?? now)
        restartPausedUntil = until
        timers.set(.restart, at: until)
        tell(.restartDelayed(until - now, endsInARow: endsInARow))
    }

    mutating func becomeWell(_ id: WorkerID) {
        guard let worker = workers[id], !worker.isWell else { return }
        workers[id]?.isWell = true
        timers.clear(.healthy(id))
        noteWell(id, spawned: worker.spawned)
    }

    /// Ends a row of bad ends, if this worker came after them, and closes the breaker, if it was the one that was tried.
    mutating func noteWell(_ id: WorkerID, spawned: ContinuousMoment) {
        let wasProbe = breaker.recordWell(id)
        if wasProbe { tell(.breakerClosed) }
        guard let lastBadEnd, wasProbe || spawned >= lastBadEnd.moment else { return }
        endsInARow = 0
        self.lastBadEnd = nil
        restartPausedUntil = nil
        timers.clear(.restart)
    }

    /// How many workers there should be more: for calls that wait, for the standby, and for the minimum.
    private var missingWorkers: Int {
        let slots = policy.callsPerWorker
        var wanted = suspects.count + queue.count / slots + (queue.count % slots == 0 ? 0 : 1)
        guard mode == .running, isStarted else { return wanted - startingCount }
        wanted += max(0, policy.warmStandby - ready.idleCount)
        return max(wanted - startingCount, policy.minimumWorkers - startingCount - readyCount)
    }

    private mutating func startWorker(now: ContinuousMoment) {
        lastWorker += 1
        workers[lastWorker] = Worker(rule: RecycleRule(policy: policy.recycling, using: &random), now: now)
        startingCount += 1
        actions.append(.spawn(lastWorker))
    }
}
