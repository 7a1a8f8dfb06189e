// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("The deadlines of calls to a pool")
struct PoolMachineDeadlineTests {
    static func busy(_ change: (inout PoolMachine.CallTraits) -> Void = { _ in }) -> PoolRig {
        var pool = PoolRig { $0.minimumWorkers = 1 }
        pool.start(ready: 1)
        pool.submit(1, change)
        return pool
    }

    @Test("A call that waits past its timeout ends")
    func waiting() {
        var pool = Self.busy()
        pool.submit(2) { $0.timeout = .seconds(5) }
        #expect(pool.pass(.milliseconds(4_999)).deeds == [])
        #expect(pool.pass(.milliseconds(1)).deeds == [.finish(2, .timedOut(whileRunning: false))])
        #expect(pool.send(.attemptEnded(1, .succeeded)).deeds == [.finish(1, .succeeded)])
    }

    @Test("A call that runs past its timeout ends at once, and keeps its slot until its attempt has ended")
    func running() {
        var pool = Self.busy { $0.timeout = .seconds(5) }
        pool.submit(2)
        let actions = pool.pass(.seconds(5))
        #expect(actions.deeds == [.finish(1, .timedOut(whileRunning: true)), .cancelCall(1, on: 1)])
        #expect(pool.machine.callsRunning == 0)
        #expect(pool.machine.workersBusy == 1)
        #expect(pool.send(.attemptEnded(1, .succeeded)).deeds == [.dispatch(2, to: 1, attempt: 1)])
        #expect(pool.pass(.seconds(100)) == [])
    }

    @Test("Activity keeps a call from stalling")
    func stall() {
        var pool = Self.busy { $0.stallTimeout = .seconds(5) }
        for _ in 0..<3 {
            #expect(pool.pass(.seconds(4)).deeds == [])
            #expect(pool.send(.activity(1)) == [])
        }
        #expect(pool.pass(.milliseconds(4_999)).deeds == [])
        #expect(pool.pass(.milliseconds(1)).deeds == [.finish(1, .stalled), .cancelCall(1, on: 1)])
    }

    @Test("A result that comes at the very deadline counts")
    func atTheDeadline() {
        var pool = Self.busy { $0.timeout = .seconds(5) }
        pool.clock = pool.clock + .seconds(6)
        #expect(pool.send(.attemptEnded(1, .succeeded)).deeds == [.finish(1, .succeeded)])
    }

    @Test("The total timeout goes on through retries")
    func total() {
        var pool = Self.busy {
            $0.timeout = .seconds(5)
            $0.retry.retries = 9
            $0.retry.first = .zero
        }
        pool.pass(.seconds(3))
        #expect(pool.send(.attemptEnded(1, .failed(isRetryable: true))).deeds == [.dispatch(1, to: 1, attempt: 2)])
        #expect(pool.pass(.seconds(2)).verdicts == [.timedOut(whileRunning: true)])
    }

    @Test("A waiting call is cancelled, a running one too, an unknown one is nothing")
    func cancel() {
        var pool = Self.busy()
        pool.submit(2)
        #expect(pool.send(.cancel(2)).deeds == [.finish(2, .cancelled)])
        #expect(pool.send(.cancel(1)).deeds == [.finish(1, .cancelled), .cancelCall(1, on: 1)])
        #expect(pool.send(.cancel(1)) == [])
        #expect(pool.send(.cancel(99)) == [])
        #expect(pool.send(.attemptEnded(1, .cancelled)) == [])
        #expect(pool.machine.workersIdle == 1)
    }

    @Test("A call that does not end in its grace costs its worker, whose end is no crash")
    func overdue() {
        var pool = Self.busy()
        pool.send(.cancel(1))
        #expect(pool.pass(.milliseconds(9_999)) == [])
        let actions = pool.pass(.milliseconds(1))
        #expect(actions.told == [.callOverdue(call: 1, worker: 1)])
        guard case .terminateWorker(1, .cancelled) = actions.deeds.first else {
            Issue.record("the worker is not terminated: \(actions)")
            return
        }
        let exit = pool.crash(1)
        #expect(exit.told == [.workerEnded(worker: 1, .exited(PoolRig.crashed))])
        #expect(exit.deeds == [.spawn(2)])
        #expect(pool.send(.attemptEnded(1, .workerLost(mayRetry: true))) == [])
    }

    @Test("The worker is told why: the deadline that its call did not keep")
    func overdueCause() {
        var timedOut = Self.busy { $0.timeout = .seconds(1) }
        #expect(timedOut.pass(.seconds(11)).deeds.last == .terminateWorker(1, .timedOut(.total)))
        var stalled = Self.busy { $0.stallTimeout = .seconds(1) }
        #expect(stalled.pass(.seconds(11)).deeds.last == .terminateWorker(1, .stalled(.progress)))
    }
}
