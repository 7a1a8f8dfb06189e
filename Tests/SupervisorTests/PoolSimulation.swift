// SPDX-License-Identifier: Apache-2.0
import IPCFrame

@testable import Supervisor

/// A world in which workers, callers and clocks treat a pool as badly as they may, for a while.
struct PoolSimulation {
    typealias Event = PoolMachine.Event
    typealias Action = PoolMachine.Action

    /// Something that will happen.
    enum Plan {
        case event(Event)
        /// Only if this attempt has not ended by then.
        case attemptEnd(call: UInt64, serial: Int, PoolMachine.AttemptEnd)
        case workerReady(UInt64)
        case workerLeaving(UInt64)
        case workerExit(UInt64, WorkerExit)
        case spawnFailure(UInt64, SpawnError)
    }

    struct Call {
        var verdict: PoolMachine.Verdict?
        var worker: UInt64?
        var serial = 0
        var attempt = 0
        var isSuspect = false
        /// Its worker ended unasked with it, and the attempt's end has not been told.
        var isBereaved = false
    }

    struct Worker {
        var isReady = false
        var isLeaving = false
        var isOrdered = false
        var slots: Set<UInt64> = []

        var isIdle: Bool { isReady && !isLeaving && !isOrdered && slots.isEmpty }
    }

    static let faultyTime = Duration.seconds(60)

    var random: SeededRandom
    let policy: PoolPolicy
    var machine: PoolMachine
    var now = ContinuousMoment(nanoseconds: 5_000_000_000)
    let begin = ContinuousMoment(nanoseconds: 5_000_000_000)
    var agenda = TimerHeap<Int>()
    var plans: [Int: Plan] = [:]
    var planCount = 0

    var calls: [UInt64: Call] = [:]
    var workers: [UInt64: Worker] = [:]
    var lastCall: UInt64 = 0
    var unfinishedCount = 0
    var breakerIsOpen = false
    var probeMayStart = false
    var isStopped = false
    var hasFinished = false
    var brokenRules: [String] = []
    var log: [Action] = []

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        policy = Self.policy(&random)
        machine = PoolMachine(policy: policy, seed: seed)
    }

    var isFaulty: Bool { now - begin < Self.faultyTime }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    mutating func plan(_ plan: Plan, within time: Duration) {
        planCount += 1
        plans[planCount] = plan
        agenda.set(planCount, at: now + .nanoseconds(Int64.random(in: 0...time.wholeNanoseconds, using: &random)))
    }

    /// A bad minute, time to recover, and the end.
    mutating func run() {
        deliver(.start)
        for _ in 0..<Int.random(in: 1...8, using: &random) { planCalls(within: .seconds(60)) }
        if chance(10) { plan(.event(.drain), within: .seconds(90)) }
        if chance(10) { plan(.event(.stop), within: .seconds(90)) }
        pass(until: begin + Self.faultyTime + .seconds(120))
        checkRest()
        deliver(chance(50) ? .drain : .stop)
        if chance(20) { plan(.event(.stop), within: .seconds(5)) }
        pass(until: now + .seconds(100))
        check(hasFinished && machine.isFinished, "a pool that was told to end does")
        check(machine.nextWake == nil, "nothing is to be done after the end")
    }

    private mutating func pass(until end: ContinuousMoment) {
        for _ in 0..<20_000 {
            let wake = machine.nextWake ?? .distantFuture
            let next = agenda.next ?? .distantFuture
            guard min(wake, next) <= end else {
                now = max(now, end)
                return
            }
            now = max(now, min(wake, next))
            if wake <= next {
                // Now and then whoever wakes it is late.
                if chance(2) { now = now + .milliseconds(Int.random(in: 1...3_000, using: &random)) }
                deliver(.wake)
            } else if let number = agenda.takeDue(at: now), let plan = plans.removeValue(forKey: number) {
                carryOut(plan)
            }
        }
        check(false, "it comes to rest")
    }

    private static func policy(_ random: inout SeededRandom) -> PoolPolicy {
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
        var policy = PoolPolicy()
        policy.maximumWorkers = Int.random(in: 1...5, using: &random)
        policy.minimumWorkers = chance(50) ? 0 : Int.random(in: 0...policy.maximumWorkers, using: &random)
        policy.warmStandby = chance(70) ? 0 : Int.random(in: 1...2, using: &random)
        policy.callsPerWorker = chance(50) ? 1 : Int.random(in: 2...4, using: &random)
        policy.idleTimeout = chance(30) ? nil : .seconds(Int.random(in: 0...20, using: &random))
        policy.queueLimit = Int.random(in: 1...40, using: &random)
        policy.laneLimit = chance(50) ? nil : Int.random(in: 1...10, using: &random)
        policy.whenFull = chance(50) ? .fail : .wait
        policy.recycling.calls = chance(60) ? nil : Int.random(in: 1...20, using: &random)
        policy.recycling.age = chance(70) ? nil : .seconds(Int.random(in: 5...30, using: &random))
        policy.recycling.residentSize = chance(70) ? nil : 1_000
        policy.restart.longest = .seconds(2)
        policy.restart.healthyAfter = .seconds(Int.random(in: 1...5, using: &random))
        policy.breaker?.ends = Int.random(in: 2...5, using: &random)
        policy.breaker?.openFor = .seconds(Int.random(in: 0...4, using: &random))
        policy.breaker?.longest = .seconds(10)
        if chance(20) { policy.breaker = nil }
        policy.quarantineAfter = Int.random(in: 1...3, using: &random)
        policy.quarantineTime = .seconds(20)
        policy.cancelGrace = .seconds(Int.random(in: 0...5, using: &random))
        return policy
    }
}
