// SPDX-License-Identifier: Apache-2.0

// What the application wants of its calls. Each wish for a stream that is over is ignored: the peer may have ended
// it while the wish was on its way.
extension ConnectionStateMachine {
    /// Opens a call and queues its REQUEST, and all of its body if that is given as a whole.
    package mutating func openCall(_ request: Request) throws(CallRejection) -> UInt64 {
        switch phase {
        case .awaitingHello, .awaitingReady, .awaitingWelcome, .preparing: throw .notReady
        case .open: break
        case .closing: throw .draining
        case .closed: throw .closed
        }
        guard !drainReceived, !drainSent, !isDrainWanted else { throw .draining }
        guard openLocally < limits.maxStreams else { throw .tooManyCalls(limit: limits.maxStreams) }
        try check(request.arguments)
        var request = request
        request.offer = inlineIfAtOnce(request.offer)
        let apart = takeUnfit(&request.whole, request.offer, request.arguments)
        let payload = Self.encoded { request.encode(into: &$0) }
        guard payload.count <= ConnectionLimits.maxArguments else { throw .argumentsTooLarge(payload.count) }
        let id = nextID
        nextID += 2
        openLocally += 1
        unsentRequests += 1
        var send = SendHalf()
        send.start(request.offer, initialCredit: limits.initialCredit)
        let stream = Stream(id: id, isLocal: true, send: send, receive: ReceiveHalf())
        streams[id] = stream
        enqueue(OutboundFrame(.request, stream: id, payload: payload[...]), on: stream)
        if let whole = request.whole { endSending(whole, on: stream) }
        if let apart { sendApart(apart, on: id) }
        return id
    }

    /// Answerer: queues RESPONSE, and all of its body if that is given as a whole.
    package mutating func respond(_ id: UInt64, _ head: ResponseHead) throws(CallRejection) {
        guard let stream = streams[id], stream.send.state == .idle else { return }
        try check(head.arguments)
        var head = head
        head.offer = inlineIfAtOnce(head.offer)
        let apart = takeUnfit(&head.whole, head.offer, head.arguments)
        let payload = Self.encoded { head.encode(into: &$0) }
        guard payload.count <= ConnectionLimits.maxArguments else { throw .argumentsTooLarge(payload.count) }
        stream.send.start(head.offer, initialCredit: limits.initialCredit)
        if head.whole != nil { stream.queue.tellDroppedLogs(stream: id) }
        enqueue(OutboundFrame(.response, stream: id, payload: payload[...]), on: stream)
        if let whole = head.whole { endSending(whole, on: stream) }
        if let apart { sendApart(apart, on: id) }
    }

    /// Of a body that is sent at once nobody accepts the delivery.
    private func inlineIfAtOnce(_ offer: Offer) -> Offer {
        var offer = offer
        if isSentAtOnce(offer) { offer.delivery = .inline }
        return offer
    }

    /// Before they are encoded: what cannot fit is not tried, and a key is never cut.
    private func check(_ arguments: [Argument]) throws(CallRejection) {
        let count = Self.bytes(of: arguments)
        guard count <= ConnectionLimits.maxArguments else { throw .argumentsTooLarge(count) }
    }

    /// What they take in a frame.
    static func bytes(of arguments: [Argument]) -> Int {
        arguments.reduce(2) { $0 + 6 + $1.key.utf8.count + $1.value.count }
    }

    /// Raw bytes of the next chunk that may be handed to ``send(_:on:)`` now.
    ///
    /// When 0, `.sendable` will tell of room.
    package mutating func sendWindow(_ id: UInt64) -> Int {
        let room = sendRoom(id)
        return room.isEmpty ? 0 : min(Int(limits.maxChunk), room.bytes)
    }

    /// What may be handed to ``send(_:on:)`` now.
    ///
    /// When it is none, `.sendable` will tell of room.
    ///
    /// `slots`: how many slots of the arena the sender could use now, if the body goes that way; nil: as many as the
    /// last time. `taken`: raw bytes for which the sender had room so far, those of chunks that it has not handed over
    /// yet among them.
    package mutating func sendRoom(_ id: UInt64, slots: Int? = nil, taken: UInt64 = 0) -> SendRoom {
        guard let stream = streams[id] else { return SendRoom() }
        stream.send.taken = max(stream.send.taken, taken)
        if let slots { stream.send.slotsWanted = slots }
        let room = addSlots(to: room(stream), of: stream)
        if room.isEmpty { stream.send.isBlocked = true }
        return room
    }

    /// Chunks of one body that may wait; fewer when many bodies are on their way.
    private var maxChunks: Int { streams.count > 16 ? 2 : StreamQueue.maxChunks }

    private func room(_ stream: Stream) -> SendRoom {
        guard stream.send.state == .sending, stream.queue.chunks < maxChunks else { return SendRoom() }
        let most = UInt64(StreamQueue.maxChunks) * UInt64(limits.maxChunk)
        return SendRoom(
            bytes: Int(min(most, stream.send.limit - max(stream.send.taken, stream.send.sent))),
            chunks: maxChunks - stream.queue.chunks
        )
    }

