// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("Which worker of a pool does which call")
struct PoolMachineDispatchTests {
    typealias Action = PoolMachine.Action

    @Test("The start begins the minimum")
    func start() {
        var pool = PoolRig {
            $0.minimumWorkers = 2
            $0.maximumWorkers = 3
        }
        #expect(pool.send(.start) == [.spawn(1), .spawn(2)])
        #expect(pool.machine.workersStarting == 2)
    }

    @Test("A call starts a worker, waits for it, and is done")
    func demand() {
        var pool = PoolRig()
        #expect(pool.submit(1) == [.spawn(1)])
        #expect(pool.machine.queueDepth == 1)
        let ready = pool.send(.workerReady(1))
        #expect(
            ready == [
                .tell(.workerReady(worker: 1)), .dispatch(1, to: 1, attempt: 1),
                .tell(.callStarted(call: 1, worker: 1, attempt: 1)),
            ]
        )
        #expect(pool.machine.callsRunning == 1)
        #expect(pool.machine.workersBusy == 1)
        #expect(pool.send(.attemptEnded(1, .succeeded)).deeds == [.finish(1, .succeeded)])
        #expect(pool.machine.workersIdle == 1)
    }

    @Test("What starts counts for those that wait, up to the maximum", arguments: [1, 2, 3])
    func starting(slots: Int) {
        var pool = PoolRig {
            $0.maximumWorkers = 2
            $0.callsPerWorker = slots
        }
        let spawned = (1...10).map { pool.submit($0).contains { if case .spawn = $0 { true } else { false } } }
        #expect(spawned == (0..<10).map { $0 == 0 || $0 == slots })
    }

    @Test("The call goes to the fewest calls, then to the longest idle")
    func choice() {
        var pool = PoolRig {
            $0.minimumWorkers = 3
            $0.maximumWorkers = 3
            $0.callsPerWorker = 2
        }
        pool.start(ready: 3)
        let targets = (1...6).map { pool.submit($0).deeds }
        #expect(targets == (1...6).map { [.dispatch($0, to: ($0 - 1) % 3 + 1, attempt: 1)] })
        pool.send(.attemptEnded(5, .succeeded))
        pool.send(.attemptEnded(3, .succeeded))
        pool.send(.attemptEnded(6, .succeeded))
        #expect(pool.submit(7).deeds == [.dispatch(7, to: 3, attempt: 1)])
        #expect(pool.submit(8).deeds == [.dispatch(8, to: 2, attempt: 1)])
    }

    @Test("A thousand calls spread evenly over four workers")
    func spread() {
        var pool = PoolRig {
            $0.minimumWorkers = 4
            $0.maximumWorkers = 4
        }
        pool.start(ready: 4)
        var random = SeededRandom(seed: 9)
        var running: [UInt64] = []
        var counts: [UInt64: Int] = [:]
        for call in UInt64(1)...1_000 {
            if running.count == 4 || running.count > 1 && Bool.random(using: &random) {
                pool.send(.attemptEnded(running.removeFirst(), .succeeded))
            }
            running.append(call)
            for case .dispatch(_, let worker, _) in pool.submit(call) { counts[worker, default: 0] += 1 }
        }
        #expect(counts.values.reduce(0, +) == 1_000)
        #expect(counts.count == 4)
        #expect(counts.values.allSatisfy { 237...263 ~= $0 }, "\(counts)")
    }

    @Test("A quiet lane beside a flood waits for one turn at most")
    func lanes() {
        var pool = PoolRig { $0.minimumWorkers = 1 }
        pool.start(ready: 1)
        for call in UInt64(1)...100 { pool.submit(call) { $0.lane = "flood" } }
        pool.submit(1_000) { $0.lane = "quiet" }
        var order: [UInt64] = [1]
        for _ in 0..<3 {
            for case .dispatch(let call, _, _) in pool.send(.attemptEnded(order[order.count - 1], .succeeded)) {
                order.append(call)
            }
        }
        #expect(order == [1, 2, 1_000, 3])
    }

    @Test("A call that was not taken goes to another worker, first in its lane and at no cost")
    func notTaken() {
        var pool = PoolRig {
            $0.minimumWorkers = 2
            $0.maximumWorkers = 2
        }
        pool.start(ready: 2)
        for call in UInt64(1)...4 { pool.submit(call) }
        #expect(pool.send(.attemptEnded(1, .notTaken)).deeds == [])
        #expect(pool.machine.workersLeaving == 1)
        #expect(
            pool.send(.attemptEnded(2, .succeeded)).deeds == [
                .finish(2, .succeeded), .dispatch(1, to: 2, attempt: 1),
            ]
        )
    }

    @Test("A worker that leaves gets no call, and its successor starts when it is gone")
    func leaving() {
        var pool = PoolRig { $0.minimumWorkers = 1 }
        pool.start(ready: 1)
        pool.send(.workerLeaving(1))
        #expect(pool.submit(1) == [])
        let exit = PoolRig.exit(.exited(code: 0))
        #expect(pool.send(.workerExited(1, exit)).deeds.contains(.spawn(2)) == true)
        #expect(pool.send(.workerReady(2)).deeds == [.dispatch(1, to: 2, attempt: 1)])
    }

    @Test("A full queue turns calls away, and so does a full lane", arguments: [PoolPolicy.WhenFull.fail, .wait])
    func full(whenFull: PoolPolicy.WhenFull) {
        var pool = PoolRig {
            $0.minimumWorkers = 1
            $0.queueLimit = 3
            $0.laneLimit = 2
            $0.whenFull = whenFull
        }
        pool.start(ready: 1)
        let verdicts = (1...6).map { call in pool.submit(call) { $0.lane = call < 5 ? "a" : "b" }.verdicts }
        let refused: [PoolMachine.Verdict] = whenFull == .fail ? [.queueFull] : []
        // The first one runs; two wait in their lane; then the lane is full, and after one of another lane the queue.
        #expect(verdicts == [[], [], [], refused, [], refused])
        #expect(pool.machine.queueDepth == (whenFull == .fail ? 3 : 5))
    }

    @Test("Calls that come back do not make the queue full")
    func retriedDoNotCount() {
        var pool = PoolRig {
            $0.minimumWorkers = 1
            $0.queueLimit = 1
        }
        pool.start(ready: 1)
        pool.submit(1)
        pool.submit(2)
        pool.send(.attemptEnded(1, .notTaken))
        #expect(pool.machine.queueDepth == 2)
        #expect(pool.submit(3).verdicts == [.queueFull])
        pool.send(.cancel(2))
        #expect(pool.submit(4).verdicts == [])
    }

    @Test("The standby is kept beyond those that work, up to the maximum")
    func standby() {
        var pool = PoolRig {
            $0.maximumWorkers = 2
            $0.warmStandby = 1
        }
        #expect(pool.send(.start) == [.spawn(1)])
        pool.send(.workerReady(1))
        #expect(pool.submit(1).deeds == [.dispatch(1, to: 1, attempt: 1), .spawn(2)])
        pool.send(.workerReady(2))
        #expect(pool.submit(2).deeds == [.dispatch(2, to: 2, attempt: 1)])
    }
}
