// SPDX-License-Identifier: Apache-2.0

import Glibc
import IPCFrame

/// A worker and a parent that says what a case tells it to, byte by byte.
final class Session {
    let socket: RawSocket
    private let worker: WorkerUnderTest
    private let deadline: ContinuousMoment
    private(set) var limits = ConnectionLimits()
    private var isOpen = false
    /// What WELCOME puts in force, as far as HELLO offers it.
    var wantedFeatures: UInt64 = 0
    /// What is in force.
    private(set) var features: UInt64 = 0
    private var lastPing: UInt64 = 0
    /// Bytes of the one response body that a case counts.
    var received: UInt64 = 0

    init(_ command: WorkerCommand, timeout: Duration) throws {
        deadline = .now + timeout
        let (ours, theirs) = try RawSocket.pair(deadline: deadline)
        socket = ours
        worker = try WorkerUnderTest(command, socket: theirs)
    }

    var printedTail: String { worker.printedTail() }

    // MARK: Saying

    static func frame(
        _ type: FrameType,
        flags: FrameFlags = [],
        stream: UInt64 = 0,
        _ encode: (inout [UInt8]) -> Void = { _ in }
    ) -> [UInt8] {
        frame(type, flags: flags, stream: stream, payload: encoded(encode))
    }

    static func frame(
        _ type: FrameType,
        flags: FrameFlags = [],
        stream: UInt64 = 0,
        payload: [UInt8]
    ) -> [UInt8] {
        let header = FrameHeader(type, flags: flags, stream: stream, length: UInt32(payload.count))
        return encoded { header.encode(into: &$0) } + payload
    }

    static func encoded(_ encode: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        encode(&bytes)
        return bytes
    }

    func send(
        _ type: FrameType,
        flags: FrameFlags = [],
        stream: UInt64 = 0,
        _ encode: (inout [UInt8]) -> Void = { _ in }
    ) throws {
        try socket.write(Self.frame(type, flags: flags, stream: stream, encode))
    }

    /// A frame with a descriptor, which goes with its first byte.
    func send(_ frame: [UInt8], withDescriptor descriptor: CInt) throws {
        try socket.write(frame[0], withDescriptor: descriptor)
        try socket.write(Array(frame.dropFirst()))
    }

    /// Opens a call to `echo`; for a body sent at once, `body` follows with its END.
    func request(_ stream: UInt64, _ offer: Offer, body: [UInt8]? = nil, method: String = "echo") throws {
        var bytes = Self.frame(.request, stream: stream) { Request(method: method, offer: offer).encode(into: &$0) }
        if let body { bytes += Self.frame(.data, stream: stream, payload: body) + Self.end(stream, body, offer) }
        try socket.write(bytes)
    }

    static func end(_ stream: UInt64, _ body: [UInt8], _ offer: Offer) -> [UInt8] {
        var digest = CRC32Digest()
        if offer.digest == .crc32 { digest.update(body) }
        let end = End(total: UInt64(body.count), digestKind: offer.digest, digest: digest.value, trailer: Trailer())
        return frame(.end, stream: stream) { end.encode(into: &$0) }
    }

    /// PING with a value above all before it.
    func sendPing() throws {
        lastPing += 1
        try send(.ping) { Number(lastPing).encode(into: &$0) }
    }

    // MARK: Hearing

    /// The next frame, or nil at the end of file.
    ///
    /// Answers PING; passes over frames that must be ignored.
    func next(for what: String) throws -> RawFrame? {
        while true {
            let limit = isOpen ? limits.maxPayload : ConnectionLimits.maxHandshakePayload
            guard let frame = try socket.readFrame(limit: limit, for: what) else { return nil }
            switch frame.type {
            case nil where frame.header.rawType & 0x80 != 0: continue
            case .ping: try socket.write(Self.frame(.pong, payload: frame.payload))
            case .log, .progress: continue
            default: return frame
            }
        }
    }

    /// The next frame, which must be of `type`.
    @discardableResult
    func expect(_ type: FrameType, stream: UInt64 = 0, _ why: String = "") throws -> RawFrame {
        let wanted = type.name + (stream == 0 ? "" : " on stream \(stream)") + (why.isEmpty ? "" : " (\(why))")
        guard let frame = try next(for: wanted) else { throw Failed("the worker closed instead of \(wanted)") }
        guard frame.type == type, frame.stream == stream else {
            throw Failed("\(describe(frame)) came instead of \(wanted)")
        }
        return frame
    }

    /// Frames that come before the one of `type`, and that one.
    func skip(to type: FrameType, stream: UInt64 = 0) throws -> RawFrame {
        while true {
            guard let frame = try next(for: type.name) else {
                throw Failed("the worker closed instead of \(type.name)")
            }
            if frame.type == type, frame.stream == stream { return frame }
            if frame.type == .error, frame.stream == 0 { throw Failed("\(describe(frame)) came") }
        }
    }

    func describe(_ frame: RawFrame) -> String {
        guard frame.type == .error, let error = try? RemoteError(parsing: frame.payload, flags: frame.header.flags)
        else { return frame.name }
        return "\(frame.name) '\(error.code): \(error.reason)'"
    }

