// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("Calls whose worker ends")
struct PoolMachineCrashTests {
    static let lost = PoolMachine.AttemptEnd.workerLost(mayRetry: true)

    static func pool(slots: Int = 1, workers: Int = 1, quarantineAfter: Int = 3) -> PoolRig {
        var pool = PoolRig {
            $0.minimumWorkers = workers
            $0.maximumWorkers = workers
            $0.callsPerWorker = slots
            $0.quarantineAfter = quarantineAfter
        }
        pool.start(ready: workers)
        return pool
    }

    /// Ends the attempt and the worker, in either order.
    static func crash(_ pool: inout PoolRig, call: UInt64, worker: UInt64, exitFirst: Bool) -> [PoolMachine.Action] {
        if exitFirst {
            let actions = pool.crash(worker)
            return actions + pool.send(.attemptEnded(call, lost))
        }
        let actions = pool.send(.attemptEnded(call, lost))
        return actions + pool.crash(worker)
    }

    @Test("A call that may not be retried ends with its worker's end", arguments: [false, true])
    func lost(exitFirst: Bool) {
        var pool = Self.pool()
        pool.submit(1)
        let actions = Self.crash(&pool, call: 1, worker: 1, exitFirst: exitFirst)
        #expect(actions.verdicts == [.workerLost(PoolRig.crashed)])
        #expect(pool.machine.queueDepth + pool.machine.callsRunning == 0)
    }

    @Test("Until both ends are known, nothing is decided", arguments: [false, true])
    func both(exitFirst: Bool) {
        var pool = Self.pool()
        pool.submit(1)
        let first = exitFirst ? pool.crash(1) : pool.send(.attemptEnded(1, Self.lost))
        #expect(first.verdicts == [])
        #expect(pool.machine.callsRunning == 1)
    }

    @Test("A retry comes first in its lane, after a pause", arguments: [false, true])
    func retry(exitFirst: Bool) {
        var pool = Self.pool()
        pool.submit(1) { $0.retry = RetryPolicy(retries: 1) }
        pool.submit(2)
        let actions = Self.crash(&pool, call: 1, worker: 1, exitFirst: exitFirst)
        guard
            case .callRetried(1, attempt: 1, let pause)? = actions.told.last(where: {
                if case .callRetried = $0 { true } else { false }
            })
        else {
            Issue.record("no retry: \(actions)")
            return
        }
        #expect(.zero...Duration.milliseconds(100) ~= pause)
        pool.pass(.milliseconds(100))
        #expect(pool.send(.workerReady(2)).deeds == [.dispatch(1, to: 2, attempt: 2)])
        let second = Self.crash(&pool, call: 1, worker: 2, exitFirst: exitFirst)
        #expect(second.verdicts == [.workerLost(PoolRig.crashed)])
    }

    @Test("What must not be retried is not")
    func mayNot() {
        var pool = Self.pool()
        pool.submit(1) { $0.retry = RetryPolicy(retries: 5) }
        pool.crash(1)
        let actions = pool.send(.attemptEnded(1, .workerLost(mayRetry: false)))
        #expect(actions.verdicts == [.workerLost(PoolRig.crashed)])
    }

    @Test("A result that had arrived counts, though the worker ended")
    func arrived() {
        var pool = Self.pool()
        pool.submit(1)
        pool.crash(1)
        #expect(pool.send(.attemptEnded(1, .succeeded)).verdicts == [.succeeded])
    }

    @Test("A failure is retried only if it is retryable, and allowed")
    func failures() {
        var pool = Self.pool()
        pool.submit(1) { $0.retry = RetryPolicy(retries: 1) }
        pool.send(.attemptEnded(1, .failed(isRetryable: true)))
        #expect(pool.pass(.milliseconds(100)).deeds == [.dispatch(1, to: 1, attempt: 2)])
        #expect(pool.send(.attemptEnded(1, .failed(isRetryable: true))).verdicts == [.failed])
        pool.submit(2) { $0.retry = RetryPolicy(retries: 1) }
        #expect(pool.send(.attemptEnded(2, .failed(isRetryable: false))).verdicts == [.failed])
    }

