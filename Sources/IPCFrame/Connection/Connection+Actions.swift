// SPDX-License-Identifier: Apache-2.0

// What the rules tell, passed on to those who wait for it.
extension Connection {
    func perform(_ action: MachineAction) {
        switch action {
        case .prepare: prepare()
        case .open: finishHandshake()
        case .call(let id, let request): receiveCall(id, request)
        case .response(let id, let head): receiveResponse(id, head)
        case .sendable(let id): offerWindow(id)
        case .consumed(let id, let count): receiveConsumed(id, count)
        case .taken(let id):
            calls[id]?.isTaken = true
        case .refused(let id, let refuse):
            fail(id, .refused(code: refuse.code, limit: refuse.limit, reason: refuse.reason))
        case .stopped(let id, let halt):
            calls[id]?.failOutbound(.stopped(code: halt.code, reason: halt.reason))
        case .deliver(let id, let chunk): deliver(id, chunk)
        case .end(let id, let end): deliver(id, end)
        case .cancel(let id, let halt):
            guard let record = calls[id] else { return }
            cancelHandler(record)
            fail(id, .reset(code: halt.code, reason: halt.reason))
        case .failed(let id, let error): fail(id, .failed(error))
        case .reset(let id, let halt): fail(id, .reset(code: halt.code, reason: halt.reason))
        case .progress(let id, let progress): calls[id]?.tell(.progress(progress))
        case .log(let id, let line): calls[id]?.tell(.log(line))
        case .forgotten(let id):
            guard let record = calls.removeValue(forKey: id) else { return }
            record.forget()
        case .pong(let value): receivePong(value)
        case .drain: break
        case .idle:
            var trailer = Trailer()
            ProcessUsage.current.fill(&trailer)
            machine.bye(trailer)
        case .shutdownWrite: isShutdownWanted = true
        case .close(let reason): finish(reason)
        }
    }

    func fail(_ id: UInt64, _ error: CallError) {
        calls[id]?.dropInbound()
        calls[id]?.fail(error)
    }

    func cancelHandler(_ record: CallRecord) {
        record.isCancelled = true
        let handlers = record.cancelHandlers
        record.cancelHandlers.removeAll()
        for handler in handlers { handler() }
    }

    private func receiveCall(_ id: UInt64, _ request: Request) {
        let record = CallRecord()
        record.inboundOffer = request.offer
        calls[id] = record
        guard let onCall = configuration.onCall else {
            let reason = "this side takes no calls: '\(request.method)' is unknown"
            machine.fail(id, RemoteError(code: .unknownMethod, exitCode: 64, reason: reason))
            return
        }
        onCall(
            IncomingCall(
                id: id, request: request, connection: self, statistics: record.statistics,
                record: CallRecordReference(record)))
    }

    private func receiveResponse(_ id: UInt64, _ head: ResponseHead) {
        guard let record = calls[id] else { return }
        record.response = head
        record.inboundOffer = head.offer
        if let waiter = record.responseWaiter {
            record.responseWaiter = nil
            waiter.resume(returning: .success(head))
        }
    }

    private func offerWindow(_ id: UInt64) {
        guard let record = calls[id] else { return }
        record.isAccepted = true
        if let waiter = record.windowWaiter {
            record.windowWaiter = nil
            waiter.resume(returning: .success(machine.sendWindow(id)))
        }
    }

    private func receiveConsumed(_ id: UInt64, _ count: UInt64) {
        guard let record = calls[id] else { return }
        record.consumedByPeer = count
        if let waiter = record.flushWaiter, count >= record.flushGoal {
            record.flushWaiter = nil
            waiter.resume(returning: .success(()))
        }
    }

    private func deliver(_ id: UInt64, _ chunk: Chunk) {
        guard let record = calls[id] else { return }
        record.statistics.add(chunk, isSent: false)
        hand(.chunk(chunk), to: record)
    }

    private func deliver(_ id: UInt64, _ end: End) {
        guard let record = calls[id] else { return }
        hand(.end(end), to: record)
    }

    private func hand(_ item: CallRecord.Inbound, to record: CallRecord) {
        if let waiter = record.inboundWaiter {
            record.inboundWaiter = nil
            waiter.resume(returning: .success(item))
        } else {
            record.inbound.append(item)
        }
    }
}
