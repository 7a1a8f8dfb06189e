// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    mutating func becomeReady(_ id: WorkerID, now: ContinuousMoment) {
        guard workers[id]?.phase == .starting else { return }
        setPhase(id, .ready)
        workers[id]?.becameReady = now
        workers[id]?.idleSince = now
        if let age = workers[id]?.rule.age { timers.set(.age(id), at: now + age) }
        if endsInARow > 0 || breaker.state != .closed {
            timers.set(.healthy(id), at: now + policy.restart.healthyAfter)
        }
        list(id)
        tell(.workerReady(worker: id))
    }

    /// Takes note that a worker takes no more calls.
    mutating func leave(_ id: WorkerID) {
        guard let phase = workers[id]?.phase, phase != .leaving else { return }
        setPhase(id, .leaving)
        if reserved == id { reserved = nil }
        list(id)
    }

    /// Tells a worker to end.
    mutating func order(_ id: WorkerID, _ order: Worker.Order, _ cause: StopCause) {
        guard let worker = workers[id], worker.order.rawValue < order.rawValue else { return }
        workers[id]?.order = order
        leave(id)
        switch order {
        case .none: break
        case .stop: actions.append(.stopWorker(id, cause))
        case .terminate: actions.append(.terminateWorker(id, cause))
        }
    }

    mutating func failSpawn(_ id: WorkerID, _ error: SpawnError, now: ContinuousMoment) {
        guard let worker = forget(id) else { return }
        tell(.workerEnded(worker: id, .notSpawned(error)))
        guard worker.order == .none else { return breaker.recordInconclusiveEnd(of: id) }
        guard error.code != .system else {
            breaker.recordInconclusiveEnd(of: id)
            return pauseRestarts(after: .notSpawned(error), now: now)
        }
        if startingCount + readyCount == 0 { finishWaiting(.notStarted(error), now: now) }
        recordBadEnd(of: id, .notSpawned(error), now: now)
    }

    mutating func loseWorker(_ id: WorkerID, _ exit: WorkerExit, now: ContinuousMoment) {
        guard let worker = forget(id) else { return }
        tell(.workerEnded(worker: id, .exited(exit)))
        let isUnasked = worker.order == .none && !exit.reason.isWanted
        let loss = Loss(exit: exit, isUnasked: isUnasked, wasAlone: worker.calls.count == 1)
        for call in worker.calls { loseAttempt(call, loss, now: now) }

        let lived = worker.becameReady.map { now - $0 } ?? .zero
        if worker.isWell || worker.becameReady != nil && lived >= policy.restart.healthyAfter {
            noteWell(id, spawned: worker.spawned)
        } else if isUnasked {
            recordBadEnd(of: id, .exited(exit), now: now)
        } else {
            breaker.recordInconclusiveEnd(of: id)
        }
    }

    /// Replaces a worker as soon as it has no call.
    mutating func recycle(_ id: WorkerID, _ reason: RecycleReason) {
        guard let worker = workers[id], worker.phase == .ready, worker.recycleReason == nil else { return }
        workers[id]?.recycleReason = reason
        recycleIfFree(id)
        list(id)
    }

    mutating func recycleIfFree(_ id: WorkerID) {
        guard let worker = workers[id], worker.phase == .ready, worker.calls.isEmpty else { return }
        guard let reason = worker.recycleReason else { return }
        tell(.workerRecycled(worker: id, reason))
        order(id, .stop, .recycled)
    }

    private mutating func setPhase(_ id: WorkerID, _ phase: Worker.Phase) {
        guard let old = workers[id]?.phase else { return }
        count(old, by: -1)
        count(phase, by: 1)
        workers[id]?.phase = phase
    }

    private mutating func count(_ phase: Worker.Phase, by change: Int) {
        switch phase {
        case .starting: startingCount += change
        case .ready: readyCount += change
        case .leaving: break
        }
    }

    /// Takes a worker that is no more out of everything.
    private mutating func forget(_ id: WorkerID) -> Worker? {
        leave(id)
        if workers[id]?.rule.age != nil { timers.clear(.age(id)) }
        timers.clear(.healthy(id))
        return workers.removeValue(forKey: id)
    }
}

extension ExitReason {
    /// Whether somebody wanted this end, in the ordinary way.
    var isWanted: Bool {
        switch self {
        case .recycled, .parentShutdown: true
        case .exited, .signalled, .outOfMemory, .outOfCPUTime, .timedOut, .stalled, .cancelled, .protocolViolation,
            .handshakeFailed, .unknown:
            false
        }
    }
}
