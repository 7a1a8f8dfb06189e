// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// A pipe on which a handler can block in C until the test lets it go.
private final class Gate: Sendable {
    private let reading: CInt
    private let writing: CInt

    init() throws {
        var fds: [CInt] = [-1, -1]
        let result = unsafe pipe(&fds)
        try #require(result == 0)
        (reading, writing) = (fds[0], fds[1])
    }

    deinit {
        _ = close(reading)
        _ = close(writing)
    }

    /// Blocks the calling thread.
    func pass() {
        var byte: UInt8 = 0
        while unsafe read(reading, &byte, 1) < 0, errno == EINTR {}
    }

    func open() {
        var byte: UInt8 = 1
        _ = unsafe write(writing, &byte, 1)
    }
}

@Suite struct ConnectionLoadTests {
    private static let pieceBytes = 256 << 10

    private final class Counter: Sendable {
        let value = Mutex(0)
    }

    @Test("Pings are answered while a body moves and its reader blocks in C", arguments: [BodyCodec.none, .zlib])
    func pingsUnderLoad(codec: BodyCodec) async throws {
        let gate = try Gate()
        let taken = Counter()
        let pair = try await ConnectedPair { call in
            for try await piece in call.body {
                taken.value.withLock { $0 += piece.count }
                if taken.value.withLock({ $0 }) == piece.count { gate.pass() }
            }
        }
        let given = Counter()
        let pieces = 256
        let body = OutboundBody.pieces(size: UInt64(pieces * Self.pieceBytes)) {
            given.value.withLock { given in
                guard given < pieces else { return nil }
                given += 1
                return [UInt8](repeating: UInt8(truncatingIfNeeded: given), count: Self.pieceBytes)
            }
        }
        var options = CallOptions()
        options.codec = codec
        let call = try await pair.parent.call("take", body: body, options: options)
        // The handler holds the first piece and blocks; behind it the window fills up.
        while taken.value.withLock({ $0 }) == 0 { _ = try await pair.parent.ping() }
        for _ in 0..<20 { _ = try await pair.parent.ping() }
        #expect(taken.value.withLock { $0 } == Self.pieceBytes)
        #expect(given.value.withLock { $0 } < pieces, "the sender waits for credit")
        gate.open()
        async let answer = call.response().body.collect(upTo: 0)
        // And while it flows.
        repeat { _ = try await pair.child.ping() } while taken.value.withLock { $0 } < pieces * Self.pieceBytes
        #expect(try await answer.isEmpty)
        #expect(call.statistics.bytesSent == UInt64(pieces * Self.pieceBytes))
        await call.finished()
        await pair.close()
    }

    @Test func aCancelInTheMiddleOfABodyIsDeliveredAtOnceAndTheConnectionStaysUsable() async throws {
        let gate = try Gate()
        let started = Counter()
        let pair = try await ConnectedPair { call in
            guard call.method == "take" else { return try await ConnectionTests.echo(call) }
            call.onCancel {
                gate.open()
                usleep(20_000)  // the handler's thread runs before this returns
            }
            for try await _ in call.body {
                let pieces = started.value.withLock { count in
                    count += 1
                    return count
                }
                if pieces == 1 { gate.pass() }  // in C, until the cancel
            }
        }
        let endless = OutboundBody.pieces { [UInt8](repeating: 7, count: Self.pieceBytes) }
        let call = try await pair.parent.call("take", body: endless)
        while started.value.withLock({ $0 }) == 0 { _ = try await pair.parent.ping() }
        call.cancel()
        await #expect(throws: CallError.cancelled) { _ = try await call.response() }
        await call.finished()
        #expect(started.value.withLock { $0 } == 1, "what had arrived is not handed out after a cancel")
        let bytes = ConnectionTests.pattern(1_000_000)
        let again = try await pair.parent.call("echo", body: .bytes(bytes)).response()
        #expect(try await again.body.collect(upTo: 2_000_000) == bytes)
        await pair.close()
    }

    @Test func cancellingTheReadingTaskCancelsTheCallThoughPiecesAreThere() async throws {
        let pair = try await ConnectedPair { call in
            let writer = call.respond()
            while true { try await writer.write([UInt8](repeating: 1, count: Self.pieceBytes)) }
        }
        let call = try await pair.parent.call("endless")
        let body = try await call.response().body
        _ = try await body.nextPiece()
        let reader = Task {
            while let piece = try await body.nextPiece() { #expect(!piece.bytes.isEmpty) }
        }
        reader.cancel()
        await #expect(throws: CallError.cancelled) { try await reader.value }
        await call.finished()
        #expect(await pair.parent.openCalls == 0)
        await pair.close()
    }

    @Test("A flush after the last byte of a body of known size needs no credit", arguments: [1, 2, 16, 17])
    func flushAtTheEnd(chunks: Int) async throws {
        let pair = try await ConnectedPair { call in
            let writer = call.respond(size: UInt64(chunks * Self.pieceBytes))
            for _ in 0..<chunks { try await writer.write([UInt8](repeating: 9, count: Self.pieceBytes)) }
            try await writer.flush()
        }
        let response = try await pair.parent.call("x").response()
        #expect(try await response.body.collect(upTo: .max).count == chunks * Self.pieceBytes)
        await pair.close()
    }

    @Test func smallWritesTravelInWholeChunks() async throws {
        let bytes = ConnectionTests.pattern(600_000)
        let pair = try await ConnectedPair { call in
            let writer = call.respond(codec: BodyCodec.none)
            for start in stride(from: 0, to: bytes.count, by: 1_000) {
                try await writer.write(Array(bytes[start..<start + 1_000]))
            }
        }
        let call = try await pair.parent.call("x")
        #expect(try await call.response().body.collect(upTo: .max) == bytes)
        #expect(call.statistics.chunks == 3)
        await call.finished()
        await pair.close()
    }

    @Test func aBodyThatIsStoppedEndsForWhoWaitsForIt() async throws {
        let gate = try Gate()
        let pair = try await ConnectedPair { call in
            let writer = call.respond()
            try await writer.write([UInt8](repeating: 1, count: Self.pieceBytes + 1))
            gate.pass()
        }
        let call = try await pair.parent.call("x")
        let body = try await call.response().body
        _ = try await body.nextPiece()
        let reader = Task { try await body.nextPiece() }
        _ = try await pair.parent.ping()
        await body.stop(reason: "enough")
        await #expect(throws: CallError.stopped(code: .notWanted, reason: "enough")) { try await reader.value }
        gate.open()
        await call.finished()
        await pair.close()
    }
}
