// SPDX-License-Identifier: Apache-2.0

// What senders and receivers of bodies ask of the connection; one hop to the reactor each.
extension Connection {
    // MARK: Sending

    /// Waits until the body may be sent, and then for room; never none.
    ///
    /// `slots`: how many slots of the arena the sender could use now; `taken`: raw bytes for which it had room before.
    func sendRoom(_ id: UInt64, slots: Int = 0, taken: UInt64) async throws(CallError) -> SendRoom {
        var room = SendRoom()
        while room.isEmpty {
            room = try await withCheckedContinuation { (continuation: RoomWaiter) in
                // Everything is looked at in here: on the way to a continuation the task may be queued once more.
                do throws(CallError) {
                    let record = try sendingRecord(id)
                    let room = machine.sendRoom(id, slots: slots, taken: taken)
                    if !room.isEmpty {
                        continuation.resume(returning: .success(room))
                    } else {
                        precondition(record.roomWaiter == nil, "a body has one sender")
                        record.roomWaiter = { continuation.resume(returning: $0) }
                        record.statistics.addCreditStall()
                    }
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }.get()
        }
        return room
    }

    private typealias RoomWaiter = CheckedContinuation<Result<SendRoom, CallError>, Never>

    /// Waits for the receiver's verdict on an offer that is not sent at once; how the body is to come.
    func waitForVerdict(_ id: UInt64) async throws(CallError) -> BodyDelivery {
        _ = try await withCheckedContinuation { (continuation: RoomWaiter) in
            do throws(CallError) {
                let record = try sendingRecord(id)
                if record.isAccepted || machine.isAccepted(id) {
                    continuation.resume(returning: .success(SendRoom()))
                } else {
                    record.roomWaiter = { continuation.resume(returning: $0) }
                }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
        return machine.acceptedDelivery(id)
    }

    func sendingRecord(_ id: UInt64) throws(CallError) -> CallRecord {
        guard let record = calls[id] else { throw .connection(end ?? .aborted) }
        if let failure = record.failure ?? record.outboundFailure { throw failure }
        guard machine.isSending(id) else { throw .stopped(code: .stopped, reason: "the call is over") }
        return record
    }

    /// Queues a chunk within the room that was given; if the body is not wanted any more, it goes nowhere, and the
    /// next wait tells why.
    nonisolated func send(_ chunk: Chunk, on id: UInt64, isInTurn: Bool = false) {
        order(isInTurn: isInTurn) { connection in
            guard let record = connection.calls[id], connection.machine.isSending(id) else {
                if let place = chunk.place { connection.machine.giveBack(SlotSet(place.slot)) }
                return
            }
            record.statistics.add(chunk, isSent: true)
            record.sentDigest?.update(with: chunk)
            if chunk.place != nil { connection.noteArenaUse() }
            connection.machine.send(chunk, on: id)
            connection.obey()
        }
    }

    /// Waits until the peer's application has consumed the first `count` bytes.
    func waitUntilConsumed(_ id: UInt64, count: UInt64) async throws(CallError) {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, CallError>, Never>) in
            do throws(CallError) {
                let record = try sendingRecord(id)
                if record.consumedByPeer >= count {
                    continuation.resume(returning: .success(()))
                } else {
                    record.flushGoal = count
                    record.flushWaiter = { continuation.resume(returning: $0) }
                }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
    }

    /// The body that we send is complete; of an answer, the handler is done.
    ///
    /// Without a `digest` it is the reactor's. `isInTurn`: behind chunks that other threads have posted.
    nonisolated func sendEnd(_ id: UInt64, digest: UInt32?, trailer: Trailer, isInTurn: Bool = false) {
        order(isInTurn: isInTurn) { connection in
            connection.end(id, digest: digest, trailer: trailer)
            connection.obey()
        }
    }

    func end(_ id: UInt64, digest: UInt32?, trailer: Trailer) {
        let record = calls[id]
        if let record {
            record.cancelHandlers.removeAll()
            // An answer ends the request body too: the opener may use its slots again.
            if record.incoming != nil { record.inbound.loseArena() }
        }
        machine.sendEnd(id, digest: digest ?? record?.sentDigest?.value ?? 0, trailer: trailer)
    }

    // MARK: Receiving

    /// The application wants the body; it may come, and to the landing if it comes as it is.
    nonisolated func acceptBody(_ id: UInt64, landing: BodyLanding?) {
        order { connection in
            connection.calls[id]?.landing = landing
            connection.accept(id)
            connection.obey()
        }
    }

    /// The application has taken `count` more raw bytes; `isFlush` if the sender waits to hear of it.
    nonisolated func consume(_ id: UInt64, count: Int, isFlush: Bool) {
        order { connection in
            connection.noteRead(id, count)
            connection.machine.consume(id, count: count, isFlush: isFlush)
            connection.obey()
        }
    }

    /// The application has taken all of the body, the last `count` raw bytes too, and it is right.
    nonisolated func takeBody(_ id: UInt64, count: Int) {
        order { connection in
            if count > 0 {
                connection.noteRead(id, count)
                connection.machine.consume(id, count: count)
            }
            connection.machine.take(id)
            connection.obey()
        }
    }

    private func noteRead(_ id: UInt64, _ count: Int) {
        if let record = calls[id], record.receivesFile { record.statistics.addRead(count) }
    }

    /// No more of the body for us is wanted.
    func stopBody(_ id: UInt64, code: ErrorCode, reason: String) {
        machine.stop(id, code: code, reason: reason)
        if let record = calls[id] {
            record.landing = nil
            record.inbound.fail(.stopped(code: code, reason: reason), dropping: true)
            tellCollector(record)
        }
        obey()
    }

    // MARK: Answering

    func respond(_ id: UInt64, _ head: ResponseHead) throws(CallError) -> Bool {
        guard let record = calls[id] else { throw .connection(end ?? .aborted) }
        if let failure = record.failure ?? record.outboundFailure { throw failure }
        do throws(CallRejection) {
            try machine.respond(id, head)
        } catch {
            throw CallError(error, end: end)
        }
        beginDigest(of: head.offer, record)
        obey()
        return machine.isSentAtOnce(head.offer)
    }

    /// The handler is done, with an answer that is so small that it goes out as a whole.
    nonisolated func answer(_ id: UInt64, _ head: ResponseHead, body: [UInt8], trailer: Trailer) {
        order { connection in
            guard let record = connection.calls[id] else { return }
            record.cancelHandlers.removeAll()
            guard record.failure == nil, record.outboundFailure == nil else {
                // The opener has given up, and waits for the end of the call.
                let error = record.failure ?? record.outboundFailure ?? .cancelled
                connection.fail(id, with: IncomingCall.remoteError(error, isCancelled: record.isCancelled))
                return
            }
            do throws(CallRejection) {
                record.inbound.loseArena()
                var head = head
                head.whole = record.whole(body, as: head.offer, maxChunk: connection.maxChunk, trailer: trailer)
                try connection.machine.respond(id, head)
                connection.obey()
            } catch {
                let error = CallError(error, end: connection.end)
                connection.fail(id, with: IncomingCall.remoteError(error, isCancelled: record.isCancelled))
            }
        }
    }

    /// The handler is done, without an answer.
    nonisolated func failCall(_ id: UInt64, _ error: RemoteError) {
        var error = error
        error.peakRSS = ProcessUsage.current.peakRSS
        order { [error] connection in
            connection.calls[id]?.cancelHandlers.removeAll()
            connection.fail(id, with: error)
        }
    }

    private func fail(_ id: UInt64, with error: RemoteError) {
        calls[id]?.inbound.loseArena()
        machine.fail(id, error)
        obey()
    }

    func refuseCall(_ id: UInt64, _ refuse: Refuse) {
        machine.refuse(id, refuse)
        calls[id]?.inbound.loseArena()
        obey()
    }

    func sendProgress(_ id: UInt64, _ progress: Progress) {
        machine.sendProgress(id, progress)
        obey()
    }

    func sendLog(_ id: UInt64, _ line: LogLine) {
        machine.sendLog(id, line)
        obey()
    }

    func addCancelHandler(_ id: UInt64, _ handler: @escaping @Sendable () -> Void) {
        guard let record = calls[id], !record.isCancelled else {
            handler()
            return
        }
        record.cancelHandlers.append(handler)
    }

    /// Has `body` run on the reactor without waiting for it: at once if this is its thread, else in its turn.
    ///
    /// For use by the tasks of calls, whose wishes so stay in their order. Not from inside the connection.
    ///
    /// `isInTurn`: never at once, for what must stay behind the wishes of other threads.
    nonisolated func order(isInTurn: Bool = false, _ body: @escaping @Sendable (isolated Connection) -> Void) {
        if !isInTurn, reactor.isCurrent {
            assumeIsolated { body($0) }
        } else {
            reactor.perform { self.assumeIsolated { body($0) } }
        }
    }

    var maxChunk: Int { Int(machine.limits.maxChunk) }
}

/// A record that travels through code that is not on the reactor, and is opened only there.
struct CallRecordReference: @unchecked Sendable {
    // Safe: read through `value(on:)`, which needs the connection's isolation, and set once.
    private let record: CallRecord

    init(_ record: CallRecord) {
        self.record = record
    }

    func value(on connection: isolated Connection) -> CallRecord { record }
}

extension CallError {
    init(_ rejection: CallRejection, end: ConnectionEnd?) {
        switch rejection {
        case .notReady: self = .notReady
        case .closed: self = .connection(end ?? .aborted)
        case .draining: self = .draining
        case .tooManyCalls(let limit): self = .tooManyCalls(limit: limit)
        case .argumentsTooLarge(let count): self = .argumentsTooLarge(count)
        }
    }
}
