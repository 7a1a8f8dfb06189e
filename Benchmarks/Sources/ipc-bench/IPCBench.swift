// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Supervisor
import Synchronization

/// Measures IPCFrame: one workload a run, one line of JSON on standard output.
///
///     ipc-bench WORKLOAD [KEY=VALUE ...]
///
/// Workloads: `ping-under-load` (total, codec, data), `W1` (n, warm), `W2` (rounds, warm, repeat, data), `W3` (total,
/// msg), these with `codec=none|zlib` and `digest=none|crc32`; over a pool: `pool-dispatch` (n), `pool-scaling` (n, us),
/// `pool-fairness` (n), `pool-many` (workers, idle), these with `heartbeat=none`. Unknown keys are ignored. Its worker is
/// itself.
@main
struct IPCBench {
    static func main() {
        let arguments = CommandLine.arguments
        if arguments.count == 2, arguments[1] == BenchWorker.argument { BenchWorker.run() }
        guard arguments.count >= 2, !arguments[1].hasPrefix("-") else {
            print("usage: ipc-bench WORKLOAD [KEY=VALUE ...]; see IPCBench.swift")
            exit(64)
        }
        let settings = Settings(arguments.dropFirst(2))
        let reactor = Reactor(name: "ipc-bench")
        // A pool is called from anywhere, as a server does.
        let isOverPool = Workload(rawValue: arguments[1])?.isOverPool ?? false
        Task(executorPreference: isOverPool ? nil : reactor) {
            let line: String
            do {
                line = try await measure(arguments[1], settings, on: reactor)
            } catch {
                line = "{\"ok\":false,\"error\":\"\(JSONText.escaped("\(error)"))\"}"
            }
            print(line)
            exit(line.hasPrefix("{\"ok\":true") ? 0 : 1)
        }
        reactor.runOnCurrentThread()
    }

    private static func measure(_ name: String, _ settings: Settings, on reactor: Reactor) async throws -> String {
        guard let workload = Workload(rawValue: name) else {
            return "{\"ok\":false,\"skip\":true,\"error\":\"there is no workload '\(JSONText.escaped(name))' here\"}"
        }
        var configuration = WorkerConfiguration(executable: ownPath, arguments: [BenchWorker.argument])
        if workload.isOverPool {
            if settings["heartbeat"] == "none" { configuration.heartbeat = nil }
            let metrics = try await PoolBench(worker: configuration, settings: settings).measure(workload)
            return line(name, metrics, nil)
        }
        configuration.heartbeat = nil
        let worker = try await WorkerProcess.spawn(configuration, on: reactor)
        try await worker.ready()
        let bench = Bench(connection: worker.connection, settings: settings)
        let metrics = try await bench.measure(workload)
        await worker.stop()
        let exit = await worker.waitForExit()
        return line(name, [("codec_zlib", settings["codec"] == "zlib" ? 1 : 0)] + metrics, exit.peakRSS)
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
    case pingUnderLoad = "ping-under-load"
    case roundTrips = "W1"
    case largeRoundTrips = "W2"
    case stream = "W3"
    case poolDispatch = "pool-dispatch"
    case poolScaling = "pool-scaling"
    case poolFairness = "pool-fairness"
    case poolMany = "pool-many"

    /// Whether it starts its workers itself.
    var isOverPool: Bool {
        switch self {
        case .poolDispatch, .poolScaling, .poolFairness, .poolMany: true
        case .pingUnderLoad, .roundTrips, .largeRoundTrips, .stream: false
        }
    }
}

/// KEY=VALUE arguments.
struct Settings: Sendable {
    private var values: [String: String] = [:]

    init(_ arguments: some Sequence<String>) {
        for argument in arguments {
            guard let mark = argument.firstIndex(of: "=") else { continue }
            values[String(argument[..<mark])] = String(argument[argument.index(after: mark)...])
        }
    }

    subscript(key: String) -> String? { values[key] }

    func number(_ key: String, _ otherwise: Int) -> Int { values[key].flatMap { Int($0) } ?? otherwise }
}

/// Text for a line of JSON.
enum JSONText {
    static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case " "..."~": result.unicodeScalars.append(scalar)
            default: result += scalar.value < 0x20 ? " " : String(scalar)
            }
        }
    }

    /// Three decimals.
    static func number(_ value: Double) -> String { "\((value * 1_000).rounded() / 1_000)" }
}

/// What this process has needed.
enum Memory {
    /// VmHWM of /proc/self/status, bytes.
    static var peak: Int {
        guard let bytes = try? Input.contents(of: "/proc/self/status") else { return 0 }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("VmHWM:") {
            return (Int(line.filter { ("0"..."9").contains($0) }) ?? 0) * 1_024
        }
        return 0
    }
}
