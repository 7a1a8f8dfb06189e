// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

/// Bodies that come with the frame that offers them (PROTOCOL.md §7.5).
@Suite struct WholeBodyTests {
    private static func rig(_ role: ConnectionStateMachine.Role, features: UInt64 = Capabilities.whole) -> Rig {
        var configuration = ConnectionStateMachine.Configuration()
        configuration.capabilities.features = features
        return Rig.open(role, configuration)
    }

    private static func open(_ rig: Rig, _ count: Int, _ arguments: [Argument] = []) throws -> UInt64 {
        let body = WholeBody([UInt8](repeating: 1, count: count)[...])
        let offer = Offer(size: UInt64(count))
        return try rig.perform {
            try $0.openCall(Request(method: "m", arguments: arguments, offer: offer, whole: body))
        }
    }

    // MARK: What goes so

    @Test(arguments: StateTableStreamTests.roles)
    func aSmallBodyGoesWithItsFrame(role: ConnectionStateMachine.Role) throws {
        let rig = Self.rig(role)
        for count in [0, 1, WholeBody.maxBytes] {
            let id = try Self.open(rig, count)
            #expect(rig.frameTypes == [.request] && rig.stream(id)?.send.state == .ended)
        }
        let id = rig.beCalled(Sample.small)
        let head = ResponseHead(offer: Offer(size: 3), whole: WholeBody([1, 2, 3]))
        try rig.perform { try $0.respond(id, head) }
        #expect(rig.frameTypes == [.response] && rig.stream(id)?.send.state == .ended)
    }

    @Test func whatIsTooLargeOrNotAgreedUponGoesBehindIt() throws {
        let apart: [FrameType] = [.request, .data, .end]
        let rig = Self.rig(.parent)
        _ = try Self.open(rig, WholeBody.maxBytes + 1)
        #expect(rig.frameTypes == apart)
        // The frame as a whole has its bound, too.
        _ = try Self.open(rig, 10_000, [Argument("key", [UInt8](repeating: 1, count: 55_000))])
        #expect(rig.frameTypes == apart)
        _ = try Self.open(rig, 10_000, [Argument("key", [UInt8](repeating: 1, count: 54_000))])
        #expect(rig.frameTypes == [.request])
        let old = Self.rig(.parent, features: 0)
        _ = try Self.open(old, 5)
        #expect(old.frameTypes == apart)
        _ = try Self.open(old, 0)
        #expect(old.frameTypes == [.request, .end])
    }

    @Test func droppedLogLinesAreToldBeforeIt() throws {
        let rig = Self.rig(.child)
        let id = rig.beCalled(Sample.small)
        rig.perform(writing: false) { machine in
            for _ in 0..<100 { machine.sendLog(id, LogLine(level: .info, text: "a line")) }
        }
        let head = ResponseHead(offer: Offer(size: 3), whole: WholeBody([1, 2, 3]))
        try rig.perform { try $0.respond(id, head) }
        #expect(rig.frameTypes.last == .response && rig.frameTypes.dropLast().allSatisfy { $0 == .log })
        let last = try #require(rig.frames.dropLast().last)
        #expect(try LogLine(parsing: Array(last.payload)).dropped == 36)
    }

    @Test func aTrailerThatFitsIntoNoFrameFailsTheAnswer() throws {
        let rig = Self.rig(.child)
        let id = rig.beCalled(Sample.small)
        var trailer = Trailer()
        trailer.values = [Argument("long", [UInt8](repeating: 1, count: 300_000))]
        let head = ResponseHead(offer: Offer(size: 1), whole: WholeBody([1], trailer: trailer))
        try rig.perform { try $0.respond(id, head) }
        #expect(rig.frameTypes.last == .error)
    }

    // MARK: What comes so

    @Test func aBodyThatWasNotAgreedUponIsIgnored() {
        let rig = Self.rig(.child, features: 0)
        rig.feed(.request, stream: 1, payload: Sample.wholeRequest)
        #expect(rig.stream(1)?.receive.state == .receiving)
        guard case .call(_, let request)? = rig.actions.first else {
            Issue.record("no call")
            return
        }
        #expect(request.whole == nil)
    }

