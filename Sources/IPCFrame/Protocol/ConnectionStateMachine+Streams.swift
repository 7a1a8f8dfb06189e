// SPDX-License-Identifier: Apache-2.0

// Table 14.3 of PROTOCOL.md: what a frame does to an open stream.
extension ConnectionStateMachine {
    mutating func receive(
        _ type: FrameType,
        _ header: FrameHeader,
        _ payload: [UInt8],
        on stream: Stream
    ) throws(ProtocolViolation) {
        switch type {
        case .accept: try receiveAccept(try Accept(parsing: payload), stream)
        case .credit: try receiveCredit(try Credit(parsing: payload), stream)
        case .stop: try receiveStop(try Halt(parsing: payload), stream)
        case .refuse: try receiveRefuse(try Refuse(parsing: payload), stream)
        case .data: try receiveData(header, payload, stream)
        case .end: try receiveEnd(try End(parsing: payload), stream)
        case .reset: try receiveReset(try Halt(parsing: payload), stream)
        case .response: try receiveResponse(payload, stream)
        case .error: try receiveError(try RemoteError(parsing: payload, flags: header.flags), stream)
        case .progress: try receiveNote(.progress(stream.id, Progress(parsing: payload, flags: header.flags)), stream)
        case .log: try receiveNote(.log(stream.id, LogLine(parsing: payload)), stream)
        case .hello, .welcome, .reject, .ready, .request, .ping, .pong, .drain, .bye, .arena:
            preconditionFailure("\(type) is no frame of an open stream")
        }
    }

    // MARK: The half that we send

    private mutating func receiveAccept(_ accept: Accept, _ stream: Stream) throws(ProtocolViolation) {
        switch stream.send.state {
        case .idle, .sending, .untaken: throw unexpected("\(stream.send.state)")
        case .offered:
            stream.send.state = .sending
            guard accept.delivery == .inline || accept.delivery == stream.send.offer?.delivery else {
                throw .malformed("delivery \(accept.delivery) was not offered")
            }
            stream.send.delivery = accept.delivery
            stream.send.limit = accept.limit
            stream.send.isBlocked = false
            act(.sendable(stream.id))
        case .ended: break
        }
    }

    private mutating func receiveCredit(_ credit: Credit, _ stream: Stream) throws(ProtocolViolation) {
        switch stream.send.state {
        case .idle, .offered: throw unexpected("\(stream.send.state)")
        case .ended:
            arena.free(stream.id, upTo: credit.consumed)
            return
        case .sending, .untaken: break
        }
        guard credit.consumed <= stream.send.sent else {
            throw .malformed("\(credit.consumed) bytes are said to be consumed where \(stream.send.sent) were sent")
        }
        stream.send.limit = max(stream.send.limit, credit.limit)
        if credit.consumed > stream.send.consumed {
            stream.send.consumed = credit.consumed
            arena.free(stream.id, upTo: credit.consumed)
            act(.consumed(stream.id, credit.consumed))
        }
        if stream.send.state == .untaken, stream.send.consumed == stream.send.sent {
            stream.send.state = .ended
            act(.taken(stream.id))
            forgetIfOver(stream)
        } else {
            unblock(stream)
        }
    }

    private mutating func receiveStop(_ stop: Halt, _ stream: Stream) throws(ProtocolViolation) {
        arena.free(stream.id)
        switch stream.send.state {
        case .idle: throw unexpected("idle")
        case .ended: return
        case .offered, .sending:
            takeBackSlots(stream)
            // Of an answerer's half RESET is the call's last frame: nobody reads a LOG that comes behind it, and a
            // request that is there as a whole is no reason to count the call any longer.
            stream.queue.removeAll()
            sendReset(stream, Halt(code: .stopped))
            if !stream.isLocal, stream.receive.state == .taking {
                releaseBudget(stream)
                stream.receive.state = .ended
            }
        case .untaken: break
        }
        stream.send.state = .ended
        act(.stopped(stream.id, stop))
        forgetIfOver(stream)
    }

