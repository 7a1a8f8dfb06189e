// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("How a pool lets its workers go")
struct PoolMachineEndTests {
    static let ended = PoolRig.exit(.exited(code: 0))

    static func pool(workers: Int, _ change: (inout PoolPolicy) -> Void = { _ in }) -> PoolRig {
        var pool = PoolRig {
            $0.minimumWorkers = workers
            $0.maximumWorkers = workers
            $0.recycling.jitter = 0
            change(&$0)
        }
        pool.start(ready: workers)
        return pool
    }

    @Test("Idle workers above the minimum go after their time, the longest idle first")
    func idle() {
        var pool = PoolRig {
            $0.minimumWorkers = 1
            $0.maximumWorkers = 3
            $0.idleTimeout = .seconds(60)
        }
        pool.send(.start)
        for call in UInt64(1)...3 { pool.submit(call) }
        for worker in UInt64(1)...3 { pool.send(.workerReady(worker)) }
        for call: UInt64 in [2, 3, 1] {
            pool.pass(.seconds(1))
            pool.send(.attemptEnded(call, .succeeded))
        }
        #expect(pool.pass(.seconds(57)) == [])
        #expect(pool.pass(.seconds(1)) == [.tell(.workerIdle(worker: 2)), .stopWorker(2, .finished)])
        #expect(pool.pass(.seconds(1)) == [.tell(.workerIdle(worker: 3)), .stopWorker(3, .finished)])
        #expect(pool.pass(.seconds(1_000)) == [])
        #expect(pool.machine.workersLeaving == 2)
        #expect(pool.machine.workersIdle == 1)
    }

    @Test("A worker is replaced after its calls")
    func recycleCalls() {
        var pool = Self.pool(workers: 1) { $0.recycling.calls = 2 }
        for call in UInt64(1)...3 { pool.submit(call) }
        #expect(pool.send(.attemptEnded(1, .succeeded)).told == [])
        let actions = pool.send(.attemptEnded(2, .failed(isRetryable: false)))
        #expect(actions.told == [.workerRecycled(worker: 1, .calls)])
        #expect(actions.deeds == [.finish(2, .failed), .stopWorker(1, .recycled)])
        #expect(pool.send(.workerExited(1, Self.ended)).deeds == [.spawn(2)])
    }

    @Test("A worker is replaced for its age and its size, never in the middle of a call", arguments: [false, true])
    func recycleBetweenCalls(byAge: Bool) {
        var pool = Self.pool(workers: 1) {
            if byAge { $0.recycling.age = .seconds(60) } else { $0.recycling.residentSize = 1_000 }
        }
        pool.submit(1)
        #expect(pool.send(.residentSize(1, 1_000)) == [])
        let due = byAge ? pool.pass(.seconds(60)) : pool.send(.residentSize(1, 1_001))
        #expect(due == [])
        #expect(pool.submit(2).deeds == [])
        let actions = pool.send(.attemptEnded(1, .succeeded))
        #expect(actions.told == [.workerRecycled(worker: 1, byAge ? .age : .residentSize)])
        #expect(actions.deeds == [.finish(1, .succeeded), .stopWorker(1, .recycled)])
    }

    @Test("A drain does what was taken, starts what that needs, and then ends all workers")
    func drain() {
        var pool = Self.pool(workers: 1)
        pool.submit(1)
        pool.submit(2)
        #expect(pool.send(.drain) == [.tell(.draining)])
        #expect(pool.send(.drain) == [])
        #expect(pool.submit(3).deeds == [.finish(3, .stopped)])
        pool.crash(1)
        pool.send(.attemptEnded(1, .workerLost(mayRetry: false)))
        #expect(pool.send(.workerReady(2)).deeds == [.dispatch(2, to: 2, attempt: 1)])
        let last = pool.send(.attemptEnded(2, .succeeded))
        #expect(last.deeds == [.finish(2, .succeeded), .stopWorker(2, .finished)])
        let end = pool.send(.workerExited(2, Self.ended))
        #expect(end.suffix(2) == [.tell(.stopped), .finished])
        #expect(pool.machine.isFinished)
        #expect(pool.machine.nextWake == nil)
        #expect(pool.submit(4).deeds == [.finish(4, .stopped)])
        #expect(pool.send(.workerReady(9)) == [])
    }

    @Test("A drained pool keeps no minimum and no standby")
    func drainedMinimum() {
        var pool = Self.pool(workers: 2) { $0.warmStandby = 1 }
        pool.submit(1)
        pool.send(.drain)
        #expect(pool.send(.workerExited(2, PoolRig.exit(.recycled))).deeds == [])
    }

    @Test("A stop ends everything now", arguments: [false, true])
    func stop(afterDrain: Bool) {
        var pool = Self.pool(workers: 2)
        for call in UInt64(1)...3 { pool.submit(call) { $0.timeout = .seconds(1) } }
        if afterDrain { pool.send(.drain) }
        let actions = pool.send(.stop)
        #expect(actions.told == (afterDrain ? [] : [.draining]))
        #expect(
            actions.deeds == [
                .finish(1, .stopped), .cancelCall(1, on: 1), .finish(2, .stopped), .cancelCall(2, on: 2),
                .finish(3, .stopped), .terminateWorker(1, .parentShutdown), .terminateWorker(2, .parentShutdown),
            ]
        )
        #expect(pool.pass(.seconds(100)) == [])
        #expect(pool.send(.attemptEnded(1, .cancelled)) == [])
        #expect(pool.send(.workerExited(1, Self.ended)).deeds == [])
        #expect(pool.send(.workerExited(2, Self.ended)).deeds == [.finished])
    }

    @Test("A stop hardens the end of workers that a drain has asked to go")
    func hardens() {
        var pool = Self.pool(workers: 1)
        #expect(pool.send(.drain).deeds == [.stopWorker(1, .finished)])
        #expect(pool.send(.stop).deeds == [.terminateWorker(1, .parentShutdown)])
        #expect(pool.send(.stop) == [])
    }

    @Test("A pool without workers ends at once", arguments: [PoolMachine.Event.drain, .stop])
    func empty(event: PoolMachine.Event) {
        var pool = PoolRig()
        #expect(pool.send(event) == [.tell(.draining), .tell(.stopped), .finished])
    }

    @Test("Events that no longer matter are ignored")
    func late() {
        var pool = Self.pool(workers: 1)
        let events: [PoolMachine.Event] = [
            .activity(9), .attemptEnded(9, .succeeded), .workerReady(1), .workerReady(9), .workerLeaving(9),
            .workerExited(9, Self.ended), .residentSize(9, 9), .spawnFailed(9, PoolRig.spawnError(.notFound)), .wake,
            .start,
        ]
        for event in events { #expect(pool.send(event) == [], "\(event)") }
    }
}
