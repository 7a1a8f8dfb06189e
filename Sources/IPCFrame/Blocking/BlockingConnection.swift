// SPDX-License-Identifier: Apache-2.0

/// The parent's end of a connection for a program that does one thing at a time: each method blocks until it is done.
///
/// For scripts and tests, and where the last microsecond of a small call counts: no other thread, no task, no hop. It
/// belongs to one thread, makes one call at a time, and reads nothing between its calls. Calls that the worker opens are
/// failed. A server, or whoever has several calls at once, takes ``Connection``.
public final class BlockingConnection {
    let link: BlockingLink

    /// Takes over a connected stream socket.
    ///
    /// `sharesMemory`: whether bodies may travel through memory that both ends share; what is used is said call by call.
    public init(
        adopting descriptor: consuming OwnedDescriptor,
        name: String = "",
        limits: ConnectionLimits = ConnectionLimits(),
        sharesMemory: Bool = true
    ) {
        link = BlockingLink(descriptor, role: .parent, name: name, limits: limits, sharesMemory: sharesMemory)
    }

    /// Waits until the worker is ready.
    ///
    /// - Throws: ``ConnectionEnd/handshakeTimedOut`` after `timeout`, or why the connection is over.
    public func handshake(timeout: Duration = .seconds(10)) throws(ConnectionEnd) {
        link.state.machine.start()
        guard try link.wait(until: .now + timeout, { link.state.machine.phase == .open }) else {
            link.state.machine.handshakeTimedOut()
            link.obey()
            throw .handshakeTimedOut
        }
    }

    /// Makes a call with a body in memory and collects the answer, of at most `limit` bytes (64 MiB).
    ///
    /// A `timeout` of the options is kept: the call is given up then, as ``ErrorCode/deadlineExceeded``.
    public func call(
        _ method: String,
        arguments: [Argument] = [],
        body: [UInt8] = [],
        options: CallOptions = CallOptions(),
        upTo limit: UInt64 = 64 << 20,
        onEvent: ((CallEvent) -> Void)? = nil
    ) throws -> Answer {
        var bytes: [UInt8] = []
        let answer = try call(
            method,
            arguments: arguments,
            body: body,
            options: options,
            into: &bytes,
            upTo: limit,
            onEvent: onEvent
        )
        return Answer(arguments: answer.arguments, body: bytes, trailer: answer.trailer)
    }

    /// The same, with the answer's body in place of `bytes`, in their memory if it is large enough and nobody else's.
    ///
    /// For who takes one large answer after the other. When it fails, `bytes` are empty.
    public func call(
        _ method: String,
        arguments: [Argument] = [],
        body: [UInt8] = [],
        options: CallOptions = CallOptions(),
        into bytes: inout [UInt8],
        upTo limit: UInt64 = 64 << 20,
        onEvent: ((CallEvent) -> Void)? = nil
    ) throws -> Answer {
        var unsent: [UInt8]? = body
        var memory: [UInt8] = []
        swap(&memory, &bytes)
        var collector = BodyCollector(size: nil, limit: limit)
        let stream = try perform(
            method,
            arguments: arguments,
            size: UInt64(body.count),
            whole: body,
            options: options,
            onEvent: onEvent,
            next: { unsent.take() },
            begin: { stream throws(CallError) in
                collector = try stream.beginCollecting(reusing: &memory, upTo: limit)
            },
            receive: { piece throws(CallError) in try collector.append(piece) }
        )
        bytes = stream.collected(collector)
        return Answer(arguments: stream.head?.arguments ?? [], body: [], trailer: stream.trailer ?? Trailer())
    }

    /// Makes a call whose body comes from `next`, of any size, and hands out the answer piece by piece.
    ///
    /// What is received while the body is still being sent is handed out then, so neither end waits for the other for
    /// ever. `next` gives nil at the end; `size` is the raw bytes in all, where known. What either function throws gives
    /// up the call, and is thrown on.
    public func call(
        _ method: String,
        arguments: [Argument] = [],
        size: UInt64? = nil,
        options: CallOptions = CallOptions(),
        onEvent: ((CallEvent) -> Void)? = nil,
        sending next: () throws -> [UInt8]?,
        receiving receive: ([UInt8]) throws -> Void
    ) throws -> Answer {
        let stream = try perform(
            method,
            arguments: arguments,
            size: size,
            options: options,
            onEvent: onEvent,
            next: next,
            begin: { _ in },
            receive: receive
        )
        return Answer(arguments: stream.head?.arguments ?? [], body: [], trailer: stream.trailer ?? Trailer())
    }