    private mutating func receiveRefuse(_ refuse: Refuse, _ stream: Stream) throws(ProtocolViolation) {
        if stream.isLocal {
            switch stream.receive.state {
            case .awaitingResponse: act(.refused(stream.id, refuse))
            case .discarding: break
            case .offered, .receiving, .taking, .ended: throw unexpected("\(stream.receive.state)")
            }
        } else {
            guard stream.send.state != .idle else { throw unexpected("idle") }
            act(.refused(stream.id, refuse))
        }
        arena.free(stream.id)
        creditLast(stream)
        forget(stream)
    }

    // MARK: The half that we receive

    private mutating func receiveResponse(_ payload: [UInt8], _ stream: Stream) throws(ProtocolViolation) {
        guard stream.isLocal else { throw unexpected("answerer") }
        guard payload.count <= ConnectionLimits.maxArguments else {
            throw ProtocolViolation(
                .frameTooLarge,
                limit: UInt64(ConnectionLimits.maxArguments),
                detail: "arguments of \(payload.count)"
            )
        }
        var head = try ResponseHead(parsing: payload)
        if !canSendWhole { head.whole = nil }
        try check(head.offer)
        switch stream.receive.state {
        case .awaitingResponse:
            stream.receive.start(head.offer, initialCredit: limits.initialCredit)
            if let whole = head.whole { try receiveWhole(whole, stream) }
            act(.response(stream.id, head))
            forgetIfOver(stream)
        case .discarding:
            guard head.whole != nil else { break }
            stream.receive.state = .ended
            endRequestHalf(stream)
            forgetIfOver(stream)
        case .offered, .receiving, .taking, .ended: throw unexpected("\(stream.receive.state)")
        }
    }

    private mutating func receiveData(
        _ header: FrameHeader,
        _ payload: [UInt8],
        _ stream: Stream
    ) throws(ProtocolViolation) {
        switch stream.receive.state {
        case .discarding: return
        case .awaitingResponse, .offered, .taking, .ended: throw unexpected("\(stream.receive.state)")
        case .receiving: break
        }
        let codec = stream.receive.offer?.codec ?? .none
        let chunk = try Chunk(
            flags: header.flags,
            payload: payload,
            codec: codec,
            delivery: stream.receive.delivery,
            maxChunk: limits.maxChunk
        )
        if let file = chunk.file { return try receiveFile(file, chunk, stream) }
        let (reach, overflow) = stream.receive.received.addingReportingOverflow(UInt64(chunk.rawCount))
        guard !overflow, reach <= stream.receive.limit else {
            throw ProtocolViolation(
                .creditExceeded,
                limit: stream.receive.limit,
                detail: "a chunk reaches offset \(reach)"
            )
        }
        stream.receive.received = reach
        if chunk.isFlush {
            if chunk.rawCount == 0, stream.receive.flushOffset == reach {
                // The same question again; the application answers it once, however often it is asked.
                if stream.receive.flushedOffset == reach { out.appendCredit(stream) }
                checkControlBound()
                return
            }
            stream.receive.flushOffset = reach
        }
        act(.deliver(stream.id, chunk))
    }

    /// Whether a DATA frame is nothing but the next raw bytes of a body that comes as it is, so that its payload may be
    /// read where they belong; then ``receiveLanded(_:)`` takes its place.
    ///
    /// Of a body that may be compressed none can: what lands is consumed at once, and would overtake what waits. Chunks of
    /// such a body that come by the arena must go to the same place.
    func canLand(_ header: FrameHeader) -> Bool {
        guard header.type == .data, phase == .open, header.flags.isDisjoint(with: [.compressed, .arena, .file]),
            let stream = streams[header.stream], stream.receive.state == .receiving,
            stream.receive.delivery != .descriptor, stream.receive.offer?.codec == BodyCodec.none,
            header.length > 0, header.length <= limits.maxChunk
        else { return false }
        return UInt64(header.length) <= stream.receive.limit - stream.receive.received
    }

