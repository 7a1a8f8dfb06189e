// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

// Opening calls and sending their bodies.
extension Connection {
    /// Opens a call.
    ///
    /// Returns as soon as the request is queued; its body is sent while the caller goes on.
    ///
    /// - Throws: ``CallError`` when the call cannot be opened.
    public func call(
        _ method: String,
        arguments: [Argument] = [],
        body: OutboundBody = .none,
        options: CallOptions = CallOptions()
    ) throws(CallError) -> OutgoingCall {
        try open(method, arguments, body, options, answer: ResponseSlot(), collector: nil)
    }

    /// Makes a call and collects its answer, of at most `limit` raw bytes.
    ///
    /// For who wants nothing else of the call: the calling task is woken once, where one that takes the answer part by
    /// part is woken for each. Cancelling the task cancels the call.
    ///
    /// - Throws: ``CallError``; ``CallError/tooLarge(limit:)`` for a larger answer, before it moves if its size was told.
    public nonisolated func call(
        _ method: String,
        arguments: [Argument] = [],
        body: OutboundBody = .none,
        options: CallOptions = CallOptions(),
        upTo limit: UInt64
    ) async throws(CallError) -> Answer {
        var none: [UInt8] = []
        return try await answer(method, arguments, body, options, reusing: &none, upTo: limit)
    }

    /// The same, with the answer's body in place of `bytes`, in their memory if it is large enough and nobody else's.
    ///
    /// For who takes one large answer after the other: see ``InboundBody/collect(into:upTo:)``. When it fails, `bytes` are
    /// empty.
    ///
    /// - Returns: the answer without its body.
    /// - Throws: ``CallError``, as ``call(_:arguments:body:options:upTo:)``.
    public nonisolated func call(
        _ method: String,
        arguments: [Argument] = [],
        body: OutboundBody = .none,
        options: CallOptions = CallOptions(),
        into bytes: inout [UInt8],
        upTo limit: UInt64
    ) async throws(CallError) -> Answer {
        var memory: [UInt8] = []
        swap(&memory, &bytes)
        let answer = try await answer(method, arguments, body, options, reusing: &memory, upTo: limit)
        bytes = answer.body
        return Answer(arguments: answer.arguments, body: [], trailer: answer.trailer)
    }

    private nonisolated func answer(
        _ method: String,
        _ arguments: [Argument],
        _ body: OutboundBody,
        _ options: CallOptions,
        reusing memory: inout [UInt8],
        upTo limit: UInt64
    ) async throws(CallError) -> Answer {
        let isReusing = memory.capacity > 0
        let collector = AnswerCollector(reusing: &memory, upTo: limit)
        let opening = Opening()
        order { connection in
            do throws(CallError) {
                let answer = opening.answer
                let call = try connection.open(method, arguments, body, options, answer: answer, collector: collector)
                opening.call.withLock { $0 = call }
            } catch {
                opening.answer.fill(.failure(error))
            }
        }
        let result = await withTaskCancellationHandler {
            await opening.answer.take()
        } onCancel: {
            order(isInTurn: true) { _ in opening.call.withLock { $0 }?.cancel() }
        }
        let head = try result.get()
        if let whole = head.whole {
            let answer = try Answer(head, whole, upTo: limit)
            guard isReusing else { return answer }
            // So that a large answer after a small one still finds its memory.
            var bytes = collector.takeMemory()
            bytes.replaceSubrange(0..., with: answer.body)
            return Answer(arguments: answer.arguments, body: bytes, trailer: answer.trailer)
        }
        guard let call = opening.call.withLock({ $0 }) else { preconditionFailure("only what was opened is answered") }
        let response = call.response(head, landing: collector.landing)
        var bytes = collector.takeMemory()
        try await response.body.collect(into: &bytes, upTo: limit)
        return Answer(arguments: response.arguments, body: bytes, trailer: response.body.trailer ?? Trailer())
    }

