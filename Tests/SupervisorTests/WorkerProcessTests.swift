// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Synchronization
import Testing

@testable import Supervisor

@Suite(.timeLimit(.minutes(2))) struct WorkerExitTests {
    @Test func aGoodWorkerGetsReadyAndEndsWhenAsked() async throws {
        let worker = try await worker(goodWorker)
        try await worker.ready()
        await worker.stop()
        let exit = await worker.waitForExit()
        #expect(exit.reason == .exited(code: 0))
        #expect(exit.status == .exited(code: 0))
        #expect(exit.signalsSent == [])
        #expect(exit.worker == "sh")
        #expect((exit.peakRSS ?? 0) > 100_000)
        #expect(exit.cpuTime != nil && exit.duration > .zero)
        #expect(await worker.waitForExit() == exit)
        #expect(!isChildOfOurs(Int32(worker.pid)))
    }

    @Test(arguments: [0, 1, 3, 78, 137, 255]) func anExitBeforeTheHandshakeIsToldAsItIs(code: Int) async throws {
        let worker = try await worker("echo 'cannot go on' >&2; exit \(code)")
        let error = await #expect(throws: WorkerExit.self) { try await worker.ready() }
        #expect(error?.reason == .exited(code: code))
        #expect(error?.phase == .starting)
        #expect(error?.lastWords == "cannot go on")
    }

    @Test(arguments: [(SIGSEGV, "SIGSEGV"), (SIGKILL, "SIGKILL"), (SIGABRT, "SIGABRT"), (SIGTERM, "SIGTERM")])
    func aSignalFromElsewhereIsToldAsItIs(signal: CInt, name: String) async throws {
        let worker = try await worker("echo READY >&3; ulimit -c 0; kill -\(signal) $$; sleep 1000")
        let exit = await worker.waitForExit()
        guard case .signalled(Int(signal), _) = exit.reason else {
            Issue.record("\(exit)")
            return
        }
        #expect(exit.description.contains("was ended by \(name)"))
        #expect(exit.signalsSent == [])
    }

    @Test func aWorkerThatIsNeverReadyIsTimedOut() async throws {
        let worker = try await worker("exec sleep 1000") { $0.startTimeout = .milliseconds(100) }
        let error = await #expect(throws: WorkerExit.self) { try await worker.ready() }
        #expect(error?.reason == .timedOut(.start))
        #expect(error?.signalsSent == [Int(SIGTERM)])
    }

    @Test func aStoppedWorkerIsStalledAndStillEndsPolitely() async throws {
        let worker = try await worker("echo READY >&3; kill -STOP $$; sleep 1000") {
            $0.heartbeat = .milliseconds(200)
        }
        let exit = await worker.waitForExit()
        #expect(exit.reason == .stalled(.heartbeat))
        #expect(exit.status == .signalled(signal: 15, dumpedCore: false))
    }

    @Test func aWorkerThatAnswersPingsIsNotStalled() async throws {
        let worker = try await worker(goodWorker) { $0.heartbeat = .seconds(3) }
        try await worker.ready()
        let link = try #require(worker.link as? FakeLink)
        while await link.pongs < 3 { try await Task.sleep(for: .milliseconds(20)) }
        await worker.stop()
        #expect(await worker.waitForExit().reason == .exited(code: 0))
    }

    @Test func aWorkerThatIgnoresSigtermIsKilledWithAllItStarted() async throws {
        let worker = try await worker(
            "trap '' TERM; sleep 1000 & echo $! >&3; echo READY >&3; while :; do wait; sleep 1; done"
        ) { $0.grace = .milliseconds(200) }
        try await worker.ready()
        let lines = await (worker.link as? FakeLink)?.lines ?? []
        let grandchild = try #require(lines.first.flatMap { Int32($0) })
        #expect(isRunning(grandchild))
        await worker.stop(.cancelled(by: "a test"))
        let exit = await worker.waitForExit()
        #expect(exit.reason == .cancelled(by: "a test"))
        #expect(exit.signalsSent.prefix(2) == [Int(SIGTERM), Int(SIGKILL)])
        #expect(exit.phase == .stopping)
        while isRunning(grandchild) { await Task.yield() }
    }

    @Test func grandchildrenThatHoldTheDescriptorsDoNotHideTheEnd() async throws {
        // One in the worker's group, one in a group of its own, in the same session.
        let script = """
            echo READY >&3; sleep 1000 & echo $! >&3
            python3 -c 'import os,time
            os.setpgid(0, 0)
            os.write(3, b"%d\\n" % os.getpid())
            time.sleep(1000)' &
            read line <&3; exit 5
            """
        let worker = try await worker(script)
        try await worker.ready()
        let link = try #require(worker.link as? FakeLink)
        while await link.lines.count < 2 { await Task.yield() }
        await link.drain()
        let exit = await worker.waitForExit()
        #expect(exit.reason == .exited(code: 5))
        #expect(exit.straysKilled >= 1)
        for pid in await link.lines.compactMap({ Int32($0) }) { while isRunning(pid) { await Task.yield() } }
    }

    @Test func aWorkerThatWritesGarbageBreaksTheProtocol() async throws {
        let worker = try await worker("echo GARBAGE >&3; exec sleep 1000")
        #expect(await worker.waitForExit().reason == .protocolViolation("garbage"))
    }

    @Test func garbageThatIsReadOnlyAfterTheEndStillExplainsIt() async throws {
        let worker = try await worker("echo GARBAGE >&3")
        #expect(await worker.waitForExit().reason == .protocolViolation("garbage"))
    }

    @Test func aRejectedWorkerMayEndByItself() async throws {
        let worker = try await worker("echo OLD >&3; exit 78")
        let exit = await worker.waitForExit()
        #expect(exit.reason == .handshakeFailed("version 0"))
        #expect(exit.status == .exited(code: 78))
    }

    @Test(arguments: [false, true]) func aWorkerThatClosesItsSocketButLivesIsEnded(isReady: Bool) async throws {
        let worker = try await worker("\(isReady ? "echo READY >&3; sleep 0.5;" : "") exec 3>&-; exec sleep 1000") {
            $0.grace = .milliseconds(200)
        }
        let exit = await worker.waitForExit()
        let expected: ExitReason =
            isReady
            ? .protocolViolation("it closed its connection, but did not exit")
            : .handshakeFailed("it closed its connection before it was ready, but did not exit")
        #expect(exit.reason == expected)
        #expect(exit.signalsSent == [Int(SIGTERM)])
    }

    @Test func aStatusThatTheHostTookIsUnknownAndSaysWhy() async {
        await #expect(processExitsWith: .exitCode(42)) {
            let worker = try await worker("echo READY >&3; read line <&3; exit 3")
            try await worker.ready()
            // From now on the kernel throws statuses away.
            signal(SIGCHLD, SIG_IGN)
            await worker.stop()
            let exit = await worker.waitForExit()
            guard case .unknown(let why) = exit.reason, why.contains("waitid: No child processes") else {
                Glibc.exit(1)
            }
            Glibc.exit(42)
        }
    }

    @Test func killingIsImmediate() async throws {
        let worker = try await worker(goodWorker) { $0.grace = .seconds(1000) }
        try await worker.ready()
        await worker.stop(.parentShutdown)
        await worker.kill(.cancelled(by: "nobody"))
        let exit = await worker.waitForExit()
        #expect(exit.reason == .parentShutdown)
    }

    @Test func aThousandWorkersAreEachExplainedAndLeaveNothing() async throws {
        let before = openDescriptors().count
        try await withThrowingTaskGroup(of: (Int, WorkerExit).self) { group in
            for number in 0..<1000 {
                if number >= 20 { _ = try await group.next().map { #expect($0.1.reason == .exited(code: $0.0 % 100)) } }
                group.addTask {
                    let exit = try await worker("exit \(number % 100)").waitForExit()
                    #expect(!isChildOfOurs(Int32(exit.pid)))
                    return (number, exit)
                }
            }
            for try await (number, exit) in group { #expect(exit.reason == .exited(code: number % 100)) }
        }
        #expect(openDescriptors().count < before + 100)
    }
}
