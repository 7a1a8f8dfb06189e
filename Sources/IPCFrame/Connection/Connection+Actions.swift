// SPDX-License-Identifier: Apache-2.0

// What the rules tell, passed on to those who wait for it.
extension Connection {
    /// Something whose beginning is here, with whatever was read together with it.
    enum Arrival {
        case call(IncomingCall)
        case response(ResponseSlot)
    }

    func perform(_ action: MachineAction) {
        switch action {
        case .prepare: prepare()
        case .open: finishHandshake()
        case .call(let id, let request): receiveCall(id, request)
        case .response(let id, let head): receiveResponse(id, head)
        case .sendable(let id): offerWindow(id)
        case .consumed(let id, let count): receiveConsumed(id, count)
        case .taken: break
        case .refused(let id, let refuse):
            fail(id, .refused(code: refuse.code, limit: refuse.limit, reason: refuse.reason))
        case .stopped(let id, let halt):
            calls[id]?.failOutbound(.stopped(code: halt.code, reason: halt.reason))
        case .deliver(let id, let chunk): deliver(id, chunk)
        case .end(let id, let end): deliver(id, end)
        case .cancel(let id, let halt):
            if let record = calls[id] { cancelHandler(record, .reset(code: halt.code, reason: halt.reason)) }
        case .failed(let id, let error): fail(id, .failed(error))
        case .reset(let id, let halt): fail(id, .reset(code: halt.code, reason: halt.reason))
        case .progress(let id, let progress): calls[id]?.tell(.progress(progress))
        case .log(let id, let line): calls[id]?.tell(.log(line))
        case .forgotten(let id):
            guard let record = calls.removeValue(forKey: id) else { return }
            record.forget()
        case .pong(let value): receivePong(value)
        case .arena: adoptArena()
        case .drain: break
        case .idle:
            var trailer = Trailer()
            ProcessUsage.current.fill(&trailer)
            machine.bye(trailer)
        case .shutdownWrite: isShutdownWanted = true
        case .close(let reason): close(reason)
        }
    }

    func fail(_ id: UInt64, _ error: CallError) {
        calls[id]?.fail(error)
    }

    /// Ends a call that this side answers.
    ///
    /// The handler's own functions come last: what they wake must find the call over, and nothing more of its body.
    func cancelHandler(_ record: CallRecord, _ error: CallError, isDroppingInbound: Bool = true) {
        record.isCancelled = true
        record.incoming?.noteCancelled()
        record.fail(error, isDroppingInbound: isDroppingInbound)
        let handlers = record.cancelHandlers
        record.cancelHandlers.removeAll()
        for handler in handlers { handler() }
    }

    private func receiveCall(_ id: UInt64, _ request: Request) {
        let record = CallRecord(pool: configuration.chunkPool)
        calls[id] = record
        guard configuration.onCall != nil else {
            let reason = "this side takes no calls: '\(request.method)' is unknown"
            machine.fail(id, RemoteError(code: .unknownMethod, exitCode: 64, reason: reason))
            return
        }
        let call = IncomingCall(
            id: id,
            request: request,
            connection: self,
            limits: machine.limits,
            sharesMemory: machine.canShareMemory,
            passesFiles: machine.canPassFiles,
            statistics: record.statistics,
            inbound: record.inbound
        )
        record.incoming = call
        record.isDigestedInPassing = isDigestedInPassing(request.offer)
        if let whole = request.whole { record.statistics.addWhole(whole.bytes.count) }
        arrivals.append(.call(call))
    }

    private func receiveResponse(_ id: UInt64, _ head: ResponseHead) {
        guard let record = calls[id], let response = record.response else { return }
        record.isDigestedInPassing = isDigestedInPassing(head.offer)
        if head.whole == nil, !machine.isSentAtOnce(head.offer),
            let landing = record.collector?.makeLanding(for: head.offer, codec: configuration.chunkPool.codec)
        {
            record.landing = landing
            // Kept from a caller who does not sleep yet, too: the body is not his to accept.
            record.collectedHead = head
            accept(id)
            return
        }
        response.fill(.success(head), wakes: false)
        if let whole = head.whole {
            record.statistics.addWhole(whole.bytes.count)
            record.failOutbound(Self.isAnswered)
        }
        arrivals.append(.response(response))
    }

    /// Tells who waits for all of an answer, when it is here or comes another way.
    func tellCollector(_ record: CallRecord) {
        guard let head = record.collectedHead.take(), let response = record.response else { return }
        response.fill(.success(head), wakes: false)
        arrivals.append(.response(response))
    }

    private static var isAnswered: CallError { .stopped(code: .stopped, reason: "the call has been answered") }

    private func offerWindow(_ id: UInt64) {
        guard let record = calls[id] else { return }
        record.isAccepted = true
        advanceRun(record, id)
        if let waiter = record.roomWaiter {
            record.roomWaiter = nil
            waiter(.success(machine.sendRoom(id)))
        }
    }

    private func receiveConsumed(_ id: UInt64, _ count: UInt64) {
        guard let record = calls[id] else { return }
        record.consumedByPeer = count
        if record.sendsFile { record.statistics.noteRead(count) }
        if let waiter = record.flushWaiter, count >= record.flushGoal {
            record.flushWaiter = nil
            waiter(.success(()))
        }
    }

    /// Chunks from here on are proved by the reactor, where that costs next to nothing: it has just read them.
    private static let digestedChunk = 32 << 10

    private func isDigestedInPassing(_ offer: Offer) -> Bool {
        guard offer.digest == .crc32, !machine.isSentAtOnce(offer) else { return false }
        return CRC32Digest(codec: configuration.chunkPool.codec).isCheap
    }

    private func deliver(_ id: UInt64, _ chunk: Chunk) {
        if let file = chunk.file { return deliver(id, file, isFlush: chunk.isFlush) }
        guard let record = calls[id] else { return }
        record.statistics.add(chunk, isSent: false)
        if let place = chunk.place, let landing = record.landing, let region = arena.region {
            // Copied at once, before this side can say that it reads the slot no more.
            landing.add(place, from: region)
            return machine.consume(id, count: place.count, isFlush: chunk.isFlush)
        }
        var chunk = chunk
        if record.isDigestedInPassing, !chunk.isCompressed, chunk.place == nil, chunk.rawCount >= Self.digestedChunk {
            chunk = chunk.proved(by: chunk.bytes.span, configuration.chunkPool.codec)
        }
        tellCollector(record)
        guard !record.inbound.put(.chunk(chunk)) else { return }
        let detail = "the chunks that wait take far more memory than the bytes that they carry"
        record.inbound.fail(.corruptBody(detail), dropping: true)
        stopBody(id, code: .corruptChunk, reason: detail)
    }

    private func deliver(_ id: UInt64, _ end: End) {
        guard let record = calls[id] else { return }
        record.landing = nil
        record.inbound.put(.end(end))
        tellCollector(record)
        if let response = record.response, response.isFilled {
            // The answer is whole: what is left of our own body is not wanted.
            record.failOutbound(Self.isAnswered)
        }
        // It is here, and nobody waits to hear what becomes of it.
        machine.takeIfSentAtOnce(id)
    }
}
