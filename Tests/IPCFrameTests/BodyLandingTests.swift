// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Testing

@testable import IPCFrame

extension Connection {
    /// Whether a chunk of the call's body has been read to its place.
    func hasLanded(_ id: UInt64) -> Bool { calls[id]?.landing?.isUnused == false }
}

/// Bodies that are read straight into the memory of who collects them.
@Suite struct BodyLandingTests {
    private static let size = 100_000
    private static let bytes = ConnectionTests.pattern(size)

    private static func offer(_ digest: BodyDigest = .none, codec: BodyCodec = .none) -> Offer {
        Offer(size: UInt64(size), codec: codec, digest: digest)
    }

    private static func data(_ range: Range<Int>, flags: FrameFlags = []) -> OutboundFrame {
        OutboundFrame(.data, flags: flags, stream: 1, payload: bytes[range])
    }

    private static func end(_ total: Int = size, _ digest: UInt32? = nil) -> OutboundFrame {
        var payload: [UInt8] = []
        let kind: BodyDigest = digest == nil ? .none : .crc32
        End(total: UInt64(total), digestKind: kind, digest: digest ?? 0, trailer: Trailer()).encode(into: &payload)
        return OutboundFrame(.end, stream: 1, payload: payload[...])
    }

    private static let ping: OutboundFrame = {
        var payload: [UInt8] = []
        payload.appendLittleEndian(UInt64(1))
        return OutboundFrame(.ping, payload: payload[...])
    }()

    /// Opens a call, and collects its answer while `write` sends it.
    private func collect(
        _ offer: Offer = Self.offer(),
        _ write: (BareAnswer) async throws -> Void
    ) async throws -> Result<[UInt8], CallError> {
        let answer = try await BareAnswer(offer)
        let body = try await answer.call.response().body
        let reader = Task {
            do throws(CallError) {
                return Result<[UInt8], CallError>.success(try await body.collect(upTo: 1 << 20))
            } catch {
                return .failure(error)
            }
        }
        #expect(await answer.lastFrame(until: .accept) == .accept)
        try await write(answer)
        let result = await reader.value
        await answer.close()
        return result
    }

    /// Sends the beginning of the body; whether it has been read to its place.
    private func lands(_ range: Range<Int>, _ answer: BareAnswer) async -> Bool {
        answer.child.send([Self.data(range), Self.ping])
        #expect(await answer.lastFrame(until: .pong) == .pong)
        return await answer.parent.hasLanded(1)
    }

    @Test("A chunk is read to its place unless the body may be compressed", arguments: [BodyCodec.none, .zlib])
    func landsAsItComes(codec: BodyCodec) async throws {
        let result = try await collect(Self.offer(codec: codec)) { answer in
            #expect(await lands(0..<40_000, answer) == (codec == .none))
            answer.child.send([Self.data(40_000..<Self.size), Self.end()])
        }
        #expect(result == .success(Self.bytes))
    }

    @Test("Frames of others may come between its chunks, and a flush without bytes", arguments: [false, true])
    func comesInTurns(isTorn: Bool) async throws {
        let result = try await collect { answer in
            let frames = [
                Self.data(0..<1), Self.data(1..<40_000), Self.ping, Self.data(40_000..<40_010, flags: .flush),
                OutboundFrame(.data, flags: .flush, stream: 1, payload: []), Self.data(40_010..<Self.size), Self.end(),
            ]
            guard isTorn else { return answer.child.send(frames) }
            let wire = BareChild.bytes(of: frames)
            // Parts that end anywhere in a header or a payload.
            for start in stride(from: 0, to: wire.count, by: 997) {
                answer.child.write(Array(wire[start..<min(wire.count, start + 997)]))
                await Task.yield()
            }
        }
        #expect(result == .success(Self.bytes))
    }

