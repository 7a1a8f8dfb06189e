// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// Ends that block, against each other and against asynchronous ones.
enum BlockingRig {
    /// What runs at an end of a test's connection.
    enum Driver: CaseIterable {
        case blocking
        case async
    }

    /// Answers the calls of these tests, on a thread of its own.
    ///
    /// `sharesMemory` and `arenaIdleTime` are those of the link.
    static func startBlockingChild(
        _ socket: consuming OwnedDescriptor,
        sharesMemory: Bool = true,
        arenaIdleTime: Duration = .seconds(10)
    ) -> Task<ConnectionEnd?, Never> {
        let descriptor = socket.release()
        let ended = Mutex<ConnectionEnd?>(nil)
        return Task {
            await CallThreads.shared.run {
                let link = BlockingLink(
                    OwnedDescriptor(adopting: descriptor),
                    role: .child,
                    name: "child",
                    limits: ConnectionLimits(),
                    sharesMemory: sharesMemory
                )
                link.state.arenaIdleTime = arenaIdleTime
                do throws(ConnectionEnd) {
                    try Worker.serve(link, nil, answer)
                } catch {
                    ended.withLock { $0 = error }
                }
            }.value
            return ended.withLock { $0 }
        }
    }

    static func answer(_ call: BlockingCall) throws {
        switch call.method {
        case "echo": try call.respond(try call.collect(upTo: 1 << 30), arguments: call.arguments)
        case "stream":
            if let size = call.size { call.respond(size: size) }
            while let piece = try call.nextPiece() { try call.write(piece) }
        case "count":
            var count = 0
            while let piece = try call.nextPiece() { count += piece.count }
            call.trailer.counts = [Count("bytes", UInt64(count))]
        case "ignore": break
        case "short":
            call.respond(size: 10)
            try call.write([1])
        case "tell":
            call.log(.info, "a line")
            call.progress(Progress(completed: 1, total: 2, unit: "steps"))
        case "tell, then echo":
            // The opener is told, and then waits for the answer.
            call.progress(Progress(completed: 1, total: 2, unit: "steps"))
            usleep(200_000)
            try call.respond(try call.collect(upTo: 1 << 30))
        case "wait":
            for _ in 0..<10_000 where !call.isCancelled { usleep(1_000) }
            throw CallFailure(reason: call.isCancelled ? "cancelled in time" : "never cancelled")
        case "fail": throw CallFailure(.badData, exitCode: 65, reason: "the data are bad")
        case "begin badly":
            // The answer cannot begin, and the handler goes on.
            let argument = Argument("key", [UInt8](repeating: 1, count: 70_000))
            #expect(throws: CallError.self) {
                try call.respond([UInt8](repeating: 1, count: 300_000), arguments: [argument])
            }
        default: throw Worker.unknownMethod(call.method)
        }
    }

    static func answer(_ call: IncomingCall) async throws {
        switch call.method {
        case "echo": try await call.respond(try await call.body.collect(upTo: 1 << 30), arguments: call.arguments)
        case "stream": try await ConnectionTests.echo(call)
        case "endless":
            let writer = call.respond()
            while true { try await writer.write([UInt8](repeating: 1, count: 100_000)) }
        case "never":
            while !call.isCancelled { try await Task.sleep(for: .milliseconds(5)) }
        case "fail": throw CallFailure(.badData, exitCode: 65, reason: "the data are bad")
        case "begin badly":
            // The answer cannot begin, and the handler goes on.
            let argument = Argument("key", [UInt8](repeating: 1, count: 70_000))
            await #expect(throws: CallError.self) {
                try await call.respond([UInt8](repeating: 1, count: 300_000), arguments: [argument])
            }
        default: throw Worker.unknownMethod(call.method)
        }
    }

    static func sockets() throws -> (CInt, CInt) {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        return (fds[0], fds[1])
    }

    /// Runs `body` with a blocking parent on a thread of its own, against a child of either kind.
    static func withBlockingParent(
        child driver: Driver,
        sharesMemory: Bool = true,
        _ body: @escaping @Sendable (BlockingConnection) throws -> Void
    ) async throws {
        let (parent, child) = try sockets()
        let ended: Task<ConnectionEnd?, Never>
        switch driver {
        case .blocking: ended = startBlockingChild(OwnedDescriptor(adopting: child))
        case .async:
            var configuration = ConnectionConfiguration(name: "child")
            configuration.handle(with: answer)
            let connection = Connection(
                adopting: OwnedDescriptor(adopting: child),
                role: .child,
                configuration: configuration
            )
            connection.start()
            ended = Task { await connection.closed() }
        }
        let result = Mutex<Result<ConnectionEnd, any Error>?>(nil)
        await CallThreads.shared.run {
            let found = Result {
                let connection = BlockingConnection(
                    adopting: OwnedDescriptor(adopting: parent),
                    name: "parent",
                    sharesMemory: sharesMemory
                )
                try connection.handshake()
                try body(connection)
                return connection.close()
            }
            result.withLock { $0 = found }
        }.value
        let outcome = result.withLock { $0 }
        #expect(try outcome?.get() == .orderly)
        #expect(await ended.value == .orderly)
    }

    /// An asynchronous parent of a blocking child.
    static func withBlockingChild(
        sharesMemory: Bool = true,
        arenaIdleTime: Duration = .seconds(10),
        _ body: (Connection) async throws -> Void
    ) async throws {
        let (parent, child) = try sockets()
        let ended = startBlockingChild(
            OwnedDescriptor(adopting: child),
            sharesMemory: sharesMemory,
            arenaIdleTime: arenaIdleTime
        )
        let connection = Connection(adopting: OwnedDescriptor(adopting: parent), role: .parent)
        connection.start()
        _ = try await connection.handshake()
        try await body(connection)
        await connection.drain()
        #expect(await connection.closed() == .orderly)
        #expect(await ended.value == .orderly)
    }
}
