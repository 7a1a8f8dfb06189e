// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor
@testable import ipc_parent

@Suite("A pool of real workers grows, shrinks and ends", .timeLimit(.minutes(5)))
struct WorkerPoolLifeTests {
    @Test("A full queue says so at once")
    func full() async throws {
        try await withPool {
            $0.policy.maximumWorkers = 1
            $0.policy.queueLimit = 1
        } _: { (pool, record) async throws in
            let running = await pool.occupy()
            let waiting = Task { try await pool.pid() }
            await pool.whenWaiting(1)
            #expect(await poolError { try await pool.pid() } == .queueFull)
            #expect(record.events.contains(.queueFull(call: 3)))
            running.cancel()
            #expect(try await waiting.value == record.pids.map(String.init).first)
        }
    }

    @Test("A full queue lets callers wait, if it is to")
    func patient() async throws {
        try await withPool {
            $0.policy.maximumWorkers = 1
            $0.policy.queueLimit = 1
            $0.policy.whenFull = .wait
        } _: { (pool, record) async throws in
            let running = await pool.occupy()
            let calls = (0..<5).map { _ in Task { try await pool.pid() } }
            await pool.whenWaiting(5)
            running.cancel()
            for call in calls { #expect(try await call.value == record.pids.map(String.init).first) }
        }
    }

    @Test("A drain does what was taken, and takes no more")
    func drain() async throws {
        try await withPool { (pool, record) async throws in
            let calls = (0..<6).map { _ in
                Task { try await pool.call("nap", arguments: [Argument("milliseconds", "50")]).text }
            }
            while await pool.statistics.waitingCalls + pool.statistics.runningCalls < 6, record.callEnds.isEmpty {
                await Task.yield()
            }
            async let drained: Void = pool.drain()
            await record.wait { $0 == .draining }
            #expect(await poolError { try await pool.pid() } == .stopped)
            await drained
            for call in calls { #expect(try await call.value == "awake") }
            for end in await record.ends(2) { #expect(end.reason == .exited(code: 0)) }
        }
    }

    @Test("A stop ends what runs, what waits, and all workers")
    func stop() async throws {
        try await withPool {
            $0.worker.grace = .milliseconds(200)
        } _: { (pool, record) async throws in
            let deaf = Task { try await pool.call("hang") }
            await record.started()
            let running = await pool.occupy()
            let waiting = (0..<3).map { _ in Task { try await pool.pid() } }
            await pool.whenWaiting(3)
            await pool.stop()
            #expect(await poolError { try await deaf.value } == .stopped)
            #expect(await poolError { try await running.value } == .stopped)
            for call in waiting { #expect(await poolError { try await call.value } == .stopped) }
            for end in await record.ends(2) { #expect(end.reason == .parentShutdown) }
        }
    }

    @Test("A worker is replaced after so many calls")
    func recycledByCalls() async throws {
        try await withPool {
            $0.policy.maximumWorkers = 1
            $0.policy.recycling.calls = 3
            $0.policy.recycling.jitter = 0
        } _: { (pool, record) async throws in
            var pids: [String] = []
            for _ in 0..<9 { pids.append(try await pool.pid()) }
            #expect(Set(pids).count == 3)
            #expect(pids[0] == pids[2] && pids[3] == pids[5] && pids[6] == pids[8])
            for end in await record.ends(3) { #expect(end.reason == .recycled) }
            #expect(record.events.contains(.workerRecycled(worker: 3, .calls)))
        }
    }

    @Test("A worker is replaced when it is old")
    func recycledByAge() async throws {
        try await withPool {
            $0.policy.recycling.age = .milliseconds(100)
        } _: { (pool, record) async throws in
            let first = try await pool.pid()
            await record.wait { $0 == .workerRecycled(worker: 1, .age) }
            #expect(await record.ends().first?.reason == .recycled)
            #expect(try await pool.pid() != first)
        }
    }

    @Test("A worker is replaced when it has grown")
    func recycledBySize() async throws {
        try await withPool {
            $0.policy.recycling.residentSize = 100 << 20
        } _: { (pool, record) async throws in
            let first = try await pool.call("grow", arguments: [Argument("bytes", "\(128 << 20)")]).text
            #expect(await record.ends().first?.reason == .recycled)
            #expect(record.events.contains(.workerRecycled(worker: 1, .residentSize)))
            #expect(try await pool.pid() != first)
        }
    }

    @Test("Workers with nothing to do are let go, down to the minimum")
    func shrink() async throws {
        try await withPool {
            $0.policy.minimumWorkers = 1
            $0.policy.maximumWorkers = 3
            $0.policy.idleTimeout = .milliseconds(50)
        } _: { (pool, record) async throws in
            let calls = [await pool.occupy(), await pool.occupy(), await pool.occupy()]
            #expect(await pool.statistics.busyWorkers == 3)
            for call in calls { call.cancel() }
            for end in await record.ends(2) { #expect(end.reason == .exited(code: 0)) }
            let statistics = await pool.statistics
            #expect(statistics.idleWorkers == 1 && statistics.leavingWorkers == 0)
            _ = try await pool.pid()
            #expect(record.pids.count == 3)
        }
    }

    @Test("The minimum is there before anybody calls, and comes back")
    func minimum() async throws {
        try await withPool {
            $0.policy.minimumWorkers = 2
        } _: { (pool, record) async throws in
            await pool.start()
            await record.ready(2)
            #expect(await pool.statistics.idleWorkers == 2)
            _ = await poolError { try await pool.call("exit", arguments: [Argument("code", "1")]) }
            await record.ready(3)
            #expect(await pool.statistics.idleWorkers == 2)
        }
    }

    @Test("A standby is warm while another works")
    func standby() async throws {
        try await withPool {
            $0.policy.warmStandby = 1
        } _: { (pool, record) async throws in
            let call = await pool.occupy()
            await record.ready(2)
            let statistics = await pool.statistics
            #expect(statistics.busyWorkers == 1 && statistics.idleWorkers == 1)
            call.cancel()
            _ = await call.result
        }
    }

    @Test("Two thousand calls over two hundred workers leave nothing behind")
    func leaks() async {
        await #expect(processExitsWith: .success) {
            try await withPool {
                $0.policy.recycling.calls = 10
                $0.policy.recycling.jitter = 0
            } _: { (pool, record) async throws in
                func make(_ count: Int) async throws {
                    for number in 0..<count {
                        let body = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number * 97 % 100_000)
                        #expect(try await pool.call("echo", body: .bytes(body)).bytes == body)
                    }
                }
                try await make(500)
                _ = await record.ends(49)
                let before = FailureMatrixLeakTests.Holdings()
                try await make(2_000)
                _ = await record.ends(249)
                let after = FailureMatrixLeakTests.Holdings()
                // Two workers live, or are on their way in or out, at either time.
                #expect(abs(after.descriptors - before.descriptors) <= 8, "\(before) became \(after)")
                #expect(abs(after.children - before.children) <= 2, "\(before) became \(after)")
                #expect(after.residentSize < before.residentSize + (16 << 20), "\(before) became \(after)")
            }
        }
    }
}
