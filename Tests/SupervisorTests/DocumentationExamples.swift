// SPDX-License-Identifier: Apache-2.0
import Foundation
import IPCFrame
import Logging
import ServiceLifecycle
import Supervisor
import SupervisorService
import Testing
import UnixSignals

// The Swift examples of the DocC pages, compiled as they stand there. What they leave out stands here in private.

enum WriteAWorkerPage {
    static func whole() {
        Worker.run(name: "summer") { call in
            guard call.method == "sum" else { throw Worker.unknownMethod(call.method) }
            var sum = 0
            for try await piece in call.body {
                for byte in piece { sum += Int(byte) }
                call.progress(Progress(completed: call.statistics.bytesReceived, unit: "bytes"))
            }
            try await call.respond(Array("\(sum)".utf8))
        }
    }

    private static func lockTable() -> Int? { nil }

    static func fail(_ call: IncomingCall) throws -> (Int, Int) {
        guard let seconds = call["seconds"].flatMap(Int.init) else {
            throw CallFailure(.badArgument, exitCode: 64, reason: "'seconds' is not a number")
        }
        guard let table = lockTable() else {
            throw CallFailure(.unavailable, exitCode: 75, isRetryable: true, reason: "the table is locked")
        }
        return (seconds, table)
    }

    private static let index: [String: [UInt8]] = [:]

    private static func importAll(_ call: IncomingCall) async throws {}

    static func answerAtOnce() {
        Worker.run(name: "stations", placement: { $0 == "find" ? .onReactor : .onThread }) { call in
            switch call.method {
            case "find": try await call.respond(index[call["id"] ?? ""] ?? [])
            case "import": try await importAll(call)
            default: throw Worker.unknownMethod(call.method)
            }
        }
    }

    private enum Tables {
        static func load() throws {}
        static func look(up key: String) throws -> [UInt8] { Array(key.utf8) }
    }

    static func prepare() {
        Worker.run(name: "tables", initialise: { try Tables.load() }) { call in
            try await call.respond(try Tables.look(up: call["key"] ?? ""))
        }
    }

    static func oneThingAtATime() {
        Worker.runBlocking(name: "adder") { call in
            guard call.method == "add" else { throw Worker.unknownMethod(call.method) }
            let sum = call.arguments.compactMap { call[$0.key].flatMap(Int.init) }.reduce(0, +)
            try call.respond(Array("\(sum)".utf8))
        }
    }

    private struct Interrupter: Sendable {
        func interrupt() {}
        func runQuery() throws -> [Int] { [] }
    }

    static func beCancelled(_ call: IncomingCall) throws -> [Int] {
        let interrupter = Interrupter()
        call.onCancel { interrupter.interrupt() }  // such as sqlite3_interrupt
        let rows = try interrupter.runQuery()
        return rows
    }

    static func makeLasting(_ call: IncomingCall, commit: () throws -> Void) async throws {
        try await call.announceFinal(Progress(completed: 1, unit: "commits"))
        try commit()
    }
}

enum LandingPage {
    static func first() async throws {
        var worker = WorkerConfiguration(executable: "/usr/local/bin/summer")
        worker.nice = 10
        let pool = WorkerPool(PoolConfiguration(worker: worker))
        let reply = try await pool.call("sum", body: .bytes([1, 2, 3]))
        print(String(decoding: reply.bytes, as: UTF8.self))  // 6
        await pool.drain()
    }
}

enum EmbedAPoolPage {
    static func serve(_ server: any Service, logger: Logger) async throws {
        var worker = WorkerConfiguration(executable: "/usr/local/bin/thumbnailer")
        worker.nice = 10  // requests go before work
        worker.memoryLimit = 512 << 20
        var configuration = PoolConfiguration(worker: worker)
        configuration.policy.minimumWorkers = 1
        configuration.policy.queueLimit = 100
        configuration.logger = logger
        configuration.observer = PoolMetrics().record
        let pool = WorkerPool(configuration)

        let group = ServiceGroup(
            services: [pool, server],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }

    static func thumbnail(_ image: [UInt8], for user: String, _ pool: WorkerPool) async throws -> [UInt8] {
        var options = PoolCallOptions()
        options.timeout = .seconds(10)
        options.lane = user  // users take turns, however much one of them asks for
        let reply = try await pool.call(
            "thumbnail",
            arguments: [Argument("width", "200")],
            body: .bytes(image),
            options: options,
            upTo: 4 << 20
        )
        return reply.bytes
    }

    static func export(
        _ table: String,
        _ pool: WorkerPool,
        write: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await pool.withCall("export", arguments: [Argument("table", table)]) { call in
            let response = try await call.response()
            for try await piece in response.body { try await write(piece) }
        }
    }
}

enum HandleFailuresPage {
    private struct Unavailable: Error {}
    private struct TooSlow: Error {}
    private struct Broken: Error {}
    private struct Rejected: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    static func resize(_ image: [UInt8], _ pool: WorkerPool, _ logger: Logger) async throws -> [UInt8] {
        do {
            return try await pool.call("resize", body: .bytes(image)).bytes
        } catch PoolError.queueFull, PoolError.breakerOpen, PoolError.stopped {
            throw Unavailable()  // 503: the client may come back
        } catch PoolError.timedOut, PoolError.stalled {
            throw TooSlow()  // 504
        } catch PoolError.workerLost(let exit), PoolError.quarantined(let exit?) {
            logger.error("\(exit)")  // one line: why, after how long, its memory, its last words
            throw Broken()  // 500
        } catch CallError.failed(let error) where error.code == .badData {
            throw Rejected(error.reason)  // 422
        }
    }