    /// Tells of room once half of it is free, so that whoever sends is woken for more than one chunk.
    mutating func unblock(_ stream: Stream) {
        guard stream.send.isBlocked, stream.queue.chunks <= maxChunks / 2, !room(stream).isEmpty else { return }
        guard hasSlots(for: stream) else { return }
        stream.send.isBlocked = false
        act(.sendable(stream.id))
    }

    /// Whether the body that we send on this stream is still wanted.
    package func isSending(_ id: UInt64) -> Bool {
        guard let stream = streams[id] else { return false }
        return stream.send.state == .sending || stream.send.state == .offered
    }

    /// Whether the body that we send has its verdict.
    package func isAccepted(_ id: UInt64) -> Bool {
        streams[id]?.send.state == .sending
    }

    /// How the body that we send is to come, as its receiver has accepted it; inline until then.
    func acceptedDelivery(_ id: UInt64) -> BodyDelivery { streams[id]?.send.delivery ?? .inline }

    /// Whether the body is sent without waiting for a verdict.
    package func isSentAtOnce(_ offer: Offer) -> Bool {
        offer.isSentAtOnce(initialCredit: limits.initialCredit)
    }

    /// Queues one chunk of our body, within ``sendWindow(_:)``.
    package mutating func send(_ chunk: Chunk, on id: UInt64) {
        guard let stream = streams[id], stream.send.state == .sending else {
            if let place = chunk.place { arena.giveBack(SlotSet(place.slot)) }
            return
        }
        // A slot that is named after the receiver's last word would never be freed.
        if let place = chunk.place, stream.isCancelled { return arena.giveBack(SlotSet(place.slot)) }
        precondition(
            UInt64(chunk.rawCount) <= stream.send.limit - stream.send.sent && chunk.rawCount <= Int(limits.maxChunk),
            "a chunk must fit into the window"
        )
        stream.send.sent += UInt64(chunk.rawCount)
        var flags: FrameFlags = []
        if chunk.isCompressed { flags.insert(.compressed) }
        if chunk.isFlush { flags.insert(.flush) }
        if let place = chunk.place {
            flags.insert(.arena)
            arena.send(place.slot, of: id, end: stream.send.sent)
        }
        enqueue(OutboundFrame(.data, flags: flags, stream: id, payload: chunk.bytes), on: stream)
    }

    /// Queues END of our body.
    package mutating func sendEnd(_ id: UInt64, digest: UInt32, trailer: Trailer) {
        guard let stream = streams[id] else { return }
        guard stream.send.state == .sending else {
            if !stream.isLocal { endAnsweredRequest(stream) }
            forgetIfOver(stream)
            return
        }
        let end = End(
            total: stream.send.sent,
            digestKind: stream.send.offer?.digest ?? .none,
            digest: digest,
            trailer: trailer
        )
        let payload = Self.encoded { end.encode(into: &$0) }
        guard payload.count <= Int(limits.maxPayload) else {
            precondition(!stream.isLocal, "a request's trailer must fit into a frame")
            let reason =
                "the trailer of the answer takes \(payload.count) bytes, more than a frame's \(limits.maxPayload)"
            fail(id, RemoteError(code: .internal, exitCode: 70, reason: reason))
            return
        }
        stream.queue.tellDroppedLogs(stream: id)
        enqueue(OutboundFrame(.end, stream: id, payload: payload[...]), on: stream)
        // Of a body sent at once, and by an opener that has given up, no final CREDIT comes.
        stream.send.state = stream.send.isAtOnce || stream.isCancelled ? .ended : .untaken
        if !stream.isLocal { endAnsweredRequest(stream) }
        forgetIfOver(stream)
    }

    /// Answerer: the call failed.
    ///
    /// Ends it, whatever had been sent.
    package mutating func fail(_ id: UInt64, _ error: RemoteError) {
        guard let stream = streams[id], !stream.isLocal else { return }
        switch stream.send.state {
        case .untaken, .ended: break
        case .idle, .offered, .sending:
            takeBackSlots(stream)
            stream.queue.removeData()
            stream.queue.tellDroppedLogs(stream: id)
            let flags: FrameFlags = error.isRetryable ? .retryable : []
            let payload = Self.encoded { error.encode(into: &$0) }
            enqueue(OutboundFrame(.error, flags: flags, stream: id, payload: payload[...]), on: stream)
            stream.send.state = .ended
        }
        endAnsweredRequest(stream)
        forgetIfOver(stream)
    }

    mutating func endAnsweredRequest(_ stream: Stream) {
        releaseBudget(stream)
        switch stream.receive.state {
        case .offered, .receiving: stream.receive.state = .discarding
        case .taking: stream.receive.state = .ended
        case .awaitingResponse, .discarding, .ended: break
        }
    }

    /// Answerer: tells how far the call is.
    package mutating func sendProgress(_ id: UInt64, _ progress: Progress) {
        guard let stream = streams[id], !stream.isLocal else { return }
        guard stream.send.state != .ended, stream.send.state != .untaken else { return }
        stream.queue.append(progress, stream: id)
        out.schedule(stream)
    }

