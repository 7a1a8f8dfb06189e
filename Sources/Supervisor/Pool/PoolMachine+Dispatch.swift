// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    /// Gives waiting calls to workers with room, as far as both go.
    mutating func dispatchWaiting(now: ContinuousMoment) {
        dispatchSuspects(now: now)
        while let worker = ready.first, let id = queue.next, let call = calls[id] {
            guard case .queued(let place) = call.state else { preconditionFailure("a call in the queue knows it") }
            queue.takeNext(at: place)
            if call.isSuspect, policy.callsPerWorker > 1 {
                calls[id]?.state = .queuedAlone(suspects.append(id, lane: call.traits.lane))
                dispatchSuspects(now: now)
            } else {
                dispatch(id, to: worker, alone: false, now: now)
            }
        }
    }

    /// Gives suspects to workers with nothing else to do; where all are busy, one is kept from taking more.
    private mutating func dispatchSuspects(now: ContinuousMoment) {
        while let worker = ready.longestIdle, let id = suspects.next, let call = calls[id] {
            guard case .queuedAlone(let place) = call.state else { preconditionFailure("a waiting suspect knows it") }
            suspects.takeNext(at: place)
            dispatch(id, to: worker, alone: true, now: now)
        }
        if suspects.isEmpty, let worker = reserved {
            reserved = nil
            list(worker)
        } else if !suspects.isEmpty, reserved == nil, let worker = ready.first {
            reserved = worker
            list(worker)
        }
    }

    private mutating func dispatch(_ id: CallID, to worker: WorkerID, alone: Bool, now: ContinuousMoment) {
        guard let index = calls.index(forKey: id) else { return }
        calls.values[index].state = .running(worker)
        calls.values[index].attempt += 1
        calls.values[index].attemptBegan = now
        calls.values[index].lastActivity = now
        let attempt = calls.values[index].attempt
        runningCount += 1
        let traits = calls.values[index].traits
        if let timeout = traits.stallTimeout { timers.set(.stall(id), at: now + timeout) }
        if let timeout = traits.timeout, traits.timeoutBeginsWithWorker, attempt == 1 {
            timers.set(.deadline(id), at: now + timeout)
        }
        workers[worker]?.take(id, alone: alone)
        list(worker)
        actions.append(.dispatch(id, to: worker, attempt: attempt))
        tell(.callStarted(call: id, worker: worker, attempt: attempt))
    }

    /// Frees the slot of a call.
    mutating func free(_ call: CallID, on id: WorkerID, _ end: AttemptEnd, now: ContinuousMoment) {
        guard let index = workers.index(forKey: id) else { return }
        workers.values[index].release(call, now: now)
        if reserved == id, workers.values[index].calls.isEmpty { reserved = nil }
        switch end {
        case .notTaken:
            return leave(id)
        case .succeeded, .failed, .workerLost, .cancelled:
            workers.values[index].callsDone += 1
            if end == .succeeded, !workers.values[index].isWell { becomeWell(id) }
        }
        if let limit = workers.values[index].rule.calls, workers.values[index].callsDone >= limit {
            workers.values[index].recycleReason = workers.values[index].recycleReason ?? .calls
        }
        if workers.values[index].recycleReason != nil { recycleIfFree(id) }
        list(id)
    }

    /// Puts a worker where it belongs among those with room.
    mutating func list(_ id: WorkerID) {
        workers[id]?.list(in: &ready, as: id, isReserved: reserved == id, slots: policy.callsPerWorker)
    }
}
