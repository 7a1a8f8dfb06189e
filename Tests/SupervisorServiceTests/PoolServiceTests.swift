// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Logging
import ServiceLifecycle
import Supervisor
import SupervisorService
import Testing

@Suite("A pool is a service", .timeLimit(.minutes(2)))
struct PoolServiceTests {
    /// A pool in a group, with as many calls on their way as it has workers.
    private struct Busy {
        let pool = WorkerPool(PoolServiceTests.configuration)
        let group: ServiceGroup
        let running: Task<Void, any Error>
        let calls: [Task<[UInt8], any Error>]

        init() async {
            let pool = pool
            let group = ServiceGroup(
                services: [pool],
                gracefulShutdownSignals: [],
                cancellationSignals: [],
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
            self.group = group
            running = Task { try await group.run() }
            calls = (0..<4).map { _ in
                Task { try await pool.call("nap", arguments: [Argument("milliseconds", "100")]).bytes }
            }
            while await pool.statistics.waitingCalls + pool.statistics.runningCalls < 4 { await Task.yield() }
        }
    }

    static var configuration: PoolConfiguration {
        var configuration = PoolConfiguration(worker: WorkerConfiguration(executable: worker))
        configuration.policy.minimumWorkers = 1
        configuration.policy.maximumWorkers = 2
        configuration.policy.restart.first = .milliseconds(1)
        configuration.worker.grace = .milliseconds(200)
        return configuration
    }

    /// Lies beside the program of the tests.
    static let worker =
        CommandLine.arguments[0].split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/pool-worker"

    @Test("It starts its minimum, and graceful shutdown lets it do what it has")
    func gracefulShutdown() async throws {
        let busy = await Busy()
        await busy.group.triggerGracefulShutdown()
        try await busy.running.value
        for call in busy.calls { #expect(try await call.value == Array("awake".utf8)) }
        await #expect(throws: PoolError.stopped) { try await busy.pool.call("pid") }
    }

    @Test("Cancellation stops it, with what runs and what waits")
    func cancellation() async throws {
        let busy = await Busy()
        busy.running.cancel()
        _ = await busy.running.result
        for call in busy.calls { await #expect(throws: PoolError.stopped) { try await call.value } }
        #expect(await busy.pool.statistics.busyWorkers == 0)
        await #expect(throws: PoolError.stopped) { try await busy.pool.call("pid") }
    }

    @Test("Without a group it runs until it is drained")
    func alone() async throws {
        let pool = WorkerPool(Self.configuration)
        let run = Task { await pool.run() }
        #expect(try await pool.call("echo", body: .bytes([1])).bytes == [1])
        await pool.drain()
        await run.value
    }
}
