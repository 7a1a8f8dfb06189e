// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Synchronization

/// The workloads, over a worker that is ready.
struct Bench: Sendable {
    typealias Metrics = [(String, Double)]

    let connection: Connection
    let settings: Settings

    func measure(_ workload: Workload) async throws -> Metrics {
        switch workload {
        case .pingUnderLoad: try await pingUnderLoad()
        case .roundTrips: try await roundTrips()
        case .largeRoundTrips: try await largeRoundTrips()
        case .stream: try await stream()
        case .poolDispatch, .poolScaling, .poolFairness, .poolMany: []
        }
    }

    private var options: CallOptions {
        var options = CallOptions()
        options.codec = settings["codec"] == "zlib" ? .zlib : .none
        options.digest = settings["digest"] == "crc32" ? .crc32 : .none
        return options
    }

    private func data(_ count: Int) throws -> [UInt8] {
        try settings["data"].map { try Input.contents(of: $0) } ?? Input.lines(count)
    }

    // MARK: Workloads

    /// 64 bytes there and back.
    private func roundTrips() async throws -> Metrics {
        let count = settings.number("n", 20_000)
        let message = [UInt8]("0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF".utf8)
        var times: [Double] = []
        times.reserveCapacity(count)
        var start = ContinuousClock.now
        for round in -settings.number("warm", 1_000)..<count {
            if round == 0 { start = ContinuousClock.now }
            let began = ContinuousClock.now
            let answer = try await echo(message)
            let took = ContinuousClock.now - began
            guard answer == message else { throw BenchError("the echo differs") }
            if round >= 0 { times.append(took.microseconds) }
        }
        let all = (ContinuousClock.now - start).microseconds
        return [
            ("p50_us", times.quantile(0.5)), ("p99_us", times.quantile(0.99)),
            ("rtt_per_s", Double(count) / all * 1_000_000),
        ]
    }

    /// The stations as one message there and back.
    private func largeRoundTrips() async throws -> Metrics {
        let once = try data(12_472_373)
        let message = [UInt8]([[UInt8]](repeating: once, count: settings.number("repeat", 1)).joined())
        var times: [Double] = []
        for round in -settings.number("warm", 1)..<settings.number("rounds", 20) {
            let began = ContinuousClock.now
            let answer = try await echo(message)
            let took = ContinuousClock.now - began
            guard answer == message else { throw BenchError("the echo differs") }
            if round >= 0 { times.append(took.microseconds / 1_000) }
        }
        let median = times.quantile(0.5)
        return [
            ("median_ms", median), ("min_ms", times.min() ?? 0),
            ("mb_per_s", 2 * Double(message.count) / 1_000 / median), ("bytes", Double(message.count)),
        ]
    }

    /// 1 GiB one way, as messages of 1 MiB.
    private func stream() async throws -> Metrics {
        let seconds = try await push()
        return [("gb_per_s", Double(settings.number("total", 1 << 30)) / seconds / 1e9), ("seconds", seconds)]
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

    // MARK: Calls

    private func echo(_ message: [UInt8]) async throws -> [UInt8] {
        let call = try await connection.call("echo", body: .bytes(message), options: options)
        return try await call.response().body.collect(upTo: .max)
    }

    /// Sends `total` bytes in messages of `msg` and compares the check; returns the seconds.
    private func push() async throws -> Double {
        let length = settings.number("msg", 1 << 20)
        let count = settings.number("total", 1 << 30) / length
        guard count > 0, length >= Check.bytes else { throw BenchError("'total' must be at least 'msg', that 8") }
        let content = try data(length)
        var message = content
        while message.count < length { message += content }
        message.removeLast(message.count - length)
        let source = MessageSource(message: message, count: count)
        let began = ContinuousClock.now
        let call = try await connection.call(
            "check",
            arguments: [Argument("message", "\(length)")],
            body: .pieces(size: UInt64(count * length)) { source.next() },
            options: options
        )
        let answer = try await call.response().body.collect(upTo: 1_000)
        let took = ContinuousClock.now - began
        guard String(decoding: answer, as: UTF8.self) == source.check else {
            throw BenchError("the check differs: \(String(decoding: answer, as: UTF8.self)), not \(source.check)")
        }
        return took.microseconds / 1_000_000
    }
}

/// Messages that begin with 8 hex digits of their number's product with 2,654,435,761.
private final class MessageSource: Sendable {
    private struct State {
        var message: [UInt8]
        var index = 0
        var check: Check
    }

    private let state: Mutex<State>
    private let count: Int

    init(message: [UInt8], count: Int) {
        state = Mutex(State(message: message, check: Check(messageBytes: message.count)))
        self.count = count
    }

    func next() -> [UInt8]? {
        state.withLock { state in
            guard state.index < count else { return nil }
            let mark = UInt32(truncatingIfNeeded: state.index) &* 2_654_435_761
            let digits = String(mark, radix: 16)
            let text = String(repeating: "0", count: Check.bytes - digits.count) + digits
            for (index, byte) in text.utf8.enumerated() { state.message[index] = byte }
            state.index += 1
            state.check.add(state.message)
            return state.message
        }
    }

    var check: String { state.withLock { $0.check.text } }
}

/// A measurement that is worth nothing.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension Duration {
    /// The length in microseconds.
    var microseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1e6 + Double(attoseconds) / 1e12
    }
}

extension [Double] {
    /// The value that the share `q` of all does not exceed.
    func quantile(_ q: Double) -> Double {
        guard !isEmpty else { return 0 }
        return sorted()[Int((q * Double(count - 1)).rounded())]
    }
}
