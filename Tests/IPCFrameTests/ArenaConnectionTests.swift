// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

extension Connection {
    fileprivate var areAllSlotsFree: Bool { machine.areAllSlotsFree }

    fileprivate func setArenaIdleTime(_ time: Duration) { arenaIdleTime = time }

    /// The first byte of the other side's first slot.
    fileprivate nonisolated var firstByte: UInt8? { arena.region?.read(ArenaPlace(slot: 0, count: 1)).first }

    /// Changes every slot that this side sends from, as no honest process does.
    fileprivate nonisolated func scribble() {
        let garbage = [UInt8](repeating: 0xEE, count: ArenaLayout.slotBytes)
        for slot in 0..<ArenaLayout.slots { arena.region?.write(garbage[...], to: slot) }
    }
}

@Suite struct ArenaConnectionTests {
    private static var options: CallOptions {
        var options = CallOptions()
        options.codec = .none
        options.delivery = .arena
        return options
    }

    private static func expectFreeSlots(_ pair: ConnectedPair) async throws {
        // The last CREDIT may still be on its way, and a handler may not have let go of its slots.
        for connection in [pair.parent, pair.child] {
            for _ in 0..<1_000 where await !connection.areAllSlotsFree { try await Task.sleep(for: .milliseconds(10)) }
            #expect(await connection.areAllSlotsFree)
        }
    }

