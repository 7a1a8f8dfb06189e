// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Bodies that are collected in memory that was used before.
@Suite struct CollectIntoTests {
    private static func handle(_ call: IncomingCall) async throws {
        try await call.respond(try await call.body.collect(upTo: 1 << 30))
    }

    private static func address(of bytes: [UInt8]) -> Int {
        // Only told apart, never followed.
        unsafe bytes.withUnsafeBytes { Int(bitPattern: $0.baseAddress) }
    }

    private static func options(_ codec: BodyCodec, _ delivery: CallOptions.Delivery) -> CallOptions {
        var options = CallOptions()
        options.codec = codec
        options.delivery = delivery
        return options
    }

    private static func echo(
        _ bytes: [UInt8],
        over connection: Connection,
        _ options: CallOptions,
        into memory: inout [UInt8],
        inOneStep: Bool = false
    ) async throws {
        if inOneStep {
            let body = OutboundBody.bytes(bytes)
            _ = try await connection.call("echo", body: body, options: options, into: &memory, upTo: 1 << 30)
            return
        }
        let call = try await connection.call("echo", body: .bytes(bytes), options: options)
        try await call.response().body.collect(into: &memory, upTo: 1 << 30)
    }

    @Test(
        "The memory is used again, whichever way the body comes",
        arguments: [BodyCodec.none, .zlib],
        [false, true]
    )
    func isUsedAgain(codec: BodyCodec, inOneStep: Bool) async throws {
        let pair = try await ConnectedPair(handler: Self.handle)
        for delivery in CallOptions.Delivery.allCases {
            let options = Self.options(codec, delivery)
            var memory: [UInt8] = []
            let begin = ConnectionTests.pattern(3_000_000)
            try await Self.echo(begin, over: pair.parent, options, into: &memory, inOneStep: inOneStep)
            let first = Self.address(of: memory)
            // The same size, smaller, and the first size again; one that is sent at once among them.
            for count in [3_000_000, 1_000_000, 100, 2_999_999, 0, 3_000_000] {
                let bytes = ConnectionTests.pattern(count)
                try await Self.echo(bytes, over: pair.parent, options, into: &memory, inOneStep: inOneStep)
                #expect(memory == bytes && Self.address(of: memory) == first, "\(delivery), \(count) bytes")
            }
            // More than there is room for.
            let large = ConnectionTests.pattern(5_000_000)
            try await Self.echo(large, over: pair.parent, options, into: &memory, inOneStep: inOneStep)
            #expect(memory == large)
        }
        await pair.close()
    }

    @Test("What somebody else still has is not written to", arguments: [BodyCodec.none, .zlib])
    func isNotTakenAway(codec: BodyCodec) async throws {
        let pair = try await ConnectedPair(handler: Self.handle)
        let options = Self.options(codec, .inline)
        var memory: [UInt8] = []
        let bytes = ConnectionTests.pattern(1_000_000)
        try await Self.echo(bytes, over: pair.parent, options, into: &memory)
        let kept = memory
        let others = [UInt8](repeating: 3, count: 1_000_000)
        try await Self.echo(others, over: pair.parent, options, into: &memory)
        #expect(kept == bytes && memory == others)
        await pair.close()
    }

    @Test func isEmptyAfterAFailure() async throws {
        let pair = try await ConnectedPair(handler: Self.handle)
        for count in [1_000, 1_000_000] {
            var memory = [UInt8](repeating: 9, count: 2_000_000)
            let call = try await pair.parent.call("echo", body: .bytes([UInt8](repeating: 1, count: count)))
            let body = try await call.response().body
            await #expect(throws: CallError.tooLarge(limit: 100)) { try await body.collect(into: &memory, upTo: 100) }
            #expect(memory.isEmpty)
        }
        await pair.close()
    }
}