    static func retries(_ digest: String) -> PoolCallOptions {
        var options = PoolCallOptions()
        options.retry = RetryPolicy(retries: 2)
        options.identity = digest  // of the input: what crashes workers is refused when it comes again
        return options
    }
}

enum TunePage {
    static func example() -> PoolConfiguration {
        var worker = WorkerConfiguration(executable: "/usr/local/bin/parser", arguments: ["--strict"])
        worker.nice = 10
        worker.memoryLimit = 1 << 30
        worker.inheritedEnvironment = .only(["PATH", "LANG", "TZ"])
        worker.limits.coreFileSize = 0
        var configuration = PoolConfiguration(worker: worker)
        configuration.policy.minimumWorkers = 1
        configuration.policy.maximumWorkers = 4
        configuration.policy.recycling.calls = 10_000
        configuration.policy.whenFull = .wait
        return configuration
    }
}

@Suite struct DocumentationTests {
    private static let sources = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Sources")

    /// A page as it stands, by its path below Sources.
    private static func page(_ path: String) throws -> String {
        try String(contentsOf: sources.appendingPathComponent(path), encoding: .utf8)
    }

    private static func squeezed(_ text: String) -> String {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "\n")
    }

    @Test func everySwiftExampleOfTheDocumentationIsCompiledHere() throws {
        let source = Self.squeezed(try String(contentsOfFile: #filePath, encoding: .utf8))
        var blocks = 0
        for catalogue in ["Supervisor/Supervisor.docc", "IPCFrame/IPCFrame.docc"] {
            let pages = try FileManager.default.contentsOfDirectory(
                atPath: Self.sources.appendingPathComponent(catalogue).path
            )
            for name in pages where name.hasSuffix(".md") {
                let text = try Self.page("\(catalogue)/\(name)")
                for rest in text.components(separatedBy: "```swift\n").dropFirst() {
                    let block = Self.squeezed(rest.components(separatedBy: "\n```")[0])
                    blocks += 1
                    #expect(source.contains(block), "not compiled, in \(name): \(block)")
                }
            }
        }
        #expect(blocks == 14)
    }

    /// A property or a case that is added later has to be told of on its page.
    @Test(arguments: [
        ("Pool/PoolPolicy.swift", "Tune", "public var "), ("Pool/PoolConfiguration.swift", "Tune", "public var "),
        ("WorkerConfiguration.swift", "Tune", "public var "), ("ResourceLimits.swift", "Tune", "public var "),
        ("Pool/PoolError.swift", "HandleFailures", "    case "), ("ExitReason.swift", "HandleFailures", "    case "),
    ])
    func everyOptionAndEveryEndHasItsLine(_ file: String, _ page: String, _ marker: String) throws {
        let text = try Self.page("Supervisor/Supervisor.docc/\(page).md")
        for line in try Self.page("Supervisor/\(file)").components(separatedBy: "\n") {
            guard let found = line.range(of: marker), !line.contains("case ."), !line.contains("description") else {
                continue
            }
            let name = line[found.upperBound...].prefix { $0.isLetter || $0 == "_" }
            #expect(text.contains("`\(name)") || text.contains(".\(name)"), "\(page).md does not tell of '\(name)'")
        }
    }

    @Test func theDefaultsAreWhatTheDocumentationSays() {
        let policy = PoolPolicy()
        #expect(policy.minimumWorkers == 0 && policy.warmStandby == 0 && policy.callsPerWorker == 1)
        #expect(policy.idleTimeout == .seconds(60) && policy.queueLimit == 1_000 && policy.laneLimit == nil)
        #expect(policy.whenFull == .fail && policy.cancelGrace == .seconds(10))
        #expect(policy.quarantineAfter == 3 && policy.quarantineTime == .seconds(3_600))
        #expect(policy.recycling.jitter == 0.1 && policy.recycling.calls == nil)
        #expect(policy.restart.first == .milliseconds(100) && policy.restart.longest == .seconds(30))
        #expect(policy.restart.healthyAfter == .seconds(10))
        #expect(policy.breaker?.ends == 5 && policy.breaker?.within == .seconds(60))
        #expect(policy.breaker?.openFor == .seconds(5) && policy.breaker?.longest == .seconds(300))
        let options = PoolCallOptions()
        #expect(options.retry == RetryPolicy(retries: 0) && options.timeout == nil && options.stallTimeout == nil)
        #expect(!options.timeoutBeginsWithWorker)
        #expect(options.retry.first == .milliseconds(100) && options.retry.longest == .seconds(10))
        let worker = WorkerConfiguration(executable: "worker")
        #expect(worker.nice == 0 && worker.memoryLimit == nil && !worker.noNewPrivileges)
        #expect(worker.startTimeout == .seconds(10) && worker.heartbeat == .seconds(30) && worker.grace == .seconds(10))
    }
}