    @Test("A call that was alone is charged, and quarantined when it has cost too many")
    func quarantine() {
        var pool = Self.pool(quarantineAfter: 2)
        pool.submit(1) {
            $0.retry = RetryPolicy(retries: 9)
            $0.identity = "bad"
        }
        _ = Self.crash(&pool, call: 1, worker: 1, exitFirst: true)
        pool.pass(.seconds(1))
        pool.send(.workerReady(2))
        let actions = Self.crash(&pool, call: 1, worker: 2, exitFirst: false)
        #expect(actions.told.contains(.callQuarantined(call: 1, identity: "bad")))
        #expect(actions.verdicts == [.quarantined(PoolRig.crashed)])
        #expect(pool.submit(2) { $0.identity = "bad" }.verdicts == [.quarantined(nil)])
        pool.pass(.seconds(3_600))
        #expect(pool.submit(3) { $0.identity = "bad" }.verdicts == [])
    }

    @Test("An identity is charged across submissions, also for calls that did not end when told to")
    func identity() {
        var pool = Self.pool(quarantineAfter: 2)
        pool.submit(1) { $0.identity = "bad" }
        _ = Self.crash(&pool, call: 1, worker: 1, exitFirst: true)
        pool.send(.workerReady(2))
        pool.submit(2) { $0.identity = "bad" }
        pool.send(.cancel(2))
        #expect(pool.pass(.seconds(10)).told.last == .callQuarantined(call: 2, identity: "bad"))
        #expect(pool.submit(3) { $0.identity = "bad" }.verdicts == [.quarantined(nil)])
    }

    @Test("A success clears what an identity was charged with")
    func forgiven() {
        var pool = Self.pool(quarantineAfter: 2)
        for round in UInt64(1)...5 {
            pool.submit(2 * round) { $0.identity = "odd" }
            let actions = Self.crash(&pool, call: 2 * round, worker: round, exitFirst: true)
            #expect(actions.verdicts == [.workerLost(PoolRig.crashed)])
            pool.pass(.seconds(60))
            pool.send(.workerReady(round + 1))
            pool.submit(2 * round + 1) { $0.identity = "odd" }
            pool.send(.attemptEnded(2 * round + 1, .succeeded))
        }
    }

    @Test("Where several calls were hit, all are suspects, none is charged, and each is retried alone")
    func suspects() {
        var pool = Self.pool(slots: 2, quarantineAfter: 1)
        for call in UInt64(1)...3 {
            pool.submit(call) {
                $0.retry = RetryPolicy(retries: 1)
                $0.retry.first = .zero
            }
        }
        pool.crash(1)
        #expect(pool.send(.attemptEnded(1, Self.lost)).verdicts == [])
        #expect(pool.send(.attemptEnded(2, Self.lost)).verdicts == [])
        // The third one never ran: it is no suspect, and does not stand behind them for ever.
        var order: [UInt64] = []
        var running: [UInt64] = []
        var most = 0
        var actions = pool.send(.workerReady(2))
        while true {
            for case .dispatch(let call, _, _) in actions { running.append(call) }
            most = max(most, running.count)
            guard !running.isEmpty else { break }
            let call = running.removeFirst()
            order.append(call)
            actions = pool.send(.attemptEnded(call, .succeeded))
        }
        #expect(order.sorted() == [1, 2, 3])
        #expect(most == 1)
    }

    @Test("Where all workers are busy, one is kept from taking more until a suspect can have it")
    func reserved() {
        var pool = Self.pool(slots: 2)
        pool.submit(1)
        pool.submit(2) {
            $0.retry = RetryPolicy(retries: 1)
            $0.retry.first = .seconds(1)
        }
        pool.crash(1)
        pool.send(.attemptEnded(1, Self.lost))
        pool.send(.attemptEnded(2, Self.lost))
        pool.send(.workerReady(2))
        #expect(pool.submit(3).deeds == [.dispatch(3, to: 2, attempt: 1)])
        #expect(pool.pass(.seconds(1)).deeds == [])
        #expect(pool.submit(4).deeds == [])
        #expect(
            pool.send(.attemptEnded(3, .succeeded)).deeds == [
                .finish(3, .succeeded), .dispatch(2, to: 2, attempt: 2),
            ]
        )
        #expect(
            pool.send(.attemptEnded(2, .succeeded)).deeds == [
                .finish(2, .succeeded), .dispatch(4, to: 2, attempt: 1),
            ]
        )
    }
}
