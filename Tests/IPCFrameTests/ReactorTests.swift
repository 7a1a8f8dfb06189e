// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

extension Reactor {
    /// Runs `body` on the reactor's thread and hands its result back.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            perform { continuation.resume(returning: body()) }
        }
    }
}

/// A counter that lives on a reactor.
actor Resident {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    var order: [Int] = []

    init(on reactor: Reactor) { self.reactor = reactor }

    func note(_ value: Int) -> Bool {
        order.append(value)
        return reactor.isCurrent
    }

    func noteLater(_ value: Int) async {
        await Task.yield()
        order.append(value)
    }

    func wait() async { await withCheckedContinuation { $0.resume() } }

    /// Awaits itself, while others wait for their turn, and returns what they did meanwhile.
    func insideOneTurn() async -> [Int] {
        for _ in 0..<10 {
            reactor.perform { self.noteAssumingIsolation(1) }
            await wait()
        }
        return order
    }

    nonisolated func noteAssumingIsolation(_ value: Int) { assumeIsolated { $0.order.append(value) } }
}

@Suite struct ReactorExecutorTests {
    @Test func anActorRunsOnItsReactorsThread() async {
        let reactor = Reactor()
        reactor.start()
        let resident = Resident(on: reactor)
        #expect(await resident.note(1))
        #expect(!reactor.isCurrent)
        await resident.noteLater(2)
        #expect(await resident.order == [1, 2])
        reactor.stop()
    }

    @Test func nothingComesBetweenWhenAnActorAwaitsItself() async {
        let reactor = Reactor()
        reactor.start()
        #expect(await Resident(on: reactor).insideOneTurn() == [])
        reactor.stop()
    }

    @Test func aTaskThatPrefersTheReactorRunsThere() async {
        let reactor = Reactor()
        reactor.start()
        let before = await Task(executorPreference: reactor) { reactor.isCurrent }.value
        #expect(before)
        let after = await Task(executorPreference: reactor) {
            await Task.yield()
            return reactor.isCurrent
        }.value
        #expect(after)
        reactor.stop()
    }

    @Test func callbacksMayAssumeTheActorsIsolation() async {
        let reactor = Reactor()
        reactor.start()
        let resident = Resident(on: reactor)
        await reactor.run { resident.noteAssumingIsolation(7) }
        #expect(await resident.order == [7])
        #expect(reactor.isIsolatingCurrentContext() == false)
        reactor.stop()
    }

    @Test func assumingIsolationElsewhereIsACallerBug() async {
        await #expect(processExitsWith: .failure) {
            let reactor = Reactor()
            reactor.start()
            Resident(on: reactor).noteAssumingIsolation(1)
        }
    }

    @Test func registeringFromAnotherThreadIsACallerBug() async {
        await #expect(processExitsWith: .failure) {
            let reactor = Reactor()
            reactor.start()
            _ = reactor.schedule(at: .now) {}
        }
    }

    @Test func jobsFromOneThreadKeepTheirOrder() async {
        let reactor = Reactor()
        reactor.start()
        let seen = Mutex<[Int]>([])
        for value in 0..<10_000 { reactor.perform { seen.withLock { $0.append(value) } } }
        await reactor.run {}
        #expect(seen.withLock { $0 } == Array(0..<10_000))
        reactor.stop()
    }

    @Test func jobsFromManyThreadsAllRun() async {
        let reactor = Reactor()
        reactor.start()
        let resident = Resident(on: reactor)
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<8 {
                group.addTask { for step in 0..<500 { _ = await resident.note(lane * 500 + step) } }
            }
        }
        #expect(await resident.order.sorted() == Array(0..<4000))
        reactor.stop()
    }

    @Test func enqueuingFromTheReactorNeverRunsInline() async {
        let reactor = Reactor()
        reactor.start()
        let seen = Mutex<[String]>([])
        await reactor.run {
            reactor.perform { seen.withLock { $0.append("inner") } }
            seen.withLock { $0.append("outer") }
        }
        await reactor.run {}
        #expect(seen.withLock { $0 } == ["outer", "inner"])
        reactor.stop()
    }

    @Test func anEndlessChainOfJobsDoesNotStarveDescriptorsOrTimers() async throws {
        let reactor = Reactor()
        reactor.start()
        let hasFired = Atomic(false)
        let hasRead = Atomic(false)
        @Sendable func spin() {
            if !hasFired.load(ordering: .relaxed) || !hasRead.load(ordering: .relaxed) { reactor.perform { spin() } }
        }
        let descriptor = clinux_eventfd_create()
        await reactor.run {
            spin()
            _ = reactor.schedule(at: .now + .milliseconds(5)) {
                hasFired.store(true, ordering: .relaxed)
                clinux_eventfd_signal(descriptor)
            }
            _ = try? reactor.register(descriptor, .read) { _ in
                clinux_eventfd_clear(descriptor)
                hasRead.store(true, ordering: .relaxed)
            }
        }
        while !hasRead.load(ordering: .relaxed) { await Task.yield() }
        reactor.stop()
    }

    @Test func jobsEnqueuedAfterStopStillRunAndAloneAtATime() async {
        let reactor = Reactor()
        reactor.start()
        let resident = Resident(on: reactor)
        reactor.stop()
        await withTaskGroup(of: Bool.self) { group in
            for value in 0..<200 { group.addTask { await resident.note(value) } }
            for await wasOnReactor in group { #expect(wasOnReactor) }
        }
        #expect(await resident.order.sorted() == Array(0..<200))
    }

    @Test func jobsOfAReactorThatNeverStartedRunWhenItIsStopped() async {
        let reactor = Reactor()
        async let value = reactor.run { 5 }
        reactor.stop()
        #expect(await value == 5)
    }

    @Test func aThreadCanBecomeTheReactorUntilItStops() async {
        let reactor = Reactor()
        let order = Mutex<[String]>([])
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            reactor.perform {
                order.withLock { $0.append(reactor.isCurrent ? "on it" : "elsewhere") }
                reactor.stop()
                reactor.perform { order.withLock { $0.append("after stop") } }
            }
            // The pool's thread is lent for the moment that this takes.
            reactor.runOnCurrentThread()
            order.withLock { $0.append("returned") }
            continuation.resume()
        }
        #expect(order.withLock { $0 } == ["on it", "after stop", "returned"])
    }

    @Test func theOwnThreadBlocksAllSignalsAndTheCallersKeepsItsMask() async {
        @Sendable func isBlocked(_ signal: CInt) -> Bool {
            var mask = sigset_t()
            unsafe pthread_sigmask(SIG_SETMASK, nil, &mask)
            return unsafe sigismember(&mask, signal) == 1
        }
        let before = isBlocked(SIGTERM)
        let reactor = Reactor()
        reactor.start()
        let inside = await reactor.run { [SIGTERM, SIGINT, SIGCHLD, SIGPIPE, SIGHUP].map { isBlocked($0) } }
        #expect(inside == [true, true, true, true, true])
        #expect(isBlocked(SIGTERM) == before)
        reactor.stop()
    }

    @Test func theSharedReactorRunsWithoutBeingStarted() async {
        #expect(await Reactor.shared.run { Reactor.shared.isCurrent })
    }
}
