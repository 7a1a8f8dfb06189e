// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Supervisor
import Synchronization

/// Measures IPCFrame: one workload a run, one line of JSON on standard output.
///
///     ipc-bench WORKLOAD [KEY=VALUE ...]
///
/// Workloads: `W1` (n, warm, detail=yes for further percentiles), `W2` (rounds, warm, repeat, data), `W3` (total, msg),
/// `W4` (rounds, warm, data), `W5` (spawns, ballast in MiB), `calls` (n, msg), `ping-under-load` (total, data), these
/// with the settings of ``Variant``; over a pool: `pool-dispatch` (n), `pool-scaling` (n, us), `pool-fairness` (n),
/// `pool-many` (workers, idle), these with `heartbeat=none`. Unknown keys are ignored. Its worker is itself.
@main
struct IPCBench {
    static func main() {
        let arguments = CommandLine.arguments
        if arguments.count == 2, arguments[1] == BenchWorker.argument { BenchWorker.run() }
        if arguments.count == 2, arguments[1] == BenchWorker.reactorArgument { BenchWorker.run(.onReactor) }
        if arguments.count == 2, arguments[1] == BenchWorker.blockingArgument { BenchWorker.runBlocking() }
        guard arguments.count >= 2, !arguments[1].hasPrefix("-") else {
            print("usage: ipc-bench WORKLOAD [KEY=VALUE ...]; see IPCBench.swift")
            exit(64)
        }
        let settings = Settings(arguments.dropFirst(2))
        let reactor = Reactor(name: "ipc-bench")
        // A pool is called from anywhere, as a server does.
        let isOnReactor = Workload(rawValue: arguments[1])?.isOverPool != true && settings["executor"] != "default"
        Task(executorPreference: isOnReactor ? reactor : nil) {
            var status: CInt = 0
            do {
                print(try await measure(arguments[1], settings, on: reactor))
            } catch let skipped as Skip {
                print("{\"ok\":false,\"skip\":true,\"error\":\"\(JSONText.escaped(skipped.description))\"}")
            } catch {
                print("{\"ok\":false,\"error\":\"\(JSONText.escaped("\(error)"))\"}")
                status = 1
            }
            exit(status)
        }
        reactor.runOnCurrentThread()
    }

    private static func measure(_ name: String, _ settings: Settings, on reactor: Reactor) async throws -> String {
        guard let workload = Workload(rawValue: name) else { throw Skip("there is no workload '\(name)' here") }
        let variant = try Variant(settings)
        var configuration = WorkerConfiguration(executable: ownPath, arguments: [BenchWorker.argument])
        if workload.isOverPool {
            if settings["heartbeat"] == "none" { configuration.heartbeat = nil }
            return line(name, try await PoolBench(worker: configuration, settings: settings).measure(workload), nil)
        }
        if variant.isBlocking {
            let bench = try BlockingBench(executable: ownPath, settings: settings, options: variant.options)
            let metrics = try bench.measure(workload)
            return line(name, metrics, try bench.stop())
        }
        if variant.handlers == .onReactor { configuration.arguments = [BenchWorker.reactorArgument] }
        if variant.hasBlockingWorker { configuration.arguments = [BenchWorker.blockingArgument] }
        configuration.heartbeat = nil
        if workload == .spawns {
            let bench = SpawnBench(worker: configuration, settings: settings, options: variant.options)
            let (metrics, childPeak) = try await bench.measure(on: reactor)
            return line(name, metrics, childPeak)
        }
        let worker = try await WorkerProcess.spawn(configuration, on: reactor)
        try await worker.ready()
        let bench = Bench(worker: worker, settings: settings, variant: variant)
        let metrics = try await bench.measure(workload)
        await worker.stop()
        return line(name, metrics, await worker.waitForExit().peakRSS)
    }

    private static func line(_ name: String, _ metrics: Bench.Metrics, _ childPeak: UInt64?) -> String {
        let own = Double(Memory.peak) / 1_048_576
        let childs = Double(childPeak ?? 0) / 1_048_576
        return "{\"ok\":true,\"workload\":\"\(name)\",\"metrics\":{"
            + metrics.map { "\"\($0.0)\":\(JSONText.number($0.1))" }.joined(separator: ",")
            + "},\"rss_parent_mib\":\(JSONText.number(own)),\"rss_child_mib\":\(JSONText.number(childs))}"
    }

    private static var ownPath: String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        // readlink writes no more than the array holds.
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        return String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// What can be measured.
enum Workload: String {
    case roundTrips = "W1"
    case largeRoundTrips = "W2"
    case stream = "W3"
    case objects = "W4"
    case spawns = "W5"
    case calls
    case pingUnderLoad = "ping-under-load"
    case poolDispatch = "pool-dispatch"
    case poolScaling = "pool-scaling"
    case poolFairness = "pool-fairness"
    case poolMany = "pool-many"

    /// Whether it is measured through a pool.
    var isOverPool: Bool {
        switch self {
        case .poolDispatch, .poolScaling, .poolFairness, .poolMany: true
        case .roundTrips, .largeRoundTrips, .stream, .objects, .spawns, .calls, .pingUnderLoad: false
        }
    }
}
