// SPDX-License-Identifier: Apache-2.0

/// Raw bytes of a body, most often all of them, that the reactor cuts and queues by itself as there is room.
struct OutboundRun: Sendable {
    /// How it went, once it has, for a sender who waits for that.
    typealias Outcome = WaitableState<Result<Void, CallError>?>

    /// What is not queued yet.
    private var rest: ArraySlice<UInt8>
    private let isFlush: Bool
    /// What END tells, where these are the last bytes of the body: it follows them at once.
    let trailer: Trailer?
    private let outcome: Outcome?

    init(_ bytes: ArraySlice<UInt8>, isFlush: Bool = false, trailer: Trailer? = nil, outcome: Outcome? = nil) {
        rest = bytes
        self.isFlush = isFlush
        self.trailer = trailer
        self.outcome = outcome
    }

    var isEmpty: Bool { rest.isEmpty }

    /// The next chunk's bytes, within the room, and whether the chunk asks for a flush.
    mutating func next(_ room: SendRoom, maxChunk: Int) -> (raw: ArraySlice<UInt8>, isFlush: Bool) {
        let raw = rest.prefix(room.largestChunk(maxChunk))
        rest = rest.dropFirst(raw.count)
        return (raw, isFlush && rest.isEmpty)
    }

    /// Wakes the sender.
    func finish(_ result: Result<Void, CallError>) { outcome?.change { $0 = result } }
}

extension Connection {
    /// Whether a body that is in memory can be left to the reactor from beginning to end: it need not be compressed, and its
    /// digest, if it has one, costs next to nothing.
    nonisolated func sendsByItself(_ offer: Offer) -> Bool {
        offer.codec == .none && (offer.digest == .none || provesAsSent(offer))
    }

    /// Whether the digest of a body is computed by the reactor: right before its bytes are written they are read once
    /// anyway.
    nonisolated func provesAsSent(_ offer: Offer) -> Bool {
        offer.codec == .none && offer.digest == .crc32 && CRC32Digest(codec: configuration.chunkPool.codec).isCheap
    }

    /// Call before anything of the body is sent.
    func beginDigest(of offer: Offer, _ record: CallRecord) {
        record.sentDigest = provesAsSent(offer) ? CRC32Digest(codec: configuration.chunkPool.codec) : nil
    }

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
        order { connection in
            connection.begin(OutboundRun(bytes, isFlush: isFlush, outcome: outcome), of: id)
            connection.obey()
        }
        meanwhile()
        await outcome.wait { $0 != nil }
        try outcome.withLock { $0 }?.get()
    }

    /// Begins the answer, and sends all of its body, as ``sendsByItself(_:)`` allows; returns when the last of it is
    /// queued.
    ///
    /// The sender is not asked when the verdict comes.
    nonisolated func respond(_ id: UInt64, _ head: ResponseHead, all bytes: [UInt8]) async throws(CallError) {
        let outcome = OutboundRun.Outcome(nil)
        order { connection in
            do throws(CallError) {
                _ = try connection.respond(id, head)
                connection.begin(OutboundRun(bytes[...], outcome: outcome), of: id)
                connection.obey()
            } catch {
                outcome.change { $0 = .failure(error) }
            }
        }
        await outcome.wait { $0 != nil }
        try outcome.withLock { $0 }?.get()
    }

    /// Sends it as soon as the body has its verdict.
    func begin(_ run: OutboundRun, of id: UInt64) {
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

    /// Queues as much as there is room for; `.sendable` tells of more, and of the verdict.
    func advanceRun(_ record: CallRecord, _ id: UInt64) {
        guard machine.isAccepted(id), var run = record.run.take() else { return }
        let usesArena = machine.acceptedDelivery(id) == .arena
        while !run.isEmpty {
            let room = machine.sendRoom(id, slots: usesArena ? 1 : 0)
            guard !room.isEmpty else {
                record.statistics.addCreditStall()
                record.run = run
                return
            }
            let (raw, isFlush) = run.next(room, maxChunk: maxChunk)
            record.sentDigest?.update(raw.span)
            let chunk =
                arena.region?.chunk(raw, in: room.slots, isFlush: isFlush) ?? Chunk(stored: raw, isFlush: isFlush)
            record.statistics.add(chunk, isSent: true)
            machine.send(chunk, on: id)
            if chunk.place != nil { noteArenaUse() } else if usesArena { machine.giveBack(room.slots) }
            // The receiver has this one while the next is copied or proved here, and the kernel finds it in the cache. A
            // socket that was full tells when it no longer is.
            if writer.isEmpty { flushOutput() }
        }
        if let trailer = run.trailer { end(id, digest: nil, trailer: trailer) }
        run.finish(.success(()))
    }
}
