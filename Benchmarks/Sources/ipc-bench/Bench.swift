// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Supervisor
import Synchronization

/// The workloads over a worker that is ready.
struct Bench: Sendable {
    typealias Metrics = [(String, Double)]

    let worker: WorkerProcess
    let settings: Settings
    let variant: Variant
    var options: CallOptions { variant.options }
    var connection: Connection { worker.connection }

    func measure(_ workload: Workload) async throws -> Metrics {
        switch workload {
        case .roundTrips: try await roundTrips()
        case .largeRoundTrips: try await largeRoundTrips()
        case .stream: try await stream()
        case .objects: try await objects()
        case .calls: try await calls()
        case .pingUnderLoad: try await pingUnderLoad()
        case .spawns, .poolDispatch, .poolScaling, .poolFairness, .poolMany: []
        }
    }

    /// 64 bytes there and back.
    private func roundTrips() async throws -> Metrics {
        let count = settings.number("n", 20_000)
        var message = Input.small
        var times: [Double] = []
        times.reserveCapacity(count)
        var start = ContinuousClock.now
        for round in -settings.number("warm", 1_000)..<count {
            Input.mark(&message, round)
            let began = ContinuousClock.now
            if round == 0 { start = began }
            let answer = try await echo(message)
            let took = ContinuousClock.now - began
            guard answer == message else { throw BenchError("the echo differs") }
            if round >= 0 { times.append(took.microseconds) }
        }
        return Summary.roundTrips(times, took: (ContinuousClock.now - start).microseconds, settings)
    }

    /// The stations as one message there and back.
    private func largeRoundTrips() async throws -> Metrics {
        let message = try Input.stations(settings)
        var times: [Double] = []
        // The same memory for each answer, as the other contenders in C do it.
        var answer: [UInt8] = []
        for round in -settings.number("warm", 1)..<settings.number("rounds", 20) {
            let began = ContinuousClock.now
            _ = try await connection.call("echo", body: .bytes(message), options: options, into: &answer, upTo: .max)
            let took = ContinuousClock.now - began
            guard Input.isSame(answer, message) else { throw BenchError("the echo differs") }
            if round >= 0 { times.append(took.microseconds / 1_000) }
        }
        return Summary.largeRoundTrips(times, bytes: message.count)
    }

    /// 1 GiB one way, as messages of 1 MiB.
    private func stream() async throws -> Metrics {
        let seconds = try await push()
        return [("gb_per_s", Double(settings.number("total", 1 << 30)) / seconds / 1e9), ("seconds", seconds)]
    }

    /// One call after the other, each with `msg` bytes there and 8 back; what they need of both processes.
    private func calls() async throws -> Metrics {
        let bytes = settings.number("msg", 1 << 20)
        let count = settings.number("n", 100)
        guard bytes >= Check.bytes else { throw BenchError("'msg' must be at least \(Check.bytes)") }
        let process = Int32(worker.pid)
        var first = Input.letters(min(bytes, 1 << 20))
        var start = ContinuousClock.now
        var used = 0.0
        // The first one is not measured.
        for round in -1..<count {
            if round == 0 {
                used = Memory.processorSeconds() + Memory.processorSeconds(of: process)
                start = ContinuousClock.now
            }
            Input.mark(&first, round)
            let body: OutboundBody =
                bytes == first.count ? .bytes(first) : RepeatedPiece(first, bytes: bytes).body
            let call = try await connection.call("answer", body: body, options: options)
            let answer = try await call.response().body.collect(upTo: 8)
            guard answer == Array(first[..<Check.bytes]) else { throw BenchError("the answer differs") }
        }
        let seconds = (ContinuousClock.now - start).microseconds / 1e6
        used = Memory.processorSeconds() + Memory.processorSeconds(of: process) - used
        let all = Double(bytes) * Double(count)
        return [
            ("bytes", Double(bytes)), ("mb_per_s", all / seconds / 1e6), ("calls_per_s", Double(count) / seconds),
            ("cpu_s_per_gib", used / all * Double(1 << 30)),
        ]
    }

    /// Pings, one after the other with a pause of a millisecond, while 1 GiB moves over the same connection.
    private func pingUnderLoad() async throws -> Metrics {
        let isMoving = Mutex(true)
        let pings = Task {
            var times: [Double] = []
            while isMoving.withLock({ $0 }) {
                let began = ContinuousClock.now
                _ = try await connection.ping()
                times.append((ContinuousClock.now - began).microseconds)
                try await Task.sleep(for: .milliseconds(1))
            }
            return times
        }
        defer { isMoving.withLock { $0 = false } }
        let seconds = try await push()
        isMoving.withLock { $0 = false }
        let times = try await pings.value
        guard times.count >= 100 else { throw BenchError("only \(times.count) pings: move more") }
        return [
            ("pings", Double(times.count)), ("p50_us", times.quantile(0.5)), ("p99_us", times.quantile(0.99)),
            ("max_us", times.max() ?? 0), ("gb_per_s", Double(settings.number("total", 1 << 30)) / seconds / 1e9),
        ]
    }

    // MARK: Parts

    private func echo(_ message: [UInt8]) async throws -> [UInt8] {
        try await connection.call("echo", body: .bytes(message), options: options, upTo: .max).body
    }

    /// Sends `total` bytes in messages of `msg` and compares the check; returns the seconds.
    private func push() async throws -> Double {
        let (source, length, total) = try MarkedMessages.all(settings)
        let began = ContinuousClock.now
        let call = try await connection.call(
            "check",
            arguments: [Argument("message", "\(length)")],
            body: .pieces(size: UInt64(total), placement: variant.source) { source.next() },
            options: options
        )
        let answer = try await call.response().body.collect(upTo: 1_000)
        let took = ContinuousClock.now - began
        try source.compare(answer)
        return took.microseconds / 1_000_000
    }
}