    /// Takes a frame that ``canLand(_:)``, and whose payload is where it belongs: its bytes are consumed.
    ///
    /// - Returns: false when the body was given up while they came.
    mutating func receiveLanded(_ header: FrameHeader) -> Bool {
        guard phase == .open, let stream = streams[header.stream], stream.receive.state == .receiving else {
            return false
        }
        let isFlush = header.flags.contains(.flush)
        stream.receive.received += UInt64(header.length)
        if isFlush { stream.receive.flushOffset = stream.receive.received }
        consume(stream.id, count: Int(header.length), isFlush: isFlush)
        return true
    }

    private mutating func receiveEnd(_ end: End, _ stream: Stream) throws(ProtocolViolation) {
        switch stream.receive.state {
        case .awaitingResponse, .offered, .taking, .ended: throw unexpected("\(stream.receive.state)")
        case .discarding:
            stream.receive.state = .ended
            if stream.isLocal { endRequestHalf(stream) }
            forgetIfOver(stream)
            return
        case .receiving: break
        }
        guard end.total == stream.receive.received else {
            throw .malformed("END says \(end.total) bytes where \(stream.receive.received) came")
        }
        if let size = stream.receive.offer?.size, size != end.total {
            throw .malformed("END says \(end.total) bytes where \(size) were offered")
        }
        guard end.digestKind == stream.receive.offer?.digest else {
            throw .malformed("END has the digest \(end.digestKind), which was not offered")
        }
        stream.receive.state = .taking
        budget.settle(&stream.receive)
        serveWaitingAccepts()
        if stream.isLocal { endRequestHalf(stream) }
        act(.end(stream.id, end))
    }

    /// The answerer has ended the call: what is left of our request body is not wanted.
    mutating func endRequestHalf(_ stream: Stream) {
        let isUnfinished = stream.send.state == .offered || stream.send.state == .sending
        // END may have been queued and not have gone out: the answerer would wait for it.
        if isUnfinished || !stream.queue.isEmpty {
            takeBackSlots(stream)
            stream.queue.removeAll()
            sendReset(stream, Halt(code: .stopped))
        }
        arena.free(stream.id)
        stream.send.state = .ended
    }

    private mutating func receiveReset(_ reset: Halt, _ stream: Stream) throws(ProtocolViolation) {
        if stream.isLocal {
            switch stream.receive.state {
            case .taking, .ended: throw unexpected("\(stream.receive.state)")
            case .awaitingResponse, .offered, .receiving: act(.reset(stream.id, reset))
            case .discarding: break
            }
            creditLast(stream)
            endRequestHalf(stream)
            forget(stream)
            return
        }
        let isAnswerToStop = stream.receive.state == .discarding && reset.code == .stopped
        creditLast(stream)
        releaseBudget(stream)
        stream.receive.state = .ended
        if !isAnswerToStop {
            stream.isCancelled = true
            arena.free(stream.id)
            act(.cancel(stream.id, reset))
            // The opener is gone from this call: nobody will take what END has told.
            if stream.send.state == .untaken { stream.send.state = .ended }
        }
        forgetIfOver(stream)
    }

    private mutating func receiveError(_ error: RemoteError, _ stream: Stream) throws(ProtocolViolation) {
        guard stream.isLocal else { throw unexpected("answerer") }
        switch stream.receive.state {
        case .taking, .ended: throw unexpected("\(stream.receive.state)")
        case .awaitingResponse, .offered, .receiving: act(.failed(stream.id, error))
        case .discarding: break
        }
        creditLast(stream)
        endRequestHalf(stream)
        forget(stream)
    }

    private mutating func receiveNote(_ action: MachineAction, _ stream: Stream) throws(ProtocolViolation) {
        guard stream.isLocal else { throw unexpected("answerer") }
        switch stream.receive.state {
        case .taking, .ended: throw unexpected("\(stream.receive.state)")
        case .awaitingResponse, .offered, .receiving: act(action)
        case .discarding: break
        }
    }
}
