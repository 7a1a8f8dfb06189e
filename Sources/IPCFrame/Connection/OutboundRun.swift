// SPDX-License-Identifier: Apache-2.0

/// Raw bytes of a body, more than one chunk, that the reactor cuts and queues by itself as there is room, while their
/// sender sleeps.
struct OutboundRun: Sendable {
    /// How it went, once it has; the sender waits for this.
    typealias Outcome = WaitableState<Result<Void, CallError>?>

    /// What is not queued yet.
    private var rest: ArraySlice<UInt8>
    private let isFlush: Bool
    private let outcome: Outcome

    init(_ bytes: ArraySlice<UInt8>, isFlush: Bool, outcome: Outcome) {
        rest = bytes
        self.isFlush = isFlush
        self.outcome = outcome
    }

    var isEmpty: Bool { rest.isEmpty }

    /// The next chunk, within the room.
    mutating func next(_ room: SendRoom, maxChunk: Int) -> Chunk {
        let raw = rest.prefix(min(room.bytes, maxChunk))
        rest = rest.dropFirst(raw.count)
        return Chunk(stored: raw, isFlush: isFlush && rest.isEmpty)
    }

    /// Wakes the sender.
    func finish(_ result: Result<Void, CallError>) { outcome.change { $0 = result } }
}

extension Connection {
    /// Sends all of `bytes` as they are; returns when the last of them are queued.
    ///
    /// `meanwhile` runs beside it, on the caller's thread.
    nonisolated func send(
        all bytes: ArraySlice<UInt8>,
        on id: UInt64,
        isFlush: Bool,
        meanwhile: () -> Void
    ) async throws(CallError) {
        let outcome = OutboundRun.Outcome(nil)
        // Behind the chunks before, which another thread may have posted.
        order(isInTurn: true) { connection in
            connection.begin(OutboundRun(bytes, isFlush: isFlush, outcome: outcome), of: id)
            connection.obey()
        }
        meanwhile()
        await outcome.wait { $0 != nil }
        try outcome.withLock { $0 }?.get()
    }

    private func begin(_ run: OutboundRun, of id: UInt64) {
        do throws(CallError) {
            let record = try sendingRecord(id)
            precondition(record.run == nil && record.roomWaiter == nil, "a body has one sender")
            record.run = run
            advanceRun(record, id)
        } catch {
            run.finish(.failure(error))
        }
    }

    /// Queues as much as there is room for; `.sendable` tells of more.
    func advanceRun(_ record: CallRecord, _ id: UInt64) {
        guard var run = record.run.take() else { return }
        while !run.isEmpty {
            let room = machine.sendRoom(id)
            guard !room.isEmpty else {
                record.statistics.addCreditStall()
                record.run = run
                return
            }
            let chunk = run.next(room, maxChunk: maxChunk)
            record.statistics.add(chunk, isSent: true)
            machine.send(chunk, on: id)
        }
        run.finish(.success(()))
    }
}
