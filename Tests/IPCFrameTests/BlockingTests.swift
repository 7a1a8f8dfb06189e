// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// The drivers that block, against the asynchronous ones and against each other.
@Suite struct BlockingTests {
    static let sizes = [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 5_000_000]

    @Test("A body of any size comes back as it was", arguments: BlockingRig.Driver.allCases, [BodyCodec.none, .zlib])
    func echoes(child: BlockingRig.Driver, codec: BodyCodec) async throws {
        try await BlockingRig.withBlockingParent(child: child) { parent in
            for count in Self.sizes {
                let bytes = ConnectionTests.pattern(count)
                for method in ["echo", "stream"] {
                    var options = CallOptions()
                    options.codec = codec
                    let answer = try parent.call(method, body: bytes, options: options)
                    #expect(answer.body == bytes, "\(method) of \(count)")
                    #expect(answer.trailer.peakRSS != nil)
                }
            }
        }
    }

    @Test("… and to a parent that does not block", arguments: [BodyCodec.none, .zlib])
    func echoesOfABlockingChild(codec: BodyCodec) async throws {
        try await BlockingRig.withBlockingChild { parent in
            for count in Self.sizes {
                let bytes = ConnectionTests.pattern(count)
                for method in ["echo", "stream"] {
                    var options = CallOptions()
                    options.codec = codec
                    let call = try await parent.call(method, body: .bytes(bytes), options: options)
                    #expect(try await call.response().body.collect(upTo: 1 << 30) == bytes, "\(method) of \(count)")
                }
            }
        }
    }

    @Test("Both ends send at once, more than any window, and none waits", arguments: BlockingRig.Driver.allCases)
    func streamsBothWays(child: BlockingRig.Driver) async throws {
        try await BlockingRig.withBlockingParent(child: child) { parent in
            var sent = CRC32Digest()
            var received = CRC32Digest()
            var left = 200
            _ = try parent.call("stream", options: CallOptions()) {
                guard left > 0 else { return nil }
                left -= 1
                let piece = [UInt8](repeating: UInt8(left), count: 250_000)
                sent.update(piece)
                return piece
            } receiving: {
                received.update($0)
            }
            #expect(received.value == sent.value)
        }
    }

    @Test func manyCallsFollowEachOther() async throws {
        try await BlockingRig.withBlockingParent(child: .blocking) { parent in
            for number in 0..<2_000 {
                let answer = try parent.call("echo", arguments: [Argument("n", "\(number)")], body: [1, 2, 3])
                #expect(answer.body == [1, 2, 3])
                #expect(answer.arguments == [Argument("n", "\(number)")])
            }
        }
    }

    @Test func aSmallCallAndItsAnswerAreOneWriteEach() async throws {
        try await BlockingRig.withBlockingParent(child: .blocking) { parent in
            _ = try parent.call("echo", body: [1])
            let (writes, reads) = (parent.link.state.writer.writes, parent.link.state.reader.reads)
            for _ in 0..<100 { _ = try parent.call("echo", body: [1, 2, 3]) }
            #expect(parent.link.state.writer.writes - writes == 100)
            #expect(parent.link.state.reader.reads - reads == 100)
        }
    }

    @Test("The memory of one answer serves for the next", arguments: BlockingRig.Driver.allCases)
    func memoryIsUsedAgain(child: BlockingRig.Driver) async throws {
        try await BlockingRig.withBlockingParent(child: child) { parent in
            var options = CallOptions()
            options.codec = .none
            var memory: [UInt8] = []
            var addresses: Set<Int> = []
            for count in [3_000_000, 100, 2_000_000, 0, 3_000_000] {
                let bytes = ConnectionTests.pattern(count)
                _ = try parent.call("echo", body: bytes, options: options, into: &memory)
                #expect(memory == bytes)
                // Only told apart, never followed.
                addresses.insert(unsafe memory.withUnsafeBytes { Int(bitPattern: $0.baseAddress) })
            }
            #expect(addresses.count == 1)
            #expect(throws: CallError.tooLarge(limit: 1)) {
                try parent.call("echo", body: [1, 2], options: options, into: &memory, upTo: 1)
            }
            #expect(memory.isEmpty)
        }
    }

    @Test func callsThatComeAtOnceAreAnsweredInTurn() async throws {
        try await BlockingRig.withBlockingChild { parent in
            var calls: [OutgoingCall] = []
            for number in 0..<50 { calls.append(try await parent.call("echo", body: .bytes([UInt8(number)]))) }
            for (number, call) in calls.enumerated() {
                #expect(try await call.response().body.collect(upTo: 10) == [UInt8(number)])
            }
        }
    }

    @Test func progressAndLogLinesAreHandedOut() async throws {
        try await BlockingRig.withBlockingParent(child: .blocking) { parent in
            var told: [String] = []
            _ = try parent.call(
                "tell",
                onEvent: { event in
                    switch event {
                    case .log(let line): told.append(line.text)
                    case .progress(let progress): told.append("\(progress.completed)")
                    }
                }
            )
            #expect(told == ["a line", "1"])
        }
    }

    @Test("What nobody wants to be told of keeps no call from its answer", .timeLimit(.minutes(1)))
    func eventsThatNobodyWantsAreDropped() async throws {
        try await BlockingRig.withBlockingParent(child: .blocking) { parent in
            // Small, and too large for one frame each way.
            for count in [3, 300_000] {
                let body = ConnectionTests.pattern(count)
                let answer = try parent.call("tell, then echo", body: body)
                #expect(answer.body == body)
            }
        }
    }
}