    @Test func nothingOfItComesBehindIt() {
        for type in [FrameType.data, .end] {
            let rig = Self.rig(.child)
            rig.feed(.request, stream: 1, payload: Sample.wholeRequest)
            rig.feed(type, stream: 1, payload: Sample.payload(type))
            StateTableConnectionTests.checkViolation(rig, "violation unexpectedFrame")
        }
    }

    @Test func aCallWhoseBodyIsWholeCanBeCancelled() {
        let rig = Self.rig(.child)
        rig.feed(.request, stream: 1, payload: Sample.wholeRequest)
        rig.feedHalt(.reset, .cancelled, on: 1)
        #expect(rig.actionNames == ["cancel"])
        rig.perform { $0.fail(1, RemoteError(code: .cancelled, reason: "")) }
        #expect(rig.frameTypes == [.error] && rig.stream(1) == nil)
    }

    // MARK: Connections

    @Test("A small call and its answer are a frame each way", arguments: [0, 64, 5_000])
    func isOneFrameEachWay(count: Int) async throws {
        let pair = try await ConnectedPair { call in
            try await call.respond(try await call.body.collect(upTo: 1 << 20))
        }
        let bytes = ConnectionTests.pattern(count)
        let call = try await pair.parent.call("echo", body: .bytes(bytes))
        let response = try await call.response()
        #expect(response.body.size == UInt64(count) && response.body.trailer == nil)
        #expect(try await response.body.collect(upTo: 1 << 20) == bytes)
        #expect(response.body.trailer?.peakRSS != nil)
        await call.finished()
        #expect(call.statistics.bytesSent == UInt64(count) && call.statistics.bytesReceived == UInt64(count))
        // By either way, and with nothing else between.
        #expect(try await pair.parent.call("echo", body: .bytes(bytes), upTo: 1 << 20).body == bytes)
        let frames = await pair.parent.recentFrames.map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
        #expect(frames.suffix(4) == ["> REQUEST", "< RESPONSE", "> REQUEST", "< RESPONSE"])
        await pair.close()
    }

    @Test func aWrongDigestIsTheCallsError() async throws {
        for isOneStep in [true, false] {
            let (parent, child) = try await BareChild.connect(features: Capabilities.whole)
            var head: [UInt8] = []
            let offer = Offer(size: 3, digest: .crc32)
            ResponseHead(offer: offer, whole: WholeBody([1, 2, 3], digest: 7)).encode(into: &head)
            let answer = Task {
                if isOneStep { return try await parent.call("x", upTo: 100).body }
                return try await parent.call("x").response().body.collect(upTo: 100)
            }
            _ = await child.receive { !$0.isEmpty }
            child.send([OutboundFrame(.response, stream: 1, payload: head[...])])
            await #expect {
                _ = try await answer.value
            } throws: { error in
                if case CallError.digestMismatch(expected: 7, found: _) = error { true } else { false }
            }
            #expect(await parent.openCalls == 0)
            await parent.abort()
            child.close()
        }
    }

    @Test func ofACancelledCallNothingIsReadAnyMore() async throws {
        let found = Mutex<Result<[UInt8], any Error>?>(nil)
        var configuration = ConnectionConfiguration()
        configuration.handle { call in
            let (cancelled, continuation) = AsyncStream<Void>.makeStream()
            call.onCancel { continuation.finish() }
            for await _ in cancelled {}
            do {
                let bytes = try await call.body.collect(upTo: 100)
                found.withLock { $0 = .success(bytes) }
            } catch {
                found.withLock { $0 = .failure(error) }
                throw error
            }
        }
        let (parent, child) = try await BareChild.connect(configuration: configuration, features: Capabilities.whole)
        child.send([OutboundFrame(.request, stream: 2, payload: Sample.wholeRequest[...])])
        child.send([OutboundFrame(.reset, stream: 2, payload: Sample.halt(.cancelled)[...])])
        #expect(await child.receive { !$0.isEmpty }.last?.header.type == .error)
        let result = try #require(found.withLock { $0 })
        #expect(throws: CallError.reset(code: .cancelled, reason: "")) { try result.get() }
        await parent.abort()
        child.close()
    }
}
