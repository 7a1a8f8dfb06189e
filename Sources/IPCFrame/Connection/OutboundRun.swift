// SPDX-License-Identifier: Apache-2.0

/// Raw bytes of a body, more than one chunk, that the reactor cuts and queues by itself as there is room, while their
/// sender sleeps.
struct OutboundRun: Sendable {
    /// How it went, once it has, and the digest with these bytes; the sender waits for this.
    typealias Outcome = WaitableState<Result<CRC32Digest?, CallError>?>

    /// What is not queued yet.
    private var rest: ArraySlice<UInt8>
    private let isFlush: Bool
    /// Of the body so far, where it is computed here: right before the bytes are written they are read once anyway.
    private var digest: CRC32Digest?
    private let outcome: Outcome

    init(_ bytes: ArraySlice<UInt8>, isFlush: Bool, digest: CRC32Digest?, outcome: Outcome) {
        rest = bytes
        self.isFlush = isFlush
        self.digest = digest
        self.outcome = outcome
    }

    var isEmpty: Bool { rest.isEmpty }

    /// The next chunk, within the room: in its first slot, if there is one and the chunk is worth it.
    mutating func next(_ room: SendRoom, maxChunk: Int, _ region: ArenaRegion?) -> Chunk {
        let raw = rest.prefix(room.largestChunk(maxChunk))
        rest = rest.dropFirst(raw.count)
        digest?.update(raw.span)
        let isLast = isFlush && rest.isEmpty
        return region?.chunk(raw, in: room.slots, isFlush: isLast) ?? Chunk(stored: raw, isFlush: isLast)
    }

    /// Wakes the sender.
    func finish(_ result: Result<Void, CallError>) { outcome.change { $0 = result.map { digest } } }
}

extension Connection {
    /// Sends all of `bytes` as they are; returns when the last of them are queued.
    ///
    /// `meanwhile` runs beside it, on the caller's thread. Gives `digest`, if there is one, with the bytes.
    nonisolated func send(
        all bytes: ArraySlice<UInt8>,
        on id: UInt64,
        isFlush: Bool,
        digest: CRC32Digest?,
        meanwhile: () -> Void
    ) async throws(CallError) -> CRC32Digest? {
        let outcome = OutboundRun.Outcome(nil)
        // Behind the chunks before, which another thread may have posted.
        order(isInTurn: true) { connection in
            connection.begin(OutboundRun(bytes, isFlush: isFlush, digest: digest, outcome: outcome), of: id)
            connection.obey()
        }
        meanwhile()
        await outcome.wait { $0 != nil }
        return try outcome.withLock { $0 }?.get()
    }

    private func begin(_ run: OutboundRun, of id: UInt64) {
        do throws(CallError) {
            let record = try sendingRecord(id)
            precondition(record.run == nil && record.roomWaiter == nil, "a body has one sender")
            record.run = run
            // What the sender had reserved for smaller pieces: the run takes slots one by one.
            machine.giveBack(id)
            advanceRun(record, id)
        } catch {
            run.finish(.failure(error))
        }
    }

    /// Queues as much as there is room for; `.sendable` tells of more.
    func advanceRun(_ record: CallRecord, _ id: UInt64) {
        guard var run = record.run.take() else { return }
        let usesArena = machine.acceptedDelivery(id) == .arena
        while !run.isEmpty {
            let room = machine.sendRoom(id, slots: usesArena ? 1 : 0)
            guard !room.isEmpty else {
                record.statistics.addCreditStall()
                record.run = run
                return
            }
            let chunk = run.next(room, maxChunk: maxChunk, arena.region)
            record.statistics.add(chunk, isSent: true)
            machine.send(chunk, on: id)
            guard usesArena else { continue }
            if chunk.place == nil {
                machine.giveBack(room.slots)
            } else {
                noteArenaUse()
                // The receiver copies this one while the next is copied here.
                flushOutput()
            }
        }
        run.finish(.success(()))
    }
}
