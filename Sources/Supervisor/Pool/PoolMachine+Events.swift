// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    mutating func advance(_ event: Event, now: ContinuousMoment) {
        if case .submit(let call, let traits) = event { return submit(call, traits, now: now) }
        guard mode != .finished else { return }
        switch event {
        case .start: isStarted = true
        case .submit, .activity: break
        case .cancel(let call): finish(call, .cancelled, now: now)
        case .attemptEnded(let call, let end): endAttempt(call, end, now: now)
        case .workerReady(let worker): becomeReady(worker, now: now)
        case .spawnFailed(let worker, let error): failSpawn(worker, error, now: now)
        case .workerLeaving(let worker): leave(worker)
        case .workerExited(let worker, let exit): loseWorker(worker, exit, now: now)
        case .residentSize(let worker, let size):
            if let limit = workers[worker]?.rule.residentSize, size > limit { recycle(worker, .residentSize) }
        case .drain: drain()
        case .stop: stop(now: now)
        case .wake: break
        }
    }

    mutating func pass(_ timer: Timer, now: ContinuousMoment) {
        switch timer {
        case .deadline(let call): passDeadline(of: call, now: now)
        case .stall(let call): passStall(of: call, now: now)
        case .retry(let call): enqueueAgain(call)
        case .overdue(let call): endOverdue(call, now: now)
        case .age(let worker): recycle(worker, .age)
        case .healthy(let worker): becomeWell(worker)
        case .idle: letIdleGo(now: now)
        case .restart: restartPausedUntil = nil
        case .breaker: breaker.wake(now: now)
        }
    }

    /// Does what has become possible or necessary.
    mutating func settle(now: ContinuousMoment) {
        if mode == .running || mode == .draining {
            dispatchWaiting(now: now)
            refuseWaitingIfBroken(now: now)
            startWorkers(now: now)
            watchIdle()
            if mode == .draining, unfinishedCount == 0 { stopAll() }
        }
        if mode == .draining || mode == .stopping, unfinishedCount == 0, workers.isEmpty {
            mode = .finished
            calls = [:]
            timers.clearAll()
            tell(.stopped)
            actions.append(.finished)
        }
    }
}
