// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// Two connections of this process over a real socket pair.
struct ConnectedPair {
    let parent: Connection
    let child: Connection

    init(
        limits: ConnectionLimits = ConnectionLimits(),
        pool: ChunkPool = .shared,
        passesFiles: Bool = true,
        childReactor: Reactor? = nil,
        placement: (@Sendable (_ method: String) -> Placement)? = nil,
        handler: @escaping @Sendable @concurrent (IncomingCall) async throws -> Void,
        parentHandler: (@Sendable @concurrent (IncomingCall) async throws -> Void)? = nil
    ) async throws {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        var childConfiguration = ConnectionConfiguration(name: "child")
        childConfiguration.limits = limits
        childConfiguration.chunkPool = pool
        childConfiguration.passesFiles = passesFiles
        childConfiguration.handle(placement: placement, with: handler)
        let reactor = childReactor ?? Reactor(name: "child")
        if childReactor == nil { reactor.start() }
        var parentConfiguration = ConnectionConfiguration(name: "parent")
        parentConfiguration.chunkPool = pool
        if let parentHandler { parentConfiguration.handle(with: parentHandler) }
        parent = Connection(
            adopting: OwnedDescriptor(adopting: fds[0]),
            role: .parent,
            reactor: .shared,
            configuration: parentConfiguration
        )
        child = Connection(
            adopting: OwnedDescriptor(adopting: fds[1]),
            role: .child,
            reactor: reactor,
            configuration: childConfiguration
        )
        parent.start()
        child.start()
        _ = try await parent.handshake()
    }

    func close() async {
        await parent.drain()
        #expect(await parent.closed() == .orderly)
        #expect(await child.closed() == .orderly)
    }
}

@Suite struct ConnectionTests {
    static func echo(_ call: IncomingCall) async throws {
        let writer = call.respond(size: call.body.size)
        for try await piece in call.body { try await writer.write(piece) }
    }

    /// Bytes that compress a little and differ from chunk to chunk: a block whose length divides no chunk's, repeated.
    static func pattern(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count { bytes.append(contentsOf: block.prefix(count - bytes.count)) }
        return bytes
    }

    private static let block: [UInt8] = {
        var value: UInt32 = 1
        return (0..<65_521).map { _ in
            value = value &* 1_664_525 &+ 1_013_904_223
            return UInt8(truncatingIfNeeded: value >> 24) & 0x3F
        }
    }()

    @Test(
        "A body of any size comes back as it was, compressed or not",
        arguments: [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 5_000_000],
        [BodyCodec.none, .zlib]
    )
    func echoes(count: Int, codec: BodyCodec) async throws {
        let pair = try await ConnectedPair(handler: Self.echo)
        let bytes = Self.pattern(count)
        var options = CallOptions()
        options.codec = codec
        let call = try await pair.parent.call("echo", body: .bytes(bytes), options: options)
        let response = try await call.response()
        let found = try await response.body.collect(upTo: 10_000_000)
        #expect(found == bytes)
        #expect(call.statistics.bytesSent == UInt64(count))
        #expect(call.statistics.bytesReceived == UInt64(count))
        await call.finished()
        await pair.close()
    }

