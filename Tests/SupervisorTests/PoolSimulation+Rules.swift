// SPDX-License-Identifier: Apache-2.0
import IPCFrame

@testable import Supervisor

/// What must hold, whatever happens.
extension PoolSimulation {
    mutating func check(_ rule: Bool, _ text: @autoclosure () -> String) {
        if !rule, brokenRules.count < 5 { brokenRules.append("\(now - begin): \(text())") }
    }

    mutating func deliver(_ event: Event) {
        if case .submit(let call, _) = event {
            calls[call] = Call()
            unfinishedCount += 1
        }
        if case .stop = event { isStopped = true }
        let actions = machine.handle(event, now: now)
        log += actions
        for action in actions { obey(action) }
        if case .activity = event { return }
        check(machine.nextWake.map { $0 > now } ?? true, "it does not ask for what has passed, after \(event)")
        check(workers.count <= policy.maximumWorkers, "no more workers than allowed")
        check(machine.workers.count == workers.count, "it knows the workers that live")
        check(machine.workersIdle == workers.values.count(where: \.isIdle), "it knows the idle workers, after \(event)")
        check(machine.queue.isEmpty || machine.ready.first == nil, "no call waits while a worker has room")
        check(machine.suspects.isEmpty || machine.workersIdle == 0, "no suspect waits while a worker is idle")
        check(machine.queueDepth + machine.callsRunning == unfinishedCount, "it knows the calls without a verdict")
        check(machine.timers.storedCount <= 2 * (calls.count * 2 + workers.count * 2 + 3) + 65, "timers are bounded")
    }

    private mutating func obey(_ action: Action) {
        if hasFinished {
            switch action {
            case .finish(_, .stopped), .tell(.callEnded): break
            default: check(false, "\(action) after the end")
            }
        }
        switch action {
        case .spawn(let worker): spawn(worker)
        case .dispatch(let call, let worker, let attempt): dispatch(call, to: worker, attempt: attempt)
        case .cancelCall(let call, let worker): cancel(call, on: worker)
        case .stopWorker(let worker, _), .terminateWorker(let worker, _), .killWorker(let worker, _):
            check(workers[worker] != nil, "only a worker that lives is told to end")
            workers[worker]?.isOrdered = true
            planExit(of: worker)
        case .finish(let call, let verdict):
            check(calls[call] != nil, "only a call that was submitted ends")
            check(calls[call]?.verdict == nil, "call \(call) ends once")
            calls[call]?.verdict = verdict
            unfinishedCount -= 1
        case .tell(let event): hear(event)
        case .finished:
            hasFinished = true
            check(workers.isEmpty, "the end comes after the last worker's")
            check(calls.values.allSatisfy { $0.verdict != nil }, "the end comes after the last call's")
        }
    }

    private mutating func hear(_ event: PoolEvent) {
        switch event {
        case .breakerOpened: breakerIsOpen = true
        case .breakerProbing: probeMayStart = true
        case .breakerClosed: breakerIsOpen = false
        default: break
        }
    }

    private mutating func spawn(_ worker: UInt64) {
        check(workers[worker] == nil, "workers have numbers of their own")
        check(!isStopped, "nothing is started after a stop")
        check(!breakerIsOpen || probeMayStart, "an open breaker starts nothing but a probe")
        probeMayStart = false
        workers[worker] = Worker()
        planLife(of: worker)
    }

    private mutating func dispatch(_ id: UInt64, to worker: UInt64, attempt: Int) {
        guard let call = calls[id], let target = workers[worker] else {
            return check(false, "call \(id) goes to worker \(worker), and one of them does not exist")
        }
        check(call.verdict == nil, "no call is done after its end")
        check(call.worker == nil, "no call is done twice at a time")
        check(target.isReady && !target.isLeaving && !target.isOrdered, "only a ready worker gets a call")
        check(target.slots.count < policy.callsPerWorker, "only a worker with room gets a call")
        check(attempt == call.attempt + 1, "attempts are counted")
        check(!call.isSuspect || target.slots.isEmpty, "a suspect is done alone")
        check(!target.slots.contains { calls[$0]?.isSuspect == true }, "a suspect gets no company")
        calls[id]?.worker = worker
        calls[id]?.attempt = attempt
        calls[id]?.serial += 1
        workers[worker]?.slots.insert(id)
        planAttempt(id, on: worker, serial: call.serial + 1)
    }

    private mutating func cancel(_ id: UInt64, on worker: UInt64) {
        guard let call = calls[id] else { return check(false, "an unknown call is cancelled") }
        check(call.verdict != nil, "only a call with a verdict is cancelled")
        check(call.worker == worker, "a call is cancelled where it runs")
        // Some never end.
        if !chance(20) {
            let end: PoolMachine.AttemptEnd = chance(80) ? .cancelled : .succeeded
            plan(.attemptEnd(call: id, serial: call.serial, end), within: .seconds(4))
        }
    }

    /// After time enough without faults everything is in order.
    mutating func checkRest() {
        check(calls.values.allSatisfy { $0.verdict != nil }, "every call ends once the faults have stopped")
        guard machine.mode == .running else { return }
        let keeps = workers.values.count { $0.isReady && !$0.isLeaving && !$0.isOrdered }
        if policy.recycling.age == nil { check(keeps >= policy.minimumWorkers, "the minimum is kept") }
        if policy.minimumWorkers > 0 { check(machine.breaker.opensUntil == nil, "the breaker does not stay open") }
    }
}