    /// A call that its caller does not wait for before the answer.
    private final class Opening: Sendable {
        let answer = ResponseSlot()
        /// Set on the reactor, before an answer can come.
        let call = Mutex<OutgoingCall?>(nil)
    }

    private func open(
        _ method: String,
        _ arguments: [Argument],
        _ body: OutboundBody,
        _ options: CallOptions,
        answer: ResponseSlot,
        collector: AnswerCollector?
    ) throws(CallError) -> OutgoingCall {
        if let end { throw .connection(end) }
        guard (1...256).contains(method.utf8.count) else { throw .methodNameLength(method.utf8.count) }
        let codec = machine.canCompress ? options.codec : .none
        let digest = machine.canDigest ? options.digest : .none
        let passes = passes(body, codec, digest, options.delivery)
        let offer = Offer(
            size: body.size,
            codec: codec,
            delivery: passes ? .descriptor : delivery(of: body.size, codec, options.delivery),
            digest: passes ? .none : digest,
            isHeld: options.holdsBody
        )
        let deadline = options.timeout.map { UInt64(max(0, $0.wholeNanoseconds / 1_000_000)) }
        var request = Request(method: method, arguments: arguments, deadline: deadline, offer: offer)
        let events = CallEvents()
        let record = CallRecord(pool: configuration.chunkPool, response: answer, events: events)
        record.delivery = options.delivery
        record.collector = collector
        if let bytes = body.bytes, machine.isSentAtOnce(offer) {
            request.whole = record.whole(bytes, as: offer, maxChunk: maxChunk)
        }
        let id: UInt64
        do throws(CallRejection) {
            id = try machine.openCall(request)
        } catch {
            throw CallError(error, end: end)
        }
        calls[id] = record
        if request.whole == nil {
            beginDigest(of: offer, record)
            if let bytes = body.bytes, sendsByItself(offer) {
                begin(OutboundRun(bytes[...], trailer: Trailer()), of: id)
            } else {
                send(body, of: id, as: offer)
            }
        }
        obey()
        return OutgoingCall(
            connection: self,
            id: id,
            record: CallRecordReference(record),
            answer: answer,
            inbound: record.inbound,
            statistics: record.statistics,
            limits: machine.limits,
            events: events
        )
    }

    private func send(_ body: OutboundBody, of id: UInt64, as offer: Offer) {
        let sender = BodySender(connection: self, id: id, maxChunk: maxChunk, offer: offer)
        let isAtOnce = machine.isSentAtOnce(offer)
        let placement = sendsByItself(offer) ? body.placement : .onThread
        CallThreads.shared.run(placement, of: reactor) {
            do throws(CallError) {
                if !isAtOnce { sender.accepted(as: try await self.waitForVerdict(id)) }
                if let part = body.part, await sender.send(file: part) { return await sender.finish(Trailer()) }
                try await body.forEachPiece { piece throws(CallError) in try await sender.send(piece[...]) }
                await sender.finish(Trailer())
            } catch {
                if case .source = error { await self.failSource(id, error) }
            }
        }
    }

    private func failSource(_ id: UInt64, _ error: CallError) {
        guard let record = calls[id] else { return }
        machine.cancel(id, code: .sourceFailed, reason: error.description)
        record.fail(error)
        obey()
    }

    func cancelCall(_ id: UInt64) {
        guard calls[id] != nil else { return }
        machine.cancel(id)
        fail(id, .cancelled)
        obey()
    }

    /// The caller has dropped the call.
    func abandonCall(_ id: UInt64) {
        guard let record = calls[id], !record.isForgotten, record.failure == nil else { return }
        cancelCall(id)
    }

    func waitUntilForgotten(_ reference: CallRecordReference) async {
        let record = reference.value(on: self)
        await withCheckedContinuation { continuation in
            if record.isForgotten { continuation.resume() } else { record.forgottenWaiters.append(continuation) }
        }
    }
}
