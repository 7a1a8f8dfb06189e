// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

extension Connection {
    /// Whether the reactor takes an answer by itself, of which its caller knows nothing, awake or not.
    fileprivate var isCollecting: Bool {
        calls.values.contains { $0.collectedHead != nil && $0.response?.isFilled == false }
    }

    /// As when a chunk of a body is found to be bad.
    fileprivate func stopAllBodies() {
        for id in stride(from: UInt64(1), to: 20, by: 2) where calls[id] != nil {
            stopBody(id, code: .corruptChunk, reason: "bad")
        }
    }
}

/// Calls whose whole answer is wanted, made in one step.
@Suite struct AnswerTests {
    private static func handle(_ call: IncomingCall) async throws {
        switch call.method {
        case "echo":
            call.trailer.counts = [Count("calls", 1)]
            try await call.respond(try await call.body.collect(upTo: 1 << 30), arguments: call.arguments)
        case "half":
            // The rest never comes.
            try await call.respond(size: 3_000_000).write([UInt8](repeating: 1, count: 1_500_000))
            if call["then"] == "fail" { throw CallFailure(.badData, exitCode: 65, reason: "the data are bad") }
            if call["then"] == "vanish" { await call.peer.abort() }
            let (cancelled, continuation) = AsyncStream<Void>.makeStream()
            call.onCancel { continuation.finish() }
            for await _ in cancelled {}
            throw CallError.cancelled
        case "fail": throw CallFailure(.badData, exitCode: 65, reason: "the data are bad")
        case "wait":
            let (cancelled, continuation) = AsyncStream<Void>.makeStream()
            call.onCancel { continuation.finish() }
            for await _ in cancelled {}
            throw CallError.cancelled
        default: throw Worker.unknownMethod(call.method)
        }
    }

    @Test(arguments: [0, 64, 65_536, 3_000_000], [BodyCodec.none, .zlib])
    func isAllThere(count: Int, codec: BodyCodec) async throws {
        let pair = try await ConnectedPair(handler: Self.handle)
        var options = CallOptions()
        options.codec = codec
        let bytes = ConnectionTests.pattern(count)
        let arguments = [Argument("key", "value")]
        let answer = try await pair.parent.call(
            "echo",
            arguments: arguments,
            body: .bytes(bytes),
            options: options,
            upTo: UInt64(count)
        )
        #expect(answer.body == bytes && answer.arguments == arguments)
        #expect(answer.trailer.counts == [Count("calls", 1)])
        await pair.close()
    }

    @Test func whatFailsIsTold() async throws {
        let pair = try await ConnectedPair(handler: Self.handle)
        let parent = pair.parent
        await #expect {
            _ = try await parent.call("fail", upTo: 100)
        } throws: { error in
            if case CallError.failed(let failure) = error { failure.code == .badData } else { false }
        }
        await #expect(throws: CallError.methodNameLength(257)) {
            try await parent.call(String(repeating: "x", count: 257), upTo: 100)
        }
        // Small enough to have come before anybody looks, and not.
        for count in [101, 1_000_000] {
            await #expect(throws: CallError.tooLarge(limit: 100)) {
                try await parent.call("echo", body: .bytes([UInt8](repeating: 1, count: count)), upTo: 100)
            }
        }
        #expect(try await parent.call("echo", body: .bytes([1]), upTo: 100).body == [1])
        await pair.close()
        await #expect(throws: CallError.connection(.orderly)) { try await parent.call("echo", upTo: 100) }
    }

    @Test("Cancelling the task cancels the call", arguments: [false, true])
    func isCancelled(atOnce: Bool) async throws {
        let pair = try await ConnectedPair(handler: Self.handle)
        let parent = pair.parent
        let task = Task {
            if atOnce { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
            return try await parent.call("wait", upTo: 100)
        }
        if !atOnce {
            while await pair.child.openCalls == 0 { _ = try await parent.ping() }
            task.cancel()
        }
        await #expect(throws: CallError.cancelled) { try await task.value }
        // Which waits for the last call's end as well.
        await pair.close()
    }

    @Test("An answer that breaks off while the reactor collects it is told", .timeLimit(.minutes(1)))
    func breaksOff() async throws {
        let pair = try await ConnectedPair(handler: Self.handle)
        let parent = pair.parent
        var options = CallOptions()
        options.codec = .none
        for delivery in [CallOptions.Delivery.inline, .arena] {
            options.delivery = delivery
            await #expect {
                _ = try await parent.call("half", arguments: [Argument("then", "fail")], options: options, upTo: .max)
            } throws: { error in
                if case CallError.failed(let failure) = error { failure.code == .badData } else { false }
            }
            let task = Task { [options] in try await parent.call("half", options: options, upTo: .max) }
            while await !parent.isCollecting { _ = try await parent.ping() }
            task.cancel()
            await #expect(throws: CallError.cancelled) { try await task.value }
        }
        let task = Task { [options] in try await parent.call("half", options: options, upTo: .max) }
        while await !parent.isCollecting { _ = try await parent.ping() }
        await parent.stopAllBodies()
        await #expect(throws: CallError.stopped(code: .corruptChunk, reason: "bad")) { try await task.value }
        #expect(try await parent.call("echo", body: .bytes([1]), upTo: 100).body == [1])
        await #expect {
            _ = try await parent.call("half", arguments: [Argument("then", "vanish")], options: options, upTo: .max)
        } throws: { error in
            if case CallError.connection(.peerVanished) = error { true } else { false }
        }
    }

    @Test func aCallIsToldOfWhenAllThatCameWithItIsThere() async throws {
        let found = Mutex<[String]>([])
        var configuration = ConnectionConfiguration()
        configuration.onCall = { call in
            let kinds = call.peer.assumeIsolated { connection in
                let inbound = connection.calls.values[0].inbound
                return (0..<3).map { _ in Self.kind(of: try? inbound.takeNow()) }
            }
            found.withLock { $0 = kinds }
        }
        let (parent, child) = try await BareChild.connect(configuration: configuration)
        var request: [UInt8] = []
        let offer = Offer(size: 3, codec: .none, digest: .none)
        Request(method: "x", arguments: [], deadline: nil, offer: offer).encode(into: &request)
        var end: [UInt8] = []
        End(total: 3, digestKind: .none, digest: 0, trailer: Trailer()).encode(into: &end)
        child.send([
            OutboundFrame(.request, stream: 2, payload: request[...]),
            OutboundFrame(.data, stream: 2, payload: [1, 2, 3]),
            OutboundFrame(.end, stream: 2, payload: end[...]),
            OutboundFrame(.ping, payload: [1, 0, 0, 0, 0, 0, 0, 0]),
        ])
        #expect(await child.receive { $0.last?.header.type == .pong }.last?.header.type == .pong)
        #expect(found.withLock { $0 } == ["chunk", "end", "nothing"])
        await parent.abort()
    }

    private static func kind(of item: InboundQueue.Item?) -> String {
        switch item {
        case .chunk: "chunk"
        case .file: "file"
        case .end: "end"
        case .damaged: "damaged"
        case nil: "nothing"
        }
    }
}