    /// Answerer: a line for the log.
    package mutating func sendLog(_ id: UInt64, _ line: LogLine) {
        guard let stream = streams[id], !stream.isLocal else { return }
        guard stream.send.state != .ended, stream.send.state != .untaken else { return }
        stream.queue.append(line, stream: id)
        out.schedule(stream)
    }

    /// Opener: gives up the call, for whatever reason.
    package mutating func cancel(_ id: UInt64, code: ErrorCode = .cancelled, reason: String = "") {
        guard let stream = streams[id], stream.isLocal else { return }
        if stream.queue.hasUnsentRequest {
            // The peer has not heard of this call: skipping its id is allowed.
            forget(stream)
            return
        }
        guard stream.receive.state != .discarding else { return }
        takeBackSlots(stream)
        stream.queue.removeAll()
        sendReset(stream, Halt(code: code, reason: reason))
        stream.send.state = .ended
        releaseBudget(stream)
        stream.receive.state = stream.receive.state == .taking ? .ended : .discarding
        forgetIfOver(stream)
    }

    /// The application wants the offered body; from the arena too, if it is offered so and `sharesMemory`, or as a file,
    /// if it is offered so and `takesFile`.
    package mutating func accept(_ id: UInt64, sharesMemory: Bool = true, takesFile: Bool = true) {
        guard let stream = streams[id], stream.receive.state == .offered else { return }
        guard !stream.receive.isAcceptWanted else { return }
        stream.receive.isAcceptWanted = true
        stream.receive.mayShareMemory = sharesMemory
        stream.receive.mayTakeFile = takesFile
        waitingAccepts.append(stream)
        serveWaitingAccepts()
    }

    /// The application has taken `count` raw bytes; `isFlush` if the sender wants to hear of it at once.
    package mutating func consume(_ id: UInt64, count: Int, isFlush: Bool = false) {
        guard let stream = streams[id] else { return }
        guard stream.receive.state == .receiving || stream.receive.state == .taking else { return }
        precondition(
            UInt64(count) <= stream.receive.received - stream.receive.consumed,
            "more consumed than received"
        )
        stream.receive.consumed += UInt64(count)
        var isCreditDue = isFlush
        if isFlush { stream.receive.flushedOffset = stream.receive.consumed }
        if stream.receive.state == .taking {
            budget.settle(&stream.receive)
        } else if !stream.receive.isAtOnce {
            // Who waits for a verdict comes before a larger window for one that has some.
            budget.update(&stream.receive, maxChunk: limits.maxChunk)
            serveWaitingAccepts()
            if budget.raise(&stream.receive, maxChunk: limits.maxChunk, force: isFlush) { isCreditDue = true }
        }
        serveWaitingAccepts()
        if isCreditDue || isSlotCreditDue(stream) || isFileCreditDue(stream) {
            stream.receive.credited = stream.receive.consumed
            out.appendCredit(stream)
        }
        checkControlBound()
    }

    /// The application has the whole body and finds it right: completes the peer's send.
    package mutating func take(_ id: UInt64) {
        guard let stream = streams[id], stream.receive.state == .taking else { return }
        precondition(stream.receive.consumed == stream.receive.received, "the body must have been consumed")
        releaseBudget(stream)
        stream.receive.state = .ended
        if !stream.receive.isAtOnce {
            let total = stream.receive.received
            let credit = Credit(consumed: total, limit: max(stream.receive.limit, total))
            queueControl(.credit, stream: id, payload: Self.encoded { credit.encode(into: &$0) })
        }
        forgetIfOver(stream)
    }

    /// Takes a body that was sent at once, if it is whole.
    ///
    /// Nobody waits to hear of that: the peer is told nothing.
    package mutating func takeIfSentAtOnce(_ id: UInt64) {
        guard let stream = streams[id], stream.receive.isAtOnce, stream.receive.state == .taking else { return }
        stream.receive.consumed = stream.receive.received
        take(id)
    }

    /// The application wants no more of the body; an opener gives up the call with it.
    package mutating func stop(_ id: UInt64, code: ErrorCode = .notWanted, reason: String = "") {
        guard let stream = streams[id] else { return }
        let wasTaking = stream.receive.state == .taking
        switch stream.receive.state {
        case .awaitingResponse, .discarding, .ended: return
        case .offered, .receiving, .taking: break
        }
        releaseBudget(stream)
        if !(stream.receive.isAtOnce && wasTaking) {
            let halt = Halt(code: code, reason: reason)
            queueControl(.stop, stream: id, payload: Self.encoded { halt.encode(into: &$0) })
        }
        stream.receive.state = wasTaking ? .ended : .discarding
        forgetIfOver(stream)
    }

    /// The application does not take the call (answerer) or the response (opener); ends the call.
    package mutating func refuse(_ id: UInt64, _ refuse: Refuse) {
        guard let stream = streams[id] else { return }
        if stream.isLocal {
            guard stream.receive.state != .awaitingResponse, stream.receive.state != .discarding else { return }
        } else {
            guard stream.send.state == .idle else { return }
        }
        queueControl(.refuse, stream: id, payload: Self.encoded { refuse.encode(into: &$0) })
        forget(stream)
    }
}
