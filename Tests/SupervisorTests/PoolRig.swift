// SPDX-License-Identifier: Apache-2.0
import IPCFrame

@testable import Supervisor

/// A pool's machine with a clock that stands where the test puts it.
struct PoolRig {
    typealias Action = PoolMachine.Action

    var machine: PoolMachine
    var clock = ContinuousMoment(nanoseconds: 1_000_000_000_000)

    /// One worker, one call at a time, and nothing that happens by itself, unless the test asks for it.
    init(_ change: (inout PoolPolicy) -> Void = { _ in }) {
        var policy = PoolPolicy()
        policy.maximumWorkers = 1
        policy.idleTimeout = nil
        policy.breaker = nil
        policy.restart.first = .zero
        change(&policy)
        machine = PoolMachine(policy: policy, seed: 1)
    }

    @discardableResult
    mutating func send(_ event: PoolMachine.Event) -> [Action] { machine.handle(event, now: clock) }

    @discardableResult
    mutating func submit(
        _ call: UInt64,
        _ change: (inout PoolMachine.CallTraits) -> Void = { _ in }
    ) -> [Action] {
        var traits = PoolMachine.CallTraits()
        change(&traits)
        return send(.submit(call, traits))
    }

    /// Lets time pass, waking the machine whenever it asks for it.
    @discardableResult
    mutating func pass(_ duration: Duration) -> [Action] {
        let end = clock + duration
        var actions: [Action] = []
        while let wake = machine.nextWake, wake <= end {
            clock = wake
            actions += machine.handle(.wake, now: clock)
        }
        clock = end
        return actions
    }

    /// Starts the pool and makes so many workers ready, by the minimum.
    mutating func start(ready count: Int) {
        send(.start)
        for worker in 1...UInt64(count) { send(.workerReady(worker)) }
    }

    @discardableResult
    mutating func crash(_ worker: UInt64) -> [Action] { send(.workerExited(worker, PoolRig.crashed)) }

    static let crashed = exit(.signalled(signal: 11, dumpedCore: false))

    static func exit(_ reason: ExitReason) -> WorkerExit {
        WorkerExit(
            reason: reason,
            status: nil,
            phase: .ready,
            worker: "worker",
            pid: 7,
            duration: .seconds(1),
            standardErrorTail: [],
            standardErrorBytes: 0,
            signalsSent: [],
            straysKilled: 0,
            notes: []
        )
    }

    static func spawnError(_ code: SpawnError.Code) -> SpawnError {
        SpawnError(code, program: "worker", detail: "as the test wants it")
    }
}

extension [PoolMachine.Action] {
    /// What must be done, without what is told of it.
    var deeds: [PoolMachine.Action] {
        filter { action in
            if case .tell = action { false } else { true }
        }
    }

    /// What is told, without what every call tells.
    var told: [PoolEvent] {
        compactMap { action in
            switch action {
            case .tell(.callStarted), .tell(.callEnded): nil
            case .tell(let event): event
            default: nil
            }
        }
    }

    /// How calls ended, in order.
    var verdicts: [PoolMachine.Verdict] {
        compactMap { if case .finish(_, let verdict) = $0 { verdict } else { nil } }
    }
}