    @Test func theDigestIsChecked() async throws {
        var digest = CRC32Digest()
        digest.update(Self.bytes)
        let right = digest.value
        for value in [right, right ^ 1] {
            let result = try await collect(Self.offer(.crc32)) { answer in
                #expect(await lands(0..<50_000, answer))
                answer.child.send([Self.data(50_000..<Self.size), Self.end(Self.size, value)])
                let last: FrameType = value == right ? .credit : .stop
                #expect(await answer.lastFrame(until: last) == last)
            }
            let wrong = CallError.digestMismatch(expected: right ^ 1, found: right)
            #expect(result == (value == right ? .success(Self.bytes) : .failure(wrong)))
        }
    }

    /// What has landed is not handed out.
    @Test("A body that ends before its end is an error", arguments: ["RESET", "close", "END", "too much"])
    func endsEarly(how: String) async throws {
        let result = try await collect { answer in
            #expect(await lands(0..<70_000, answer))
            switch how {
            case "RESET":
                var payload: [UInt8] = []
                Halt(code: .failed, reason: "no more").encode(into: &payload)
                answer.child.send([OutboundFrame(.reset, stream: 1, payload: payload[...])])
            case "close":
                // In the middle of a payload that is on its way to its place.
                let last = BareChild.bytes(of: [Self.data(70_000..<Self.size)])
                answer.child.write(Array(last.dropLast(20_000)))
                #expect(shutdown(answer.child.socket, CInt(SHUT_RDWR)) == 0)
            case "END": answer.child.send([Self.end(70_000)])
            default: answer.child.send([Self.data(0..<40_000)])
            }
        }
        guard case .failure(let error) = result else {
            Issue.record("it was taken as whole")
            return
        }
        switch how {
        case "RESET": #expect(error == .reset(code: .failed, reason: "no more"))
        case "close": #expect(error == .connection(.peerVanished(duringFrame: true)))
        default:
            guard case .connection(.violation(let violation)) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(violation.code == (how == "END" ? .malformedFrame : .creditExceeded))
        }
    }

    @Test("A body that is given up in the middle of a chunk leaves the connection as it was")
    func isGivenUp() async throws {
        let answer = try await BareAnswer(Self.offer())
        let body = try await answer.call.response().body
        let reader = Task { try await body.collect(upTo: 1 << 20) }
        #expect(await answer.lastFrame(until: .accept) == .accept)
        #expect(await lands(0..<10_000, answer))
        let wire = BareChild.bytes(of: [Self.data(10_000..<60_000)])
        answer.child.write(Array(wire.dropLast(30_000)))
        reader.cancel()
        await #expect(throws: CallError.cancelled) { try await reader.value }
        #expect(await answer.lastFrame(until: .reset) == .reset)
        // The rest of the chunk, and the answerer's last word.
        answer.child.write(Array(wire.suffix(30_000)))
        var payload: [UInt8] = []
        RemoteError(code: .cancelled, reason: "").encode(into: &payload)
        answer.child.send([OutboundFrame(.error, stream: 1, payload: payload[...]), Self.ping])
        #expect(await answer.lastFrame(until: .pong) == .pong)
        await answer.call.finished()
        await answer.close()
    }

    @Test func landsInABlockingChildToo() async throws {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        let socket = fds[1]
        let served = CallThreads.shared.run {
            let adopted = OwnedDescriptor(adopting: socket)
            let link = BlockingLink(adopted, role: .child, name: "child", limits: ConnectionLimits())
            do throws(ConnectionEnd) {
                try Worker.serve(link, nil) { call in
                    try call.respond(try call.collect(upTo: 1 << 20))
                    // Only of what has landed.
                    let digest = link.state.streams.values.first?.landing?.digest
                    call.trailer.counts = [Count("landed", UInt64(digest?.value ?? 0))]
                }
            } catch {
                #expect(error == .orderly)
            }
        }
        let parent = Connection(adopting: OwnedDescriptor(adopting: fds[0]), role: .parent)
        parent.start()
        _ = try await parent.handshake()
        var options = CallOptions()
        options.codec = .none
        let body = try await parent.call("x", body: .bytes(Self.bytes), options: options).response().body
        #expect(try await body.collect(upTo: 1 << 20) == Self.bytes)
        var digest = CRC32Digest()
        digest.update(Self.bytes)
        #expect(body.trailer?.counts == [Count("landed", UInt64(digest.value))])
        await parent.drain()
        await served.value
    }
}
