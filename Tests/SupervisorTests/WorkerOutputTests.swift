// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Synchronization
import Testing

@testable import Supervisor

/// Lines that a callback got.
final class LineLog: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

@Suite(.timeLimit(.minutes(2))) struct WorkerOutputTests {
    @Test func everyLineArrivesBeforeTheEndIsTold() async throws {
        let log = LineLog()
        let worker = try await worker("for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf 'no newline'") {
            $0.standardError = { log.add($0) }
        }
        let exit = await worker.waitForExit()
        #expect(log.all == ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3", "no newline"])
        #expect(exit.lastWords == "no newline")
    }

    @Test func aFloodLosesNothingAndOnlyItsTailIsKept() async throws {
        let count = Mutex((lines: 0, bytes: 0))
        let worker = try await worker("seq 1 200000 >&2; echo last words >&2; exit 4") {
            $0.standardError = { line in count.withLock { $0 = ($0.lines + 1, $0.bytes + line.utf8.count + 1) } }
        }
        let exit = await worker.waitForExit()
        #expect(exit.reason == .exited(code: 4))
        #expect(count.withLock { $0.lines } == 200_001)
        #expect(exit.standardErrorBytes == UInt64(count.withLock { $0.bytes }))
        #expect(exit.standardErrorTail.count == 64 * 1024)
        #expect(exit.lastWords == "last words")
    }

    @Test func anEndlessFloodStarvesNeitherTheHandshakeNorTheStop() async throws {
        let worker = try await worker("yes >&2 & \(goodWorker)") { $0.heartbeat = .seconds(20) }
        try await worker.ready()
        await worker.stop()
        let exit = await worker.waitForExit()
        #expect(exit.reason == .exited(code: 0))
    }

    @Test func aCallbackThatBlocksHoldsTheWorkerBackInsteadOfFillingMemory() async throws {
        let (log, gate) = (LineLog(), Gate())
        let worker = try await worker("yes 0123456789 & sleep 1; kill $!; wait; echo READY >&3; read line <&3") {
            $0.standardError = { line in
                log.add(line)
                gate.waitUntilOpen()
            }
        }
        try await worker.ready()
        // A pipe, a turn or a few, and the first line: far less than `yes` writes in a second.
        let waiting = await worker.relayedBytes
        #expect(waiting > 0 && waiting <= WorkerProcess.relayLimit + 2 * OutputCapture.turnLimit)
        #expect(log.all.count == 1)
        gate.open()
        await worker.stop()
        let exit = await worker.waitForExit()
        #expect(exit.standardErrorBytes / 11 >= UInt64(log.all.count) - 1)
        #expect(exit.notes == [])
    }

    @Test func aWorkerThatClosesItsOutputIsStillWatched() async throws {
        let worker = try await worker("exec >&- 2>&-; \(goodWorker)")
        try await worker.ready()
        await worker.stop()
        #expect(await worker.waitForExit().reason == .exited(code: 0))
    }
}

/// A door that is shut at first.
final class Gate: Sendable {
    private let isOpen = Atomic(false)
    func open() { isOpen.store(true, ordering: .releasing) }
    func waitUntilOpen() { while !isOpen.load(ordering: .acquiring) { usleep(1000) } }
}

@Suite(.timeLimit(.minutes(2))) struct WorkerMemoryTests {
    /// Allocates in steps, and waits between them so that it can be seen.
    private func grower(mebibytes: Int, pause: Double) -> String {
        """
        exec python3 -c 'import time
        kept = []
        for step in range(\(mebibytes) // 4):
            kept.append(bytearray(4 << 20))
            time.sleep(\(pause))
        time.sleep(1000)'
        """
    }

    @Test func aWorkerThatGrowsSlowlyIsKilledWithTheFigure() async throws {
        let limit: UInt64 = 60 << 20
        let worker = try await worker(grower(mebibytes: 100, pause: 0.05)) { $0.memoryLimit = limit }
        #expect(worker.memoryEnforcement == .resourceLimit)
        let exit = await worker.waitForExit()
        guard case .outOfMemory(.residentSize(let size, limit)) = exit.reason else {
            Issue.record("\(exit)")
            return
        }
        #expect(size > limit)
        #expect((exit.peakRSS ?? 0) >= size)
        #expect(exit.signalsSent == [Int(SIGKILL)])
    }

    @Test func aWorkerThatGrowsAtOnceFailsToAllocateAndThatIsRecognised() async throws {
        let worker = try await worker("exec python3 -c 'bytearray(1 << 30)'") { $0.memoryLimit = 64 << 20 }
        let exit = await worker.waitForExit()
        #expect(exit.status == .exited(code: 1))
        #expect(exit.reason == .outOfMemory(.ownWords("MemoryError", limit: 64 << 20)))
    }

    @Test func aSilentAbortNearTheLimitIsRecognisedByItsPeak() async throws {
        let script = """
            ulimit -c 0; exec python3 -c 'import os
            kept = []
            try:
                while True: kept.append(bytearray(1 << 20))
            except MemoryError: os.abort()'
            """
        let worker = try await worker(script) { $0.memoryLimit = 600 << 20 }
        let exit = await worker.waitForExit()
        // Whichever comes first: the failed allocation, or the look that we take.
        guard case .outOfMemory = exit.reason else {
            Issue.record("\(exit)")
            return
        }
    }

    @Test func anOrdinaryFailureUnderALimitStaysOne() async throws {
        let worker = try await worker("exit 9") { $0.memoryLimit = 64 << 20 }
        #expect(await worker.waitForExit().reason == .exited(code: 9))
    }

    @Test func theDelegatedGroupIsFoundBesideOrAroundOurs() {
        let scratch = Scratch()
        let mounts = """
            25 1 0:20 / /proc rw shared:1 - proc proc rw
            30 25 0:27 / \(scratch.path) rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
            """
        #expect(MemoryGroup.delegatedBase(mounts: mounts, membership: "0::/\n") == nil)
        _ = scratch.file("cgroup.subtree_control", "cpu memory pids\n")
        #expect(MemoryGroup.delegatedBase(mounts: mounts, membership: "4:cpu:/\n0::/\n") == scratch.path)
        unsafe mkdir(scratch.path + "/service", 0o755)
        #expect(MemoryGroup.delegatedBase(mounts: mounts, membership: "0::/service\n") == scratch.path)
        #expect(MemoryGroup.delegatedBase(mounts: mounts, membership: "0::/service/deeper\n") == nil)
        #expect(MemoryGroup.delegatedBase(mounts: mounts, membership: "4:memory:/\n") == nil)
        #expect(MemoryGroup.delegatedBase(mounts: "25 1 0:20 / /proc rw - proc proc rw", membership: "0::/\n") == nil)
        _ = scratch.file("cgroup.subtree_control", "cpu pids\n")
        #expect(MemoryGroup.delegatedBase(mounts: mounts, membership: "0::/\n") == nil)
    }

    @Test func killsAndPeakAreReadFromTheGroupsFiles() {
        let scratch = Scratch()
        let group = MemoryGroup(path: scratch.path)
        #expect(group.kills == 0 && group.peak == nil)
        _ = scratch.file("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n")
        _ = scratch.file("memory.peak", "123456\n")
        #expect(group.kills == 3 && group.peak == 123_456)
    }

    @Test func aGroupThatCannotBeMadeLeavesTheOtherMeans() async throws {
        let worker = try await worker("exit 0", memoryBase: "/no/such/group") { $0.memoryLimit = 64 << 20 }
        #expect(worker.memoryEnforcement == .resourceLimit)
        #expect(await worker.waitForExit().reason == .exited(code: 0))
    }
}
