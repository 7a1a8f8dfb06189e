// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    /// Sees to it that a worker that is not needed is let go in time.
    mutating func watchIdle() {
        guard let timeout = policy.idleTimeout, !isIdleTimerSet, mode == .running, let oldest = surplusWorker else {
            return
        }
        isIdleTimerSet = true
        timers.set(.idle, at: oldest.since + timeout)
    }

    mutating func letIdleGo(now: ContinuousMoment) {
        isIdleTimerSet = false
        guard let timeout = policy.idleTimeout, mode == .running else { return }
        while let oldest = surplusWorker, oldest.since + timeout <= now {
            tell(.workerIdle(worker: oldest.id))
            order(oldest.id, .stop, .finished)
        }
    }

    mutating func drain() {
        guard mode == .running else { return }
        mode = .draining
        tell(.draining)
    }

    mutating func stop(now: ContinuousMoment) {
        guard mode == .running || mode == .draining else { return }
        if mode == .running { tell(.draining) }
        mode = .stopping
        // Sorted, so that a run can be repeated.
        for call in calls.keys.sorted() { finish(call, .stopped, now: now) }
        for worker in workers.keys.sorted() { order(worker, .terminate, .parentShutdown) }
        timers.clearAll()
    }

    /// Lets all workers go once the last call is done.
    mutating func stopAll() {
        if workers.values.allSatisfy({ $0.order != .none }) { return }
        for worker in workers.keys.sorted() { order(worker, .stop, .finished) }
    }

    /// The worker that has been idle for longest, if there are more than should be kept.
    private var surplusWorker: (id: WorkerID, since: ContinuousMoment)? {
        guard ready.idleCount > policy.warmStandby,
            startingCount + readyCount > policy.minimumWorkers + policy.warmStandby,
            let id = ready.longestIdle, let worker = workers[id]
        else { return nil }
        return (id, worker.idleSince)
    }
}
