// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import IPCFrame
import MetricsTestKit
import Supervisor
import SupervisorService
import Testing

@Suite("A pool tells its figures", .timeLimit(.minutes(2)))
struct PoolMetricsTests {
    /// There is one for the whole process.
    private static let metrics: TestMetrics = {
        let metrics = TestMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }()

    @Test("What calls and workers did is counted, by how they ended")
    func figures() async throws {
        let metrics = Self.metrics
        let name = [("pool", "figures")]
        let poolMetrics = PoolMetrics(label: "test", dimensions: name)
        var configuration = PoolServiceTests.configuration
        configuration.policy.maximumWorkers = 1
        configuration.policy.breaker = nil
        configuration.policy.quarantineAfter = 1
        configuration.observer = poolMetrics.record
        let pool = WorkerPool(configuration)

        for _ in 0..<3 { _ = try await pool.call("echo", body: .bytes([UInt8](repeating: 7, count: 100))) }
        var options = PoolCallOptions()
        options.retry = RetryPolicy(retries: 2)
        options.retry.first = .milliseconds(1)
        await #expect(throws: CallError.self) { try await pool.call("retry", options: options) }
        await #expect(throws: PoolError.self) { try await pool.call("exit", arguments: [Argument("code", "3")]) }
        await pool.drain()

        func count(_ label: String, _ more: [(String, String)] = []) -> Int64 {
            metrics.counterTotal(label: "test_" + label, dimensions: name + more)
        }
        #expect(count("bytes_sent") == 300)
        #expect(count("bytes_received") == 300)
        #expect(count("retries") == 2)
        #expect(count("quarantined") == 1)
        #expect(count("queue_full") == 0)
        #expect(count("breaker_opened") == 0)
        // The one that the call ended, and the one that took its place and left in order.
        #expect((1...2).contains(count("worker_ends", [("reason", "exited")])))

        for timer in ["call_duration_seconds", "call_wait_seconds"] {
            for (end, calls) in [("succeeded", 3), ("failed", 1), ("quarantined", 1)] {
                let times = try metrics.expectTimer("test_" + timer, name + [("end", end)])
                #expect(times.values.count == calls, "\(timer) \(end)")
                #expect(times.values.allSatisfy { $0 >= 0 })
            }
        }
        func gauge(_ label: String, _ more: [(String, String)] = []) throws -> TestRecorder {
            try metrics.expectGauge("test_" + label, name + more)
        }
        #expect(try gauge("running_calls").values.max() == 1)
        #expect(try gauge("running_calls").lastValue == 0)
        #expect(try gauge("waiting_calls").lastValue == 0)
        for state in ["starting", "idle", "busy", "leaving"] {
            let workers = try gauge("workers", [("state", state)])
            #expect(workers.values.max() == 1, "\(state)")
            #expect(workers.lastValue == 0, "\(state)")
        }
    }

    @Test("Calls that are turned away are counted")
    func full() async throws {
        let metrics = Self.metrics
        let name = [("pool", "full")]
        var configuration = PoolServiceTests.configuration
        configuration.policy.minimumWorkers = 0
        // Without a worker that is ready, and there is none, a call finds no place.
        configuration.policy.queueLimit = 0
        configuration.observer = PoolMetrics(label: "test", dimensions: name).record
        let pool = WorkerPool(configuration)
        for _ in 0..<2 { await #expect(throws: PoolError.queueFull) { try await pool.call("pid") } }
        await pool.stop()
        #expect(metrics.counterTotal(label: "test_queue_full", dimensions: name) == 2)
        let waits = try metrics.expectTimer("test_call_wait_seconds", name + [("end", "queueFull")])
        #expect(waits.values == [0, 0])
    }

    @Test("An open breaker is counted, and shown as long as it is open")
    func breaker() async throws {
        let metrics = Self.metrics
        let name = [("pool", "breaker")]
        var configuration = PoolServiceTests.configuration
        configuration.worker.arguments = ["/no/such/file"]
        configuration.policy.maximumWorkers = 1
        configuration.policy.breaker = BreakerPolicy()
        configuration.policy.breaker?.ends = 2
        configuration.observer = PoolMetrics(label: "test", dimensions: name).record
        let pool = WorkerPool(configuration)
        await #expect(throws: PoolError.self) { try await pool.call("pid") }
        await pool.stop()
        #expect(metrics.counterTotal(label: "test_breaker_opened", dimensions: name) == 1)
        #expect(metrics.counterTotal(label: "test_worker_ends", dimensions: name + [("reason", "exited")]) == 2)
        #expect(try metrics.expectGauge("test_breaker_open", name).lastValue == 1)
    }
}