    @Test(
        "A body of any size comes back from shared memory as it was",
        arguments: [0, 1, 65_536, 65_537, 98_303, 262_143, 262_144, 262_145, 5_000_000]
    )
    func echoes(count: Int) async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        let bytes = ConnectionTests.pattern(count)
        let call = try await pair.parent.call("echo", body: .bytes(bytes), options: Self.options)
        let found = try await call.response().body.collect(upTo: 10_000_000)
        #expect(found == bytes)
        #expect((call.statistics.chunksShared > 0) == (count > 65_536))
        #expect(call.statistics.bytesSent == UInt64(count) && call.statistics.bytesReceived == UInt64(count))
        await call.finished()
        try await Self.expectFreeSlots(pair)
        await pair.close()
    }

    @Test func manyCallsAtOnceShareTheSlotsAndTheSocket() async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        try await withThrowingTaskGroup(of: UInt64.self) { group in
            for index in 0..<20 {
                group.addTask {
                    let bytes = ConnectionTests.pattern(700_000 + 10_000 * index)
                    let call = try await pair.parent.call("echo", body: .bytes(bytes), options: Self.options)
                    #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
                    await call.finished()
                    return call.statistics.chunksShared
                }
            }
            var shared: UInt64 = 0
            for try await count in group { shared += count }
            #expect(shared > 0)
        }
        try await Self.expectFreeSlots(pair)
        await pair.close()
    }

    @Test func theOpenerSaysHowBothBodiesTravel() async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        var options = Self.options
        let bytes = ConnectionTests.pattern(1_000_000)
        for (delivery, isShared) in [(CallOptions.Delivery.inline, false), (.arena, true)] {
            options.delivery = delivery
            let call = try await pair.parent.call("echo", body: .bytes(bytes), options: options)
            #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
            #expect((call.statistics.chunksShared > 0) == isShared)
        }
        await pair.close()
    }

    @Test func compressedBodiesGoInline() async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        var options = Self.options
        options.codec = .zlib
        let bytes = ConnectionTests.pattern(1_000_000)
        let call = try await pair.parent.call("echo", body: .bytes(bytes), options: options)
        #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
        #expect(call.statistics.chunksShared == 0)
        await pair.close()
    }

    /// Where the size is told, the bytes of either way are collected in one place.
    @Test(arguments: [false, true])
    func smallPiecesGoInlineAndLargeOnesThroughTheArena(isSizeTold: Bool) async throws {
        let pair = try await ConnectedPair { call in
            try await call.respond(try await call.body.collect(upTo: 10_000_000))
        }
        let pieces = [100, 300_000, 7, 32_768, 32_767, 1_000_000, 1].map(ConnectionTests.pattern)
        let source = PieceSource(pieces)
        let size = isSizeTold ? UInt64(pieces.reduce(0) { $0 + $1.count }) : nil
        let body = OutboundBody.pieces(size: size) { source.next() }
        let call = try await pair.parent.call("echo", body: body, options: Self.options)
        #expect(try await call.response().body.collect(upTo: 10_000_000) == pieces.flatMap { $0 })
        #expect(call.statistics.chunksShared > 0)
        await call.finished()
        try await Self.expectFreeSlots(pair)
        await pair.close()
    }

    /// Small chunks, parts of chunks and runs of chunks in any order, while others want slots too.
    @Test(arguments: 0..<4)
    func piecesOfAnySizeComeAsTheyAreAndLeaveNoSlot(seed: UInt64) async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 as Range<UInt64> {
                group.addTask {
                    var random = SplitMix64(state: seed * 4 + number)
                    let counts = [1, 20_000, 32_768, 200_000, 262_144, 300_000, 524_288, 1_100_000]
                    let pieces = (0..<12).map { _ in
                        ConnectionTests.pattern(counts[Int(random.next() % UInt64(counts.count))])
                    }
                    let size = number % 2 == 0 ? UInt64(pieces.reduce(0) { $0 + $1.count }) : nil
                    let source = PieceSource(pieces)
                    let body = OutboundBody.pieces(size: size) { source.next() }
                    let call = try await pair.parent.call("echo", body: body, options: Self.options)
                    #expect(try await call.response().body.collect(upTo: 1 << 30) == pieces.flatMap { $0 })
                    await call.finished()
                }
            }
        }
        try await Self.expectFreeSlots(pair)
        await pair.close()
    }

    @Test func aRunGivesBackWhatItsSenderHadReservedBefore() async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        let source = PieceSource([ConnectionTests.pattern(2 * ArenaLayout.slotBytes)])
        let parent = pair.parent
        // As a sender of small pieces does, whose credit then ends in the middle of one.
        let body = OutboundBody.pieces {
            guard let next = source.next() else { return nil }
            let room = try await parent.sendRoom(1, slots: 4, taken: 0)
            #expect(room.slots.count == 4)
            return next
        }
        let call = try await parent.call("echo", body: body, options: Self.options)
        let answer = try await call.response().body.collect(upTo: 10_000_000)
        #expect(answer == ConnectionTests.pattern(2 * ArenaLayout.slotBytes) && call.statistics.chunksShared > 0)
        await call.finished()
        try await Self.expectFreeSlots(pair)
        await pair.close()
    }

    @Test func aCollectedBodyIsCopiedOutOfItsSlotsAsTheyCome() async throws {
        let pair = try await ConnectedPair { call in
            try await call.respond(try await call.body.collect(upTo: 10_000_000))
        }
        let bytes = ConnectionTests.pattern(1_000_000)
        let (rest, continuation) = AsyncStream<[UInt8]>.makeStream()
        continuation.yield(Array(bytes[..<600_000]))
        let call = try await pair.parent.call(
            "echo",
            body: .sequence(rest, size: UInt64(bytes.count)),
            options: Self.options
        )
        // The child's reader sleeps; what has come lies where it is collected, and its slots are free again.
        for _ in 0..<1_000 where await !pair.child.hasLanded(1) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await pair.child.hasLanded(1))
        for _ in 0..<1_000 where await !pair.parent.areAllSlotsFree { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await pair.parent.areAllSlotsFree)
        continuation.yield(Array(bytes[600_000...]))
        continuation.finish()
        #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
        #expect(call.statistics.chunksShared > 3)
        await call.finished()
        await pair.close()
    }

    @Test func theAnswerToASmallRequestMayComeThroughTheArena() async throws {
        let bytes = ConnectionTests.pattern(2_000_000)
        let pair = try await ConnectedPair { call in try await call.respond(bytes) }
        let call = try await pair.parent.call("get", options: Self.options)
        #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
        #expect(call.statistics.chunksShared > 0)
        await pair.close()
    }

    @Test("A call that is given up in the middle frees its slots", arguments: ["cancel", "stop", "fail"])
    func endsInTheMiddle(how: String) async throws {
        let pair = try await ConnectedPair { call in
            if call.method == "echo" { return try await ConnectionTests.echo(call) }
            let writer = call.respond(size: nil)
            for count in 0... {
                if call.method == "fail", count == 3 { throw CallFailure(reason: "enough") }
                try await writer.write([UInt8](repeating: UInt8(truncatingIfNeeded: count), count: 300_000))
            }
        }
        for _ in 0..<5 {
            let call = try await pair.parent.call(how, options: Self.options)
            let body = try await call.response().body
            _ = try? await body.nextPiece()
            switch how {
            case "cancel": call.cancel()
            case "stop": await body.stop()
            default: while (try? await body.nextPiece()) != nil {}
            }
            await call.finished()
        }
        try await Self.expectFreeSlots(pair)
        let bytes = ConnectionTests.pattern(1_000_000)
        let call = try await pair.parent.call("echo", body: .bytes(bytes), options: Self.options)
        #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
        await call.finished()
        await pair.close()
    }

    @Test func memoryThatNobodyUsesGoesBackToTheSystemAndComesAgain() async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        await pair.parent.setArenaIdleTime(.milliseconds(20))
        await pair.child.setArenaIdleTime(.milliseconds(20))
        let bytes = [UInt8](repeating: 7, count: 3_000_000)
        for _ in 0..<2 {
            let call = try await pair.parent.call("echo", body: .bytes(bytes), options: Self.options)
            #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
            #expect(call.statistics.chunksShared > 0)
            await call.finished()
            // Each side's half, as the other one sees it.
            while pair.child.firstByte != 0 || pair.parent.firstByte != 0 {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        await pair.close()
    }

    @Test func aWorkerThatScribblesHarmsItsOwnCallOnly() async throws {
        let (scribbled, told) = AsyncStream<Void>.makeStream()
        let bytes = ConnectionTests.pattern(1_000_000)
        let pair = try await ConnectedPair { call in
            if call.method == "echo" { return try await ConnectionTests.echo(call) }
            let writer = call.respond(size: UInt64(bytes.count) + 1)
            // More than a chunk is left to be written: all of these bytes are in their slots when it returns.
            try await writer.write(bytes)
            call.connection.scribble()
            told.yield()
            try await writer.write([1])
        }
        let call = try await pair.parent.call("scribble", options: Self.options)
        let body = try await call.response().body
        _ = try await body.nextPiece()
        for await _ in scribbled { break }
        let error = await #expect(throws: CallError.self) { while try await body.nextPiece() != nil {} }
        guard case .digestMismatch? = error else {
            Issue.record("the body ends with \(String(describing: error))")
            return
        }
        let again = try await pair.parent.call("echo", body: .bytes(bytes), options: Self.options)
        #expect(try await again.response().body.collect(upTo: 10_000_000) == bytes)
        await pair.close()
    }
}

/// Gives its pieces, one after another.
private final class PieceSource: Sendable {
    private let pieces: Mutex<[[UInt8]]>

    init(_ pieces: [[UInt8]]) { self.pieces = Mutex(pieces.reversed()) }

    func next() -> [UInt8]? { pieces.withLock { $0.popLast() } }
}