    /// Ends the connection in order: the worker finishes and says goodbye.
    ///
    /// - Returns: how it ended; ``ConnectionEnd/orderly`` if all is well, ``ConnectionEnd/aborted`` after `timeout`.
    @discardableResult
    public func close(timeout: Duration = .seconds(10)) -> ConnectionEnd {
        link.state.machine.drain()
        do throws(ConnectionEnd) {
            if try !link.wait(until: .now + timeout, { false }) { link.state.machine.abort() }
            link.obey()
            return link.end ?? .aborted
        } catch {
            return error
        }
    }

    // MARK: One call

    private func perform(
        _ method: String,
        arguments: [Argument],
        size: UInt64?,
        whole: [UInt8]? = nil,
        options: CallOptions,
        onEvent: ((CallEvent) -> Void)?,
        next: () throws -> [UInt8]?,
        begin: (BlockingStream) throws -> Void,
        receive: ([UInt8]) throws -> Void
    ) throws -> BlockingStream {
        guard (1...256).contains(method.utf8.count) else { throw CallError.methodNameLength(method.utf8.count) }
        let (stream, offer, isSent) = try link.state.open(method, arguments, size, whole, options)
        stream.deadline = options.timeout.map { .now + $0 }
        var hasBegun = false
        /// Hands out what has come of the answer.
        func takeAnswer() throws -> Bool {
            // Taken also where nobody wants them: what waits here would be news for ever.
            for event in stream.takeEvents() { onEvent?(event) }
            while true {
                if !hasBegun, stream.hasBegun {
                    hasBegun = true
                    try begin(stream)
                }
                switch try stream.look(link) {
                case .piece(let bytes): try receive(bytes)
                case .end: return true
                case .nothing: return false
                }
            }
        }
        do {
            var isAnswered = false
            if !isSent {
                try send(stream, offer, next) { _ = try takeAnswer() }
                isAnswered = try takeAnswer()
            }
            while !isAnswered {
                refuseCalls()
                try stream.wait(link) { stream.hasNews || stream.hasEvents }
                isAnswered = try takeAnswer()
            }
        } catch {
            // Whatever it was: the worker need not go on.
            link.state.machine.cancel(stream.id)
            link.obey()
            throw error
        }
        return stream
    }

    /// Sends the whole body; a worker that has answered before its end does not want the rest.
    private func send(
        _ stream: BlockingStream,
        _ offer: Offer,
        _ next: () throws -> [UInt8]?,
        takeAnswer: () throws -> Void
    ) throws {
        var encoder = BodyEncoder(offer)
        var sent: UInt64 = 0
        do {
            while let piece = try next() {
                sent += UInt64(piece.count)
                if let size = offer.size, sent > size {
                    throw CallError.source("it gave more than the \(size) bytes that were announced")
                }
                try stream.send(
                    piece[...],
                    &encoder,
                    over: link,
                    isLast: sent == offer.size,
                    takesAnswer: true,
                    takeAnswer: takeAnswer
                )
            }
        } catch CallError.stopped {
            return
        }
        if let size = offer.size, sent < size {
            throw CallError.source("it ended after \(sent) of the \(size) bytes that were announced")
        }
        // Without a byte of body nothing has waited for the verdict.
        if sent == 0, offer.size != 0 || offer.isHeld {
            let id = stream.id
            try stream.wait(link) { !link.state.machine.isSending(id) || link.state.machine.isAccepted(id) }
        }
        link.state.machine.sendEnd(stream.id, digest: encoder.finish(), trailer: Trailer())
        link.obey()
    }

    /// This side takes no calls.
    private func refuseCalls() {
        while let (stream, request) = link.state.takeCall() {
            let reason = "this side takes no calls: '\(request.method)' is unknown"
            link.state.machine.fail(stream.id, RemoteError(code: .unknownMethod, exitCode: 64, reason: reason))
        }
    }
}