    @Test func aFailureIsToldInTheHandlersWords() async throws {
        let pair = try await ConnectedPair { _ in
            throw CallFailure(.badData, exitCode: 65, reason: "line 3 is ragged")
        }
        let call = try await pair.parent.call("import", body: .pieces { [1, 2, 3] })
        await #expect {
            _ = try await call.response()
        } throws: { error in
            guard case CallError.failed(let remote) = error else { return false }
            return remote.code == .badData && remote.exitCode == 65 && remote.reason == "line 3 is ragged"
        }
        await call.finished()
        await pair.close()
    }

    @Test(arguments: [0, 1, 256, 257])
    func aMethodsNameOfAnotherLengthIsAnErrorAndNoTrap(count: Int) async throws {
        let pair = try await ConnectedPair { call in try await call.respond(Array(call.method.utf8)) }
        let name = String(repeating: "m", count: count)
        do throws(CallError) {
            let response = try await pair.parent.call(name).response()
            #expect(try await response.body.collect(upTo: 256).count == count)
        } catch {
            #expect(error == .methodNameLength(count) && !(1...256).contains(count))
        }
        await pair.close()
    }

    @Test func aCallBeforeTheHandshakeSaysWhatToAwait() async throws {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        defer { Glibc.close(fds[1]) }
        let parent = Connection(adopting: OwnedDescriptor(adopting: fds[0]), role: .parent)
        let error = await #expect(throws: CallError.self) { _ = try await parent.call("x") }
        #expect(error == .notReady && error?.description.contains("await handshake()") == true)
        await parent.abort()
        await #expect(throws: CallError.connection(.aborted)) { _ = try await parent.call("x") }
    }

    @Test func cancellingReachesAHandlerThatBlocksInCAndKeepsTheConnection() async throws {
        let pair = try await ConnectedPair { call in
            guard call.method == "block" else { return try await Self.echo(call) }
            let descriptors = Mutex<[CInt]>([-1, -1])
            descriptors.withLock { _ = unsafe pipe(&$0) }
            let (reading, writing) = descriptors.withLock { ($0[0], $0[1]) }
            call.onCancel { _ = close(writing) }
            var byte: UInt8 = 0
            _ = unsafe read(reading, &byte, 1)  // blocks this thread until the cancel
            _ = close(reading)
            throw CallFailure(.cancelled, reason: "interrupted")
        }
        let call = try await pair.parent.call("block")
        _ = try await pair.parent.ping()
        call.cancel()
        await #expect(throws: CallError.cancelled) { _ = try await call.response() }
        await call.finished()
        let again = try await pair.parent.call("echo", body: .bytes([1, 2, 3]))
        #expect(try await again.response().body.collect(upTo: 10) == [1, 2, 3])
        await pair.close()
    }

    @Test func aFlushWaitsUntilTheReaderHasTakenEverything() async throws {
        let flushed = Mutex(false)
        let pair = try await ConnectedPair { call in
            let writer = call.respond()
            try await writer.write(Array("first".utf8))
            try await writer.flush()
            flushed.withLock { $0 = true }
            call.trailer = Trailer(counts: [Count("new", 3)])
        }
        let response = try await pair.parent.call("x").response()
        let piece = try #require(try await response.body.nextPiece())
        #expect(piece.isFlush && piece.bytes == Array("first".utf8))
        #expect(!flushed.withLock { $0 })
        #expect(try await response.body.nextPiece() == nil)
        #expect(flushed.withLock { $0 })
        #expect(response.body.trailer?.counts == [Count("new", 3)])
        #expect((response.body.trailer?.peakRSS ?? 0) > 0)
        await pair.close()
    }

    @Test("A flush waits also when the bytes before it fill whole chunks", arguments: [1, 2])
    func aFlushBehindWholeChunks(chunks: Int) async throws {
        let flushed = Mutex(0)
        let pair = try await ConnectedPair { call in
            let writer = call.respond(codec: BodyCodec.none)
            for _ in 0..<chunks { try await writer.write([UInt8](repeating: 7, count: 256 << 10)) }
            // Long enough for the reader to take all that it can.
            usleep(50_000)
            try await writer.flush()
            flushed.withLock { $0 += 1 }
            try await writer.flush()
        }
        let response = try await pair.parent.call("x").response()
        var (taken, last) = (0, false)
        while let piece = try await response.body.nextPiece() {
            taken += piece.bytes.count
            last = piece.isFlush && !piece.bytes.isEmpty
            // The reader holds the piece: it may still be making it durable.
            _ = try await pair.parent.ping()
            #expect(flushed.withLock { $0 } == 0)
        }
        #expect(taken == chunks * 256 << 10 && last && flushed.withLock { $0 } == 1)
        await pair.close()
    }

    @Test func progressAndLogArriveInOrder() async throws {
        let pair = try await ConnectedPair { call in
            call.progress(Progress(completed: 1, total: 2, unit: "rows"))
            call.log(.info, "half-way")
            try await call.respond(Array("done".utf8))
        }
        let call = try await pair.parent.call("x")
        let response = try await call.response()
        #expect(try await response.body.collect(upTo: 100) == Array("done".utf8))
        var texts: [String] = []
        for await event in call.events {
            switch event {
            case .progress(let progress): texts.append("\(progress.completed) \(progress.unit)")
            case .log(let line): texts.append(line.text)
            }
        }
        #expect(texts == ["1 rows", "half-way"])
        await pair.close()
    }

    @Test func framesThatWereReadTogetherAreAllTakenThoughReadingPauses() async throws {
        let pair = try await ConnectedPair { call in
            for line in 1...60 { call.log(.info, "\(line)") }
            let (cancelled, continuation) = AsyncStream<Void>.makeStream()
            call.onCancel { continuation.finish() }
            for await _ in cancelled {}
        }
        let call = try await pair.parent.call("x")
        var count = 0
        for await case .log in call.events {
            count += 1
            if count == 60 { call.cancel() }
        }
        #expect(count == 60)
        await call.finished()
        await pair.close()
    }

    @Test func theChildCallsTheParentToo() async throws {
        let pair = try await ConnectedPair { call in
            let inner = try await call.peer.call("nothing")
            do {
                _ = try await inner.response()
            } catch CallError.failed(let error) {
                try await call.respond(Array("\(error.code)".utf8))
            }
        }
        let response = try await pair.parent.call("x").response()
        #expect(try await response.body.collect(upTo: 100) == Array("unknownMethod".utf8))
        await pair.close()
    }

    @Test func manyCallsAtOnceShareTheConnection() async throws {
        let pair = try await ConnectedPair(handler: Self.echo)
        let bytes = Self.pattern(700_000)
        try await withThrowingTaskGroup { group in
            for _ in 0..<40 {
                group.addTask {
                    let response = try await pair.parent.call("echo", body: .bytes(bytes)).response()
                    let found = try await response.body.collect(upTo: 1_000_000)
                    #expect(found == bytes)
                }
            }
            try await group.waitForAll()
        }
        await pair.close()
    }

    @Test func aBodyAboveTheLimitDoesNotMove() async throws {
        let pair = try await ConnectedPair { call in
            try await call.respond([UInt8](repeating: 7, count: 1_000_000))
        }
        let call = try await pair.parent.call("x")
        let response = try await call.response()
        await #expect(throws: CallError.tooLarge(limit: 1_000)) { try await response.body.collect(upTo: 1_000) }
        #expect(call.statistics.bytesReceived == 0)
        await call.finished()
        await pair.close()
    }

    @Test func whenThePeerVanishesEveryWaitEnds() async throws {
        let pair = try await ConnectedPair { call in
            await call.peer.abort()
        }
        let call = try await pair.parent.call("x", body: .pieces { [UInt8](repeating: 0, count: 1_000) })
        await #expect(throws: CallError.connection(.peerVanished(duringFrame: false))) { _ = try await call.response() }
        #expect(await pair.parent.closed() == .peerVanished(duringFrame: false))
        await #expect(throws: CallError.self) { _ = try await pair.parent.call("y") }
    }
}
