// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("How a pool replaces workers that end unasked")
struct PoolMachineRestartTests {
    /// One worker that is always wanted, pauses of up to a second, and a breaker of 2 ends.
    static func pool(_ change: (inout PoolPolicy) -> Void = { _ in }) -> PoolRig {
        var pool = PoolRig {
            $0.minimumWorkers = 1
            $0.restart.first = .seconds(1)
            change(&$0)
        }
        pool.send(.start)
        return pool
    }

    static func withBreaker(_ change: (inout PoolPolicy) -> Void = { _ in }) -> PoolRig {
        pool {
            var breaker = BreakerPolicy()
            breaker.ends = 2
            $0.breaker = breaker
            $0.restart.first = .zero
            change(&$0)
        }
    }

    static func isSpawned(_ worker: UInt64, in actions: [PoolMachine.Action]) -> Bool {
        actions.contains(.spawn(worker))
    }

    @Test("One that was not well is replaced after a pause, which grows with each in a row")
    func backoff() {
        var pool = Self.pool()
        for (worker, most) in [(UInt64(1), 1), (2, 2), (3, 4)] {
            let actions = pool.crash(worker)
            guard case .restartDelayed(let pause, Int(worker))? = actions.told.last else {
                Issue.record("no pause: \(actions)")
                return
            }
            #expect(.zero...Duration.seconds(most) ~= pause)
            #expect(!Self.isSpawned(worker + 1, in: actions))
            #expect(Self.isSpawned(worker + 1, in: pool.pass(pause)))
        }
    }

    @Test("One that had completed a call, or lived for long, is replaced at once", arguments: [false, true])
    func well(byCall: Bool) {
        var pool = Self.pool()
        pool.send(.workerReady(1))
        if byCall {
            pool.submit(1)
            pool.send(.attemptEnded(1, .succeeded))
        } else {
            pool.pass(.seconds(10))
        }
        #expect(pool.crash(1).deeds == [.spawn(2)])
    }

    @Test("A start that took long does not make a worker well")
    func slowStart() {
        var pool = Self.pool()
        pool.pass(.seconds(60))
        #expect(Self.isSpawned(2, in: pool.crash(1)) == false)
    }

    @Test("Ends that were asked for are followed by a start at once")
    func asked() {
        var pool = Self.pool()
        pool.send(.workerReady(1))
        let exit = PoolRig.exit(.recycled)
        #expect(pool.send(.workerExited(1, exit)).deeds == [.spawn(2)])
    }

    @Test("In a row only one is started at a time")
    func oneAtATime() {
        var pool = Self.pool {
            $0.minimumWorkers = 3
            $0.maximumWorkers = 3
            $0.restart.first = .zero
        }
        pool.crash(1)
        let second = pool.crash(2)
        #expect(!Self.isSpawned(4, in: second), "the third one is still starting")
        #expect(pool.send(.workerReady(3)).deeds == [.spawn(4)])
        #expect(pool.send(.workerReady(4)).deeds == [.spawn(5)])
    }

    @Test("A program that does not exist fails the calls that wait; a lack of resources lets them wait")
    func spawnFailure() {
        var pool = Self.pool()
        pool.submit(1)
        let missing = PoolRig.spawnError(.notFound)
        let actions = pool.send(.spawnFailed(1, missing))
        #expect(actions.told.first == .workerEnded(worker: 1, .notSpawned(missing)))
        #expect(actions.verdicts == [.notStarted(missing)])
        pool.submit(2)
        #expect(Self.isSpawned(2, in: pool.pass(.seconds(1))))
        #expect(pool.send(.spawnFailed(2, PoolRig.spawnError(.system))).verdicts == [])
        #expect(Self.isSpawned(3, in: pool.pass(.seconds(2))))
        #expect(pool.send(.workerReady(3)).deeds == [.dispatch(2, to: 3, attempt: 1)])
    }

    @Test("A failed start fails no calls while another worker lives")
    func spawnFailureBesides() {
        var pool = Self.pool { $0.maximumWorkers = 2 }
        pool.send(.workerReady(1))
        pool.submit(1)
        pool.submit(2)
        #expect(pool.send(.spawnFailed(2, PoolRig.spawnError(.notFound))).verdicts == [])
    }

    @Test("An open breaker fails calls where no worker lives, and starts none")
    func open() {
        var pool = Self.withBreaker()
        pool.submit(1)
        #expect(Self.isSpawned(2, in: pool.crash(1)))
        let actions = pool.crash(2)
        let end = PoolWorkerEnd.exited(PoolRig.crashed)
        #expect(actions.told.last == .breakerOpened(for: .seconds(5), end))
        #expect(actions.verdicts == [.breakerOpen(retryAfter: .seconds(5), lastEnd: end)])
        pool.pass(.seconds(2))
        #expect(pool.submit(2).deeds == [.finish(2, .breakerOpen(retryAfter: .seconds(3), lastEnd: end))])
    }

    @Test("After its time one worker is tried, calls wait for it, and its first result closes the breaker")
    func probe() {
        var pool = Self.withBreaker { $0.maximumWorkers = 2 }
        pool.crash(1)
        pool.crash(2)
        let probing = pool.pass(.seconds(5))
        #expect(probing == [.tell(.breakerProbing), .spawn(3)])
        #expect(pool.submit(1) == [])
        #expect(pool.submit(2) == [])
        #expect(pool.send(.workerReady(3)).deeds == [.dispatch(1, to: 3, attempt: 1)])
        let closing = pool.send(.attemptEnded(1, .succeeded))
        #expect(closing.told == [.breakerClosed])
        #expect(closing.deeds == [.finish(1, .succeeded), .dispatch(2, to: 3, attempt: 1)])
        #expect(pool.submit(3).deeds == [.spawn(4)], "starts are free again")
    }

    @Test("A probe that lives for long closes the breaker, too; one that ends badly opens it for twice as long")
    func probeEnds() {
        var pool = Self.withBreaker()
        pool.crash(1)
        pool.crash(2)
        pool.pass(.seconds(5))
        let end = PoolWorkerEnd.exited(PoolRig.crashed)
        #expect(pool.crash(3).told.last == .breakerOpened(for: .seconds(10), end))
        #expect(pool.pass(.milliseconds(9_999)) == [])
        #expect(pool.pass(.milliseconds(1)).deeds == [.spawn(4)])
        pool.send(.workerReady(4))
        #expect(pool.pass(.seconds(10)).told == [.breakerClosed])
        #expect(pool.crash(4).deeds == [.spawn(5)])
    }

    @Test("Without a need nothing is tried")
    func noDemand() {
        var pool = Self.withBreaker { $0.minimumWorkers = 0 }
        pool.submit(1)
        pool.crash(1)
        pool.crash(2)
        #expect(pool.pass(.seconds(60)) == [])
        #expect(pool.submit(2) == [.tell(.breakerProbing), .spawn(3)])
    }
}
