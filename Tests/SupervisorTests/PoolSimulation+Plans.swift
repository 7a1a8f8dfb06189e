// SPDX-License-Identifier: Apache-2.0
import IPCFrame

@testable import Supervisor

/// What callers and workers are up to.
extension PoolSimulation {
    /// One call, or a flood of them in one lane.
    mutating func planCalls(within time: Duration) {
        let flood = chance(15) ? 25 : chance(50) ? 4 : 1
        let lane = ["", "a", "b"].randomElement(using: &random) ?? ""
        for _ in 0..<flood {
            lastCall += 1
            var traits = PoolMachine.CallTraits()
            traits.lane = chance(80) ? lane : "c"
            traits.identity = chance(70) ? nil : "call \(Int.random(in: 0...3, using: &random))"
            traits.timeout = chance(60) ? nil : .milliseconds(Int.random(in: 0...20_000, using: &random))
            traits.stallTimeout = chance(70) ? nil : .seconds(Int.random(in: 0...10, using: &random))
            traits.retry.retries = chance(50) ? 0 : Int.random(in: 1...3, using: &random)
            plan(.event(.submit(lastCall, traits)), within: flood == 25 ? .milliseconds(100) : time)
            if chance(10) { plan(.event(.cancel(lastCall)), within: time) }
        }
    }

    mutating func planLife(of worker: UInt64) {
        guard isFaulty else { return plan(.workerReady(worker), within: .seconds(1)) }
        if chance(8) {
            let codes: [SpawnError.Code] = [.system, .notFound, .notPermitted]
            let code = codes.randomElement(using: &random) ?? .system
            return plan(.spawnFailure(worker, PoolRig.spawnError(code)), within: .seconds(1))
        }
        if chance(90) {
            plan(.workerReady(worker), within: chance(80) ? .seconds(1) : .seconds(9))
        } else {
            plan(.workerExit(worker, PoolRig.exit(.timedOut(.start))), within: .seconds(10))
        }
        if chance(25) { plan(.workerExit(worker, randomExit()), within: .seconds(20)) }
        if chance(10) { plan(.workerLeaving(worker), within: .seconds(20)) }
        if chance(20) { plan(.event(.residentSize(worker, chance(50) ? 10 : 10_000)), within: .seconds(30)) }
    }

    mutating func planAttempt(_ call: UInt64, on worker: UInt64, serial: Int) {
        func end(_ end: PoolMachine.AttemptEnd) -> Plan { .attemptEnd(call: call, serial: serial, end) }
        guard isFaulty else { return plan(end(.succeeded), within: .milliseconds(300)) }
        for _ in 0..<Int.random(in: 0...3, using: &random) { plan(.event(.activity(call)), within: .seconds(10)) }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<65: plan(end(.succeeded), within: chance(80) ? .seconds(2) : .seconds(20))
        case 65..<75: plan(end(.failed(isRetryable: chance(60))), within: .seconds(3))
        case 75..<80:
            plan(end(.notTaken), within: .seconds(1))
        case 80..<85:
            plan(end(.workerLost(mayRetry: chance(80))), within: .seconds(2))
        case 85..<95: plan(.workerExit(worker, randomExit()), within: .seconds(3))
        default:
            // It never ends by itself; its caller loses patience.
            plan(.event(.cancel(call)), within: .seconds(30))
        }
    }

    mutating func planExit(of worker: UInt64) {
        let reason: ExitReason = chance(70) ? .exited(code: 0) : .signalled(signal: 15, dumpedCore: false)
        plan(.workerExit(worker, PoolRig.exit(reason)), within: chance(80) ? .seconds(1) : .seconds(15))
    }

    mutating func randomExit() -> WorkerExit {
        let reasons: [ExitReason] = [
            .signalled(signal: 11, dumpedCore: true), .exited(code: 3), .exited(code: 0), .stalled(.heartbeat),
            .protocolViolation("odd"), .recycled, .unknown("lost"),
        ]
        return PoolRig.exit(reasons.randomElement(using: &random) ?? .recycled)
    }

    mutating func carryOut(_ plan: Plan) {
        switch plan {
        case .event(let event): deliver(event)
        case .attemptEnd(let call, let serial, let end): endAttempt(call, serial: serial, end)
        case .workerReady(let worker):
            guard workers[worker]?.isReady == false else { return }
            workers[worker]?.isReady = true
            deliver(.workerReady(worker))
        case .workerLeaving(let worker):
            guard workers[worker] != nil else { return deliver(.workerLeaving(worker)) }
            workers[worker]?.isLeaving = true
            deliver(.workerLeaving(worker))
            self.plan(.workerExit(worker, randomExit()), within: .seconds(5))
        case .workerExit(let worker, let exit): exitWorker(worker, exit)
        case .spawnFailure(let worker, let error):
            guard let state = workers[worker], !state.isReady else { return }
            workers[worker] = nil
            deliver(.spawnFailed(worker, error))
        }
    }

    private mutating func endAttempt(_ call: UInt64, serial: Int, _ end: PoolMachine.AttemptEnd) {
        guard let state = calls[call], state.serial == serial, let worker = state.worker else { return }
        calls[call]?.worker = nil
        switch end {
        case .workerLost:
            workers[worker]?.isLeaving = true
            if state.isBereaved { calls[call]?.isSuspect = true }
            // Its exit follows; and only then the slot is free.
            if workers[worker] != nil { plan(.workerExit(worker, randomExit()), within: .seconds(3)) }
        case .notTaken:
            workers[worker]?.isLeaving = true
            calls[call]?.attempt -= 1
            workers[worker]?.slots.remove(call)
            if workers[worker] != nil { planExit(of: worker) }
        case .succeeded, .failed, .cancelled:
            workers[worker]?.slots.remove(call)
        }
        calls[call]?.isBereaved = false
        deliver(.attemptEnded(call, end))
    }

    /// Ends an attempt that its worker's end cuts off, though its result may have arrived before.
    private mutating func endAttempt(
        _ call: UInt64,
        of worker: UInt64,
        _ body: (inout Self, UInt64, Int, PoolMachine.AttemptEnd) -> Void
    ) {
        guard let state = calls[call], state.worker == worker else { return }
        body(&self, call, state.serial, chance(85) ? .workerLost(mayRetry: chance(80)) : .succeeded)
    }

    private mutating func exitWorker(_ worker: UInt64, _ exit: WorkerExit) {
        guard let state = workers[worker] else { return }
        for call in state.slots.sorted() where chance(50) {
            endAttempt(call, of: worker) { $0.endAttempt($1, serial: $2, $3) }
        }
        // What still takes up a slot is hit by the end; that may be a call that has only just come.
        guard let state = workers.removeValue(forKey: worker) else { return }
        for call in state.slots.sorted() {
            let time = Duration.milliseconds(chance(50) ? 0 : 2_000)
            endAttempt(call, of: worker) { $0.plan(.attemptEnd(call: $1, serial: $2, $3), within: time) }
        }
        if !state.isOrdered, !exit.reason.isWanted {
            for call in state.slots {
                if calls[call]?.worker == nil { calls[call]?.isSuspect = true } else { calls[call]?.isBereaved = true }
            }
        }
        deliver(.workerExited(worker, exit))
    }
}
