// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Supervisor

/// The workloads over a pool; each measures what it is compared with in the same run.
struct PoolBench: Sendable {
    typealias Metrics = [(String, Double)]

    let worker: WorkerConfiguration
    let settings: Settings

    func measure(_ workload: Workload) async throws -> Metrics {
        switch workload {
        case .poolDispatch: try await dispatch()
        case .poolScaling: try await scaling()
        case .poolFairness: try await fairness()
        case .poolMany: try await many()
        default: []
        }
    }

    private static let message = [UInt8](repeating: 0x61, count: 64)

    private func pool(_ workers: Int, minimum: Int = 0) -> WorkerPool {
        var configuration = PoolConfiguration(worker: worker)
        configuration.policy.maximumWorkers = workers
        configuration.policy.minimumWorkers = minimum
        configuration.policy.queueLimit = 100_000
        return WorkerPool(configuration)
    }

    private var options: PoolCallOptions {
        var options = PoolCallOptions()
        options.codec = .none
        options.digest = .none
        return options
    }

    /// 64 bytes there and back: through a pool, and on a connection; in turns of 100, from the default executor.
    private func dispatch() async throws -> Metrics {
        let process = try await WorkerProcess.spawn(worker)
        try await process.ready()
        let pool = pool(1, minimum: 1)
        var direct: [Double] = []
        var pooled: [Double] = []
        var callOptions = CallOptions()
        callOptions.codec = .none
        callOptions.digest = .none
        let turns = settings.number("n", 20_000) / 100
        for turn in -10..<turns {
            for _ in 0..<100 {
                let began = ContinuousClock.now
                let call = try await process.connection.call("echo", body: .bytes(Self.message), options: callOptions)
                let answer = try await call.response().body.collect(upTo: .max)
                let took = ContinuousClock.now - began
                guard answer == Self.message else { throw BenchError("the echo differs") }
                if turn >= 0 { direct.append(took.microseconds) }
            }
            for _ in 0..<100 {
                let began = ContinuousClock.now
                let answer = try await pool.call("echo", body: .bytes(Self.message), options: options)
                let took = ContinuousClock.now - began
                guard answer.bytes == Self.message else { throw BenchError("the echo differs") }
                if turn >= 0 { pooled.append(took.microseconds) }
            }
        }
        await process.stop()
        _ = await process.waitForExit()
        await pool.drain()
        return [
            ("direct_p50_us", direct.quantile(0.5)), ("pool_p50_us", pooled.quantile(0.5)),
            ("direct_p99_us", direct.quantile(0.99)), ("pool_p99_us", pooled.quantile(0.99)),
            ("ratio", pooled.quantile(0.5) / direct.quantile(0.5)),
        ]
    }

    /// Calls that take `us` of a processor: one worker, and two.
    private func scaling() async throws -> Metrics {
        let calls = settings.number("n", 500)
        let length = settings.number("us", 10_000)
        var rates: [Double] = []
        for workers in [1, 2] {
            let pool = pool(workers, minimum: workers)
            for _ in 0..<20 { _ = try await spin(pool, 1_000) }
            let began = ContinuousClock.now
            try await withThrowingTaskGroup { group in
                for _ in 0..<calls { group.addTask { _ = try await spin(pool, length) } }
                try await group.waitForAll()
            }
            rates.append(Double(calls) / (ContinuousClock.now - began).microseconds * 1e6)
            await pool.drain()
        }
        return [("one_per_s", rates[0]), ("two_per_s", rates[1]), ("ratio", rates[1] / rates[0])]
    }

    /// One lane with hundreds of calls of 2 ms in the queue, and one that makes a call at a time.
    private func fairness() async throws -> Metrics {
        let pool = pool(2, minimum: 2)
        var flood = options
        flood.lane = "flood"
        var quiet = options
        quiet.lane = "quiet"
        let count = settings.number("n", 2_000)
        let flooding = Task { [flood] in
            var times: [Double] = []
            try await withThrowingTaskGroup(of: Double.self) { group in
                for _ in 0..<count { group.addTask { try await spin(pool, 2_000, flood) } }
                for try await time in group { times.append(time) }
            }
            return times
        }
        try await Task.sleep(for: .milliseconds(50))
        var times: [Double] = []
        for _ in 0..<count / 20 {
            times.append(try await spin(pool, 2_000, quiet))
            try await Task.sleep(for: .milliseconds(5))
        }
        let floodTimes = try await flooding.value
        await pool.drain()
        return [
            ("quiet_p50_ms", times.quantile(0.5) / 1_000), ("quiet_p99_ms", times.quantile(0.99) / 1_000),
            ("flood_p50_ms", floodTimes.quantile(0.5) / 1_000), ("flood_p99_ms", floodTimes.quantile(0.99) / 1_000),
        ]
    }

    private func spin(_ pool: WorkerPool, _ microseconds: Int, _ options: PoolCallOptions? = nil) async throws -> Double
    {
        let began = ContinuousClock.now
        let arguments = [Argument("us", "\(microseconds)")]
        _ = try await pool.call("spin", arguments: arguments, options: options ?? self.options)
        return (ContinuousClock.now - began).microseconds
    }

    /// Many workers at once: their start, what they cost while they idle, and their stop.
    private func many() async throws -> Metrics {
        let count = settings.number("workers", 1_000)
        let base = Memory.proportional
        let pool = pool(count, minimum: count)
        var began = ContinuousClock.now
        await pool.start()
        while await pool.statistics.idleWorkers < count {
            guard ContinuousClock.now - began < .seconds(120) else { throw BenchError("they do not start") }
            try await Task.sleep(for: .milliseconds(20))
        }
        let start = (ContinuousClock.now - began).microseconds / 1e6
        // One call each, so that every connection has worked.
        try await withThrowingTaskGroup { group in
            for _ in 0..<count { group.addTask { _ = try await pool.call("echo", body: .bytes(Self.message)) } }
            try await group.waitForAll()
        }
        try await Task.sleep(for: .seconds(1))
        let used = Memory.proportional - base
        let before = Memory.processorSeconds()
        let seconds = settings.number("idle", 60)
        try await Task.sleep(for: .seconds(seconds))
        let processor = Memory.processorSeconds() - before
        began = ContinuousClock.now
        await pool.stop()
        let stop = (ContinuousClock.now - began).microseconds / 1e6
        return [
            ("workers", Double(count)), ("start_s", start),
            ("parent_pss_kib_a_worker", Double(used) / 1_024 / Double(count)),
            ("idle_s", Double(seconds)), ("idle_parent_cpu_ms", processor * 1_000), ("stop_s", stop),
        ]
    }
}
