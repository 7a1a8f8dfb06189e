// SPDX-License-Identifier: Apache-2.0

/// A call in the hands of a worker that does one thing at a time (``Worker/runBlocking(name:limits:initialise:handler:)``).
///
/// Each method blocks until it is done. Between them nothing is read: a ping of the supervisor waits, and a cancel is
/// noticed at the next method; a long computation asks ``isCancelled`` now and then.
public final class BlockingCall {
    /// What is wanted.
    public let method: String
    /// Named values, in the opener's order.
    public let arguments: [Argument]
    /// What remained of the call's time when it came.
    public let timeout: Duration?
    /// Raw bytes of the request body, where the opener knows.
    public var size: UInt64? { stream.size }
    /// What the opener is told at the end: counts, an exit code, further values.
    public var trailer = Trailer()

    private let link: BlockingLink
    private let stream: BlockingStream
    private let request: Request
    private var head: ResponseHead?
    private var encoder: BodyEncoder?
    private var buffer: [UInt8] = []
    private var written: UInt64 = 0
    private var isAnswering = false

    init(_ link: BlockingLink, _ stream: BlockingStream, _ request: Request) {
        self.link = link
        self.stream = stream
        self.request = request
        method = request.method
        arguments = request.arguments
        timeout = request.deadline.map { .milliseconds(Int64(clamping: $0)) }
    }

    /// The last argument with this key, as text; nil if there is none or it is not UTF-8.
    public subscript(key: String) -> String? {
        guard let value = arguments.last(where: { $0.key == key })?.value else { return nil }
        return String(validating: value, as: UTF8.self)
    }

    /// Whether the opener has given up the call.
    ///
    /// Takes what has come meanwhile, and answers pings.
    public var isCancelled: Bool {
        link.takeArrived()
        return stream.isCancelled || link.end != nil
    }

    // MARK: The request body

    /// The next piece of the body, or nil at its end.
    ///
    /// It ends without an error only if every byte came and the digest is right.
    public func nextPiece() throws(CallError) -> [UInt8]? { try stream.next(link) }

    /// The whole body in memory.
    ///
    /// One of more than `limit` raw bytes fails with ``CallError/tooLarge(limit:)``, before it moves if its size was told.
    public func collect(upTo limit: UInt64) throws(CallError) -> [UInt8] {
        var bytes: [UInt8] = []
        try collect(into: &bytes, upTo: limit)
        return bytes
    }

    /// The whole body in place of `bytes`, in their memory if it is large enough and nobody else's.
    ///
    /// For who takes one large body after the other. When it fails, `bytes` are empty.
    public func collect(into bytes: inout [UInt8], upTo limit: UInt64) throws(CallError) {
        try stream.collect(link, into: &bytes, upTo: limit)
    }

    // MARK: The answer

    /// Begins the answer; `size` is in raw bytes, where known.
    ///
    /// Without it the first ``write(_:)`` begins one of unknown size.
    public func respond(size: UInt64? = nil, arguments: [Argument] = []) {
        precondition(head == nil, "a call is answered once")
        let codec = request.offer.codec
        // Whether it comes so is for the opener to say.
        let isShared = codec == .none && link.state.machine.canShareMemory
        let delivery: BodyDelivery = isShared ? .arena : .inline
        head = ResponseHead(
            offer: Offer(size: size, codec: codec, delivery: delivery, digest: request.offer.digest),
            arguments: arguments
        )
    }

    /// Answers with bytes that are there.
    public func respond(_ bytes: [UInt8], arguments: [Argument] = []) throws(CallError) {
        respond(size: UInt64(bytes.count), arguments: arguments)
        try write(bytes)
    }

    /// Sends `bytes` of the answer, or keeps them until more than a chunk is there.
    public func write(_ bytes: [UInt8]) throws(CallError) {
        if head == nil { respond() }
        written += UInt64(bytes.count)
        if buffer.isEmpty { buffer = bytes } else { buffer.append(contentsOf: bytes) }
        guard buffer.count > Int(link.state.machine.limits.maxChunk) else { return }
        let all = buffer
        buffer = []
        try send(all, isLast: false)
    }

    /// Tells the opener how far the call is; never waits.
    public func progress(_ progress: Progress) {
        link.state.machine.sendProgress(stream.id, progress)
        link.obey()
    }

    /// A line for the opener's log; never waits.
    public func log(_ level: LogLevel, _ text: String) {
        link.state.machine.sendLog(stream.id, LogLine(level: level, text: text))
        link.obey()
    }

    private func send(_ bytes: [UInt8], isLast: Bool) throws(CallError) {
        guard let head else { return }
        var encoder = self.encoder ?? BodyEncoder(head.offer)
        defer { self.encoder = encoder }
        if !isAnswering { try beginAnswer() }
        do {
            try stream.send(bytes[...], &encoder, over: link, isLast: isLast)
        } catch let error as CallError {
            throw error
        } catch {
            throw .source("\(error)")
        }
    }

    private func beginAnswer() throws(CallError) {
        guard let head else { return }
        if let failure = stream.failure { throw failure }
        do throws(CallRejection) {
            try link.state.machine.respond(stream.id, head)
        } catch {
            throw CallError(error, end: link.end)
        }
        isAnswering = true
    }

    /// The handler has returned.
    func finish() throws(CallError) {
        if head == nil { respond(size: 0) }
        let rest = buffer
        buffer = []
        // All of it is here: the size is known now.
        if !isAnswering, head?.offer.size == nil { head?.offer.size = UInt64(rest.count) }
        if let size = head?.offer.size, size != written {
            throw .source("the handler announced \(size) bytes and wrote \(written)")
        }
        var trailer = trailer
        ProcessUsage.current.fill(&trailer)
        if !isAnswering, let offer = head?.offer, link.state.machine.isSentAtOnce(offer) {
            head?.whole = WholeBody(rest, as: offer, trailer: trailer)
            try beginAnswer()
            link.obey()
            return
        }
        try send(rest, isLast: true)
        link.state.machine.sendEnd(stream.id, digest: encoder?.finish() ?? 0, trailer: trailer)
        link.obey()
    }

    /// The handler has thrown.
    func fail(_ error: any Error) {
        var told =
            switch error {
            case let failure as CallFailure: failure.error
            case let error as CallError: IncomingCall.remoteError(error, isCancelled: stream.isCancelled)
            default:
                stream.isCancelled
                    ? RemoteError(code: .cancelled, reason: "cancelled")
                    : RemoteError(
                        code: .internal,
                        exitCode: 70,
                        reason: "the handler of '\(method)' failed: \(error)"
                    )
            }
        told.peakRSS = ProcessUsage.current.peakRSS
        link.state.machine.fail(stream.id, told)
        link.obey()
    }
}
