// SPDX-License-Identifier: Apache-2.0

// What senders and receivers of bodies ask of the connection; one hop to the reactor each.
extension Connection {
    // MARK: Sending

    /// Waits until the body may be sent, and then for room.
    ///
    /// - Returns: raw bytes that may be sent now; 0 only for a body that was accepted with no bytes to send.
    func sendWindow(_ id: UInt64) async throws(CallError) -> Int {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Int, CallError>, Never>) in
            // Everything is looked at in here: on the way to a continuation the task may be queued once more.
            do throws(CallError) {
                let record = try sendingRecord(id)
                let window = machine.sendWindow(id)
                if window > 0 {
                    continuation.resume(returning: .success(window))
                } else {
                    precondition(record.windowWaiter == nil, "a body has one sender")
                    record.windowWaiter = continuation
                }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
    }

    /// Waits for the receiver's verdict on an offer that is not sent at once.
    func waitForVerdict(_ id: UInt64) async throws(CallError) {
        _ = try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Int, CallError>, Never>) in
            do throws(CallError) {
                let record = try sendingRecord(id)
                if record.isAccepted || machine.isAccepted(id) {
                    continuation.resume(returning: .success(0))
                } else {
                    record.windowWaiter = continuation
                }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
    }

    private func sendingRecord(_ id: UInt64) throws(CallError) -> CallRecord {
        guard let record = calls[id] else { throw .connection(end ?? .aborted) }
        if let failure = record.failure ?? record.outboundFailure { throw failure }
        guard machine.isSending(id) else { throw .stopped(code: .stopped, reason: "the call is over") }
        return record
    }

    /// Queues a chunk within the window.
    ///
    /// - Returns: what may be sent after it; 0: ask ``sendWindow(_:)`` again.
    func send(_ chunk: Chunk, on id: UInt64) throws(CallError) -> Int {
        let record = try sendingRecord(id)
        record.statistics.add(chunk, isSent: true)
        machine.send(chunk, on: id)
        obey()
        return machine.sendWindow(id)
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
                    record.flushWaiter = continuation
                }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
    }

    func sendEnd(_ id: UInt64, digest: UInt32, trailer: Trailer) {
        machine.sendEnd(id, digest: digest, trailer: trailer)
        obey()
    }

    // MARK: Receiving

    /// The next chunk or the end of the body for us; says that `consumed` raw bytes before it have been taken.
    func nextInbound(
        _ id: UInt64, record: CallRecordReference, consumed: Int, isFlush: Bool
    ) async throws(CallError) -> CallRecord.Inbound {
        let record = record.value(on: self)
        if consumed > 0 || isFlush {
            machine.consume(id, count: consumed, isFlush: isFlush)
            obey()
        }
        if !record.isAcceptSent {
            record.isAcceptSent = true
            machine.accept(id)
            obey()
        }
        typealias Waiter = CheckedContinuation<Result<CallRecord.Inbound, CallError>, Never>
        return try await withCheckedContinuation { (continuation: Waiter) in
            if let item = record.popInbound() {
                continuation.resume(returning: .success(item))
            } else if let failure = record.failure {
                continuation.resume(returning: .failure(failure))
            } else {
                precondition(record.inboundWaiter == nil, "a body has one reader")
                record.inboundWaiter = continuation
            }
        }.get()
    }

    /// The whole body was taken and is right.
    func takeBody(_ id: UInt64) {
        machine.take(id)
        obey()
    }

    /// No more of the body for us is wanted.
    func stopBody(_ id: UInt64, code: ErrorCode, reason: String) {
        machine.stop(id, code: code, reason: reason)
        calls[id]?.dropInbound()
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
        obey()
        return machine.isSentAtOnce(head.offer)
    }

    func failCall(_ id: UInt64, _ error: RemoteError) {
        var error = error
        error.peakRSS = ProcessUsage.current.peakRSS
        machine.fail(id, error)
        obey()
    }

    func refuseCall(_ id: UInt64, _ refuse: Refuse) {
        machine.refuse(id, refuse)
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

    func removeCancelHandlers(_ id: UInt64) {
        calls[id]?.cancelHandlers.removeAll()
    }

    var initialCredit: Int { Int(machine.limits.initialCredit) }
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
        case .notOpen: self = .connection(end ?? .aborted)
        case .draining: self = .draining
        case .tooManyCalls(let limit): self = .tooManyCalls(limit: limit)
        case .argumentsTooLarge(let count): self = .argumentsTooLarge(count)
        }
    }
}
