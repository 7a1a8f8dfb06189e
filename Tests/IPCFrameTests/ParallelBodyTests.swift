// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

/// Bodies over a connection whose ends compress and inflate on four threads, with either library.
@Suite struct ParallelBodyTests {
    @Test(
        "A body of any size comes back as it was, with zlib and with ISA-L, its size told or not",
        arguments: ChunkPool.forced.indices,
        [65_537, 262_144, 262_145, 524_288, 1_000_000, 5_000_000, 12_000_001]
    )
    func echoes(pool index: Int, count: Int) async throws {
        let pool = ChunkPool.forced[index]
        let pair = try await ConnectedPair(pool: pool) { call in
            let writer = call["size"] == nil ? call.respond() : call.respond(size: call.body.size)
            for try await piece in call.body { try await writer.write(piece) }
        }
        let bytes = ConnectionTests.pattern(count)
        for isSizeKnown in [true, false] {
            let arguments = isSizeKnown ? [Argument("size", "told")] : []
            let body = isSizeKnown ? OutboundBody.bytes(bytes) : Self.pieces(bytes)
            let call = try await pair.parent.call("echo", arguments: arguments, body: body)
            let found = try await call.response().body.collect(upTo: 30_000_000)
            #expect(found == bytes)
            #expect(call.statistics.bytesSent == UInt64(count) && call.statistics.bytesReceived == UInt64(count))
            await call.finished()
        }
        await pair.close()
    }

    /// Pieces of many sizes, small ones among them.
    private static func pieces(_ bytes: [UInt8]) -> OutboundBody {
        let place = Mutex((start: 0, number: 0))
        return .pieces {
            place.withLock { place in
                guard place.start < bytes.count else { return nil }
                place.number += 1
                let end = min(bytes.count, place.start + [1_000, 65_536, 262_144, 300_001][place.number % 4])
                defer { place.start = end }
                return Array(bytes[place.start..<end])
            }
        }
    }

    @Test(
        "Parts that compress and parts that do not are told apart, and come back",
        arguments: ChunkPool.forced.indices
    )
    func mixed(pool index: Int) async throws {
        let pair = try await ConnectedPair(pool: ChunkPool.forced[index], handler: ConnectionTests.echo)
        let random = ParallelCodecTests.noise
        var bytes: [UInt8] = []
        for part in 0..<12 {
            if part % 3 != 1 { bytes += [UInt8](repeating: 7, count: 600_001) }
            if part % 3 == 1 { for _ in 0..<5 { bytes += random } }
        }
        let response = try await pair.parent.call("echo", body: .bytes(bytes)).response()
        let found = try await response.body.collect(upTo: 30_000_000)
        #expect(found == bytes)
        await pair.close()
    }

    @Test("Calls beside each other share the threads", arguments: ChunkPool.forced.indices)
    func besideEachOther(pool index: Int) async throws {
        let pair = try await ConnectedPair(pool: ChunkPool.forced[index], handler: ConnectionTests.echo)
        let bytes = ConnectionTests.pattern(1_500_000)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<12 {
                group.addTask {
                    let part = Array(bytes.dropFirst(number * 1_001))
                    let response = try await pair.parent.call("echo", body: .bytes(part)).response()
                    return try await response.body.collect(upTo: 2_000_000) == part
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
        await pair.close()
    }

    @Test func aFlushBehindChunksThatAreBeingCompressedWaitsForItsReader() async throws {
        let pool = try #require(ChunkPool.forced.last)
        let flushed = Mutex(0)
        let pair = try await ConnectedPair(pool: pool) { call in
            let writer = call.respond(codec: BodyCodec.zlib)
            for _ in 0..<4 {
                for _ in 0..<3 { try await writer.write(ConnectionTests.pattern(300_000)) }
                try await writer.flush()
                flushed.withLock { $0 += 1 }
            }
        }
        let body = try await pair.parent.call("x").response().body
        var count = 0
        var flushes = 0
        while let piece = try await body.nextPiece() {
            count += piece.bytes.count
            guard piece.isFlush else { continue }
            flushes += 1
            #expect(count == flushes * 900_000 && flushed.withLock { $0 } == flushes - 1)
        }
        #expect(count == 3_600_000 && flushes == 4)
        await pair.close()
    }

    @Test("A call that is cancelled in the middle leaves the connection as it was", arguments: ChunkPool.forced.indices)
    func cancels(pool index: Int) async throws {
        let pair = try await ConnectedPair(pool: ChunkPool.forced[index], handler: ConnectionTests.echo)
        let bytes = ConnectionTests.pattern(6_000_000)
        for round in 0..<20 {
            let call = try await pair.parent.call("echo", body: .bytes(bytes))
            let body = try await call.response().body
            for _ in 0..<round % 5 { _ = try await body.nextPiece() }
            if round % 2 == 0 { call.cancel() } else { await body.stop() }
            await #expect(throws: CallError.self) { while try await body.nextPiece() != nil {} }
            await call.finished()
        }
        let response = try await pair.parent.call("echo", body: .bytes(bytes)).response()
        let found = try await response.body.collect(upTo: 10_000_000)
        #expect(found == bytes)
        await pair.close()
    }

    @Test("A connection that breaks in the middle ends every wait", arguments: ChunkPool.forced.indices)
    func breaks(pool index: Int) async throws {
        for round in 0..<5 {
            let pair = try await ConnectedPair(pool: ChunkPool.forced[index], handler: ConnectionTests.echo)
            let call = try await pair.parent.call("echo", body: .bytes(ConnectionTests.pattern(6_000_000)))
            let body = try await call.response().body
            for _ in 0...round { _ = try await body.nextPiece() }
            await pair.child.abort()
            await #expect(throws: CallError.self) { while try await body.nextPiece() != nil {} }
            _ = await pair.parent.closed()
        }
    }

    @Test(
        "A damaged chunk in the middle fails the body there, and the sender is told",
        arguments: ChunkPool.forced.indices
    )
    func damaged(pool index: Int) async throws {
        let count = 100_000
        let offer = Offer(size: UInt64(8 * count), codec: .zlib, digest: .none)
        let answer = try await BareAnswer(offer, pool: ChunkPool.forced[index])
        let body = try await answer.call.response().body
        let reader = Task {
            var taken = 0
            do throws(CallError) {
                while let piece = try await body.nextPiece() {
                    #expect(piece.bytes == [UInt8](repeating: UInt8(taken), count: count))
                    taken += 1
                }
                return (taken, CallError?.none)
            } catch {
                return (taken, error)
            }
        }
        #expect(await answer.lastFrame(until: .accept) == .accept)
        let deflater = ChunkDeflater(codec: .zlib)
        answer.child.send(
            try (0..<8).map { number in
                let raw = [UInt8](repeating: UInt8(number), count: count)
                var payload = try #require(deflater.compress(raw, within: count))
                if number == 5 { payload[payload.count - 1] ^= 1 }
                return OutboundFrame(.data, flags: .compressed, stream: 1, payload: payload[...])
            }
        )
        let (taken, error) = await reader.value
        #expect(taken == 5 && error == .corruptBody("\(CodecError.damaged)"))
        #expect(await answer.lastFrame(until: .stop) == .stop)
        await answer.close()
    }
}

extension ParallelCodecTests {
    /// Bytes that do not compress.
    static let noise: [UInt8] = {
        var random = SplitMix64(state: 11)
        return random.bytes(262_144)
    }()
}
