// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Synchronization

/// The child: answers the workloads' calls.
enum BenchWorker {
    static let argument = "--worker"
    static let reactorArgument = "--reactor-worker"
    static let blockingArgument = "--blocking-worker"

    /// The same, one call after the other.
    static func runBlocking() -> Never {
        let message = Mutex<[UInt8]>([])
        Worker.runBlocking(name: "ipc-bench") { call in
            switch call.method {
            case "echo":
                var bytes = message.withLock { $0.taken() }
                try call.collect(into: &bytes, upTo: .max)
                try call.respond(bytes)
                message.withLock { $0 = bytes }
            case "check":
                var check = try Check(call["message"])
                while let piece = try call.nextPiece() { check.add(piece) }
                try call.respond(Array(check.text.utf8))
            default: throw Worker.unknownMethod(call.method)
            }
        }
    }

    /// Calls that only move bytes run where `placement` says.
    static func run(_ placement: Placement = .onThread) -> Never {
        let message = Mutex<[UInt8]>([])
        let place: @Sendable (String) -> Placement = { ["objects", "spin"].contains($0) ? .onThread : placement }
        Worker.run(name: "ipc-bench", placement: place) { call in
            switch call.method {
            case "echo":
                var bytes = message.withLock { $0.taken() }
                try await call.body.collect(into: &bytes, upTo: .max)
                try await call.respond(bytes)
                message.withLock { $0 = bytes }
            case "check": try await check(call)
            case "answer": try await answer(call)
            case "objects": try await objects(call)
            case "spin":
                spin(microseconds: UInt64(call["us"] ?? "") ?? 0)
                try await call.respond([])
            default: throw Worker.unknownMethod(call.method)
            }
        }
    }

    /// Works for so long, not counting the time in which this thread had no processor.
    private static func spin(microseconds: UInt64) {
        func used() -> UInt64 {
            var time = timespec()
            // Fills in one timespec.
            _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
        let goal = used() + microseconds * 1_000
        while used() < goal {}
    }

    /// The first 8 bytes, when all of the body has come.
    private static func answer(_ call: IncomingCall) async throws {
        var mark: [UInt8] = []
        for try await piece in call.body where mark.count < Check.bytes {
            mark += piece.prefix(Check.bytes - mark.count)
        }
        try await call.respond(mark)
    }

    /// A station a line; the changes of ``StationChange/changes(of:)`` back.
    private static func objects(_ call: IncomingCall) async throws {
        var lines = LineReader()
        var stations: [Station] = []
        for try await piece in call.body { try lines.read(piece) { stations.append(try Station(parsing: &$0)) } }
        try lines.finish()
        var answer: [UInt8] = []
        for change in StationChange.changes(of: stations) { change.append(to: &answer) }
        try await call.respond(answer)
    }

    /// Messages of equal length, one after another: the xor of the first 8 bytes of each, and how many came.
    private static func check(_ call: IncomingCall) async throws {
        var check = try Check(call["message"])
        for try await piece in call.body { check.add(piece) }
        try await call.respond(Array(check.text.utf8))
    }
}

extension [UInt8] {
    /// The bytes, whose memory nobody else has then: it is used again for the next message.
    fileprivate mutating func taken() -> [UInt8] {
        var bytes: [UInt8] = []
        swap(&bytes, &self)
        return bytes
    }
}

/// The check of workload W3, over a body that may be cut anywhere.
struct Check {
    static let bytes = 8

    private let messageBytes: Int
    private var position = 0
    private var xor = [UInt8](repeating: 0, count: Check.bytes)
    private var total = 0

    /// Of messages whose length the call's argument tells.
    init(_ argument: String?) throws(CallFailure) {
        guard let argument, let length = Int(argument), length >= Check.bytes else {
            throw CallFailure(.badArgument, exitCode: 64, reason: "'message' must be a length of 8 or more")
        }
        self.init(messageBytes: length)
    }

    init(messageBytes: Int) {
        self.messageBytes = messageBytes
    }

    mutating func add(_ piece: [UInt8]) {
        var offset = 0
        while offset < piece.count {
            let rest = min(messageBytes - position, piece.count - offset)
            let marked = max(0, min(Self.bytes - position, rest))
            for index in 0..<marked { xor[position + index] ^= piece[offset + index] }
            position = (position + rest) % messageBytes
            offset += rest
        }
        total += piece.count
    }

    /// What both sides must agree on.
    var text: String { xor.map { "\($0)" }.joined(separator: " ") + " \(total / messageBytes) \(total)" }
}