    /// The worker must say ERROR on stream 0 with the code, close and exit.
    func expectViolation(_ code: ErrorCode, or other: ErrorCode? = nil) throws {
        while true {
            guard let frame = try next(for: "ERROR on stream 0, code \(code)") else {
                throw Failed("the worker closed without ERROR '\(code)' on stream 0 (§13)")
            }
            guard frame.type == .error, frame.stream == 0 else { continue }
            let error = try RemoteError(parsing: frame.payload, flags: frame.header.flags)
            let isRight = error.code == code || error.code == other
            try check(isRight, "the worker says '\(error.code): \(error.reason)', not '\(code)'")
            try check(!error.reason.isEmpty, "the worker's ERROR has no reason")
            break
        }
        try expectEndOfFile()
        try expectExit()
    }

    /// No frame but reports may come before the end of file.
    func expectEndOfFile() throws {
        if let frame = try next(for: "the end of file") {
            throw Failed("\(describe(frame)) came where the worker must have closed")
        }
    }

    /// The worker must end by itself; with `code`, if one is given.
    ///
    /// A worker whose parent has vanished may kill its own process group, to take with it what it has started.
    func expectExit(_ code: CInt? = nil, orKillsItself: Bool = false) throws {
        switch worker.waitForExit(until: deadline) {
        case nil: throw Failed("the worker does not exit")
        case .signal(SIGKILL) where orKillsItself: return
        case .signal(let number): throw Failed("the worker was killed by signal \(number)")
        case .code(let found):
            if let code { try check(found == code, "the worker exits with \(found), not \(code)") }
        }
    }

    // MARK: Whole exchanges

    /// HELLO, which must come first.
    @discardableResult
    func hello() throws -> Hello {
        let frame = try expect(.hello)
        let hello = try Hello(parsing: frame.payload)
        let theirs = hello.capabilities.limits
        limits.maxChunk = min(limits.maxChunk, theirs.maxChunk)
        limits.maxStreams = min(limits.maxStreams, theirs.maxStreams)
        limits.initialCredit = min(limits.initialCredit, theirs.initialCredit)
        return hello
    }

    /// The WELCOME that fits `hello`.
    func welcome(to hello: Hello) -> Welcome {
        var inForce = Capabilities()
        inForce.limits = limits
        inForce.codecs &= hello.capabilities.codecs
        inForce.digests &= hello.capabilities.digests
        features = hello.capabilities.features & wantedFeatures
        inForce.features = features
        inForce.name = "conformance"
        inForce.pid = UInt32(getpid())
        return Welcome(version: 1, capabilities: inForce)
    }

    /// The whole handshake, with what the case changes in WELCOME.
    @discardableResult
    func open(_ adjust: (inout Welcome) -> Void = { _ in }) throws -> Hello {
        let hello = try hello()
        var welcome = welcome(to: hello)
        adjust(&welcome)
        limits = welcome.capabilities.limits
        try send(.welcome) { welcome.encode(into: &$0) }
        try expect(.ready)
        isOpen = true
        return hello
    }

    /// The connection must be usable: a ping is answered and a call is.
    func expectUsable(nextStream: UInt64) throws {
        try sendPing()
        let pong = try skip(to: .pong)
        try check(try Number(parsing: pong.payload).value == lastPing, "PONG has another value than PING (§12)")
        try request(nextStream, Offer(size: 2), body: Array("ok".utf8))
        try check(try answer(nextStream) == Array("ok".utf8), "the echo of 'ok' is not 'ok'")
    }

    /// The whole response body of a call; what comes on other streams is passed over.
    func answer(_ stream: UInt64) throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            guard let frame = try next(for: "the answer on stream \(stream)") else {
                throw Failed("the worker closed instead of answering on stream \(stream)")
            }
            guard frame.stream == stream else {
                if frame.type == .error, frame.stream == 0 { throw Failed("\(describe(frame)) came") }
                continue
            }
            switch frame.type {
            case .response:
                let head = try ResponseHead(parsing: frame.payload)
                if let whole = head.whole { return try checkedBody(of: whole, head.offer) }
                guard !head.offer.isSentAtOnce(initialCredit: limits.initialCredit) else { continue }
                try send(.accept, stream: stream) { Accept(limit: 1 << 30).encode(into: &$0) }
            case .data:
                try check(!frame.header.flags.contains(.compressed), "the chunk is compressed; the request was not")
                body += frame.payload
            case .end: return body
            case .credit, .accept: continue
            default: throw Failed("\(describe(frame)) came instead of the answer")
            }
        }
    }

    /// A response body that has come with its frame must be as it was offered.
    private func checkedBody(of whole: WholeBody, _ offer: Offer) throws -> [UInt8] {
        try check(features & Capabilities.whole != 0, "a RESPONSE has a body where WELCOME put no such thing in force")
        let isOffered = offer.isSentAtOnce(initialCredit: limits.initialCredit)
        try check(isOffered && offer.size == UInt64(whole.bytes.count), "a RESPONSE does not offer its body so")
        let bytes = Array(whole.bytes)
        var digest = CRC32Digest()
        if offer.digest == .crc32 { digest.update(bytes) }
        try check(whole.digest == digest.value, "the digest of the RESPONSE's body is wrong")
        return bytes
    }

    /// DRAIN, BYE both ways, end of file, exit 0.
    func close() throws {
        try send(.drain) { Number(0).encode(into: &$0) }
        _ = try skip(to: .bye)
        try send(.bye)
        socket.shutdownWriting()
        try expectEndOfFile()
        try expectExit(0)
    }
}
