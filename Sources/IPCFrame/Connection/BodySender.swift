// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Cuts a body into chunks, proves and compresses them, and sends them as credit allows.
///
/// On the caller's thread, save the compressing of a body of more than one chunk, which is done a few chunks ahead
/// (``DeflateAhead``), and raw bytes of two chunks and more, which the reactor cuts (``OutboundRun``). Used by one task at
/// a time.
final class BodySender: Sendable {
    private struct State {
        var encoder: BodyEncoder
        var sent: UInt64 = 0
        /// As the receiver has accepted.
        var delivery = BodyDelivery.inline
        /// What may be sent without asking.
        var room = SendRoom()

        mutating func take(_ count: Int) {
            room.bytes -= count
            room.chunks -= 1
            sent += UInt64(count)
        }
    }

    /// From so many chunks on it is the reactor that cuts.
    private static let chunksOfRun = 2

    private let connection: Connection
    private let id: UInt64
    private let maxChunk: Int
    /// Where several chunks are compressed at the same time.
    private let ahead: DeflateAhead?
    private let isSizeKnown: Bool
    private let compresses: Bool
    /// Whether the digest is the reactor's to compute, and not this sender's.
    private let isProvedAsSent: Bool
    private let state: Mutex<State>

    init(connection: Connection, id: UInt64, maxChunk: Int, offer: Offer) {
        self.connection = connection
        self.id = id
        self.maxChunk = maxChunk
        isSizeKnown = offer.size != nil
        compresses = offer.codec == .zlib
        let pool = connection.configuration.chunkPool
        let isOneChunk = offer.size.map { $0 <= UInt64(maxChunk) } ?? false
        let isAhead = compresses && !isOneChunk && pool.width > 0
        ahead = isAhead ? DeflateAhead(pool: pool) { connection.send($0, on: id, isInTurn: true) } : nil
        isProvedAsSent = connection.provesAsSent(offer)
        state = Mutex(State(encoder: BodyEncoder(offer, codec: pool.codec, proves: !isProvedAsSent)))
    }

    /// Raw bytes taken so far, to be sent.
    var sent: UInt64 { state.withLock { $0.sent } }

    /// The verdict; without one the body is sent inline.
    func accepted(as delivery: BodyDelivery) { state.withLock { $0.delivery = delivery } }

    private var usesArena: Bool { state.withLock { $0.delivery == .arena } }

    /// Sends all of the body as the file that it is, if it was accepted so.
    ///
    /// - Returns: false when its bytes must be sent.
    func send(file part: FilePart) async -> Bool {
        guard state.withLock({ $0.delivery == .descriptor }), let opened = part.reopened(),
            await connection.send(part, opened: opened, on: id)
        else { return false }
        state.withLock { $0.sent = part.range.count }
        return true
    }

    /// Sends all of `bytes`, waiting for credit as often as needed; a flush needs at least one.
    ///
    /// Returns when the last of them are queued, or are being compressed and will be queued then.
    func send(_ bytes: ArraySlice<UInt8>, flush: Bool = false) async throws(CallError) {
        if !compresses, bytes.count >= Self.chunksOfRun * maxChunk {
            return try await sendRun(bytes, isFlush: flush)
        }
        var rest = bytes
        while !rest.isEmpty {
            let room = try await room(for: rest.count)
            let count = min(room.largestChunk(maxChunk), rest.count)
            let raw = rest.prefix(count)
            rest = rest.dropFirst(count)
            await send(raw, isFlush: flush && rest.isEmpty)
        }
    }

    private func sendRun(_ bytes: ArraySlice<UInt8>, isFlush: Bool) async throws(CallError) {
        state.withLock { state in
            // What is left of it is asked for anew.
            state.room = SendRoom()
            state.sent += UInt64(bytes.count)
        }
        try await connection.send(all: bytes, on: id, isFlush: isFlush) {
            state.withLock { $0.encoder.addToDigest(bytes) }
        }
    }

    /// What may be sent, never nothing; as it is known here, or as the connection says.
    private func room(for count: Int) async throws(CallError) -> SendRoom {
        let (known, taken) = state.withLock { ($0.room, $0.sent) }
        guard known.isEmpty else { return known }
        do throws(CallError) {
            let room = try await connection.sendRoom(id, slots: slotsWanted(for: count), taken: taken)
            // Kept here at once: they are given back with this sender.
            state.withLock { $0.room = room }
            return room
        } catch {
            ahead?.drop()
            throw error
        }
    }

    /// Sends one chunk's bytes, within the room.
    private func send(_ raw: ArraySlice<UInt8>, isFlush: Bool) async {
        if let ahead {
            let isFirst = state.withLock { state in
                defer { state.take(raw.count) }
                return state.sent == 0
            }
            await ahead.add(raw, isFlush: isFlush, isAlone: isFirst && !isSizeKnown)
            state.withLock { $0.encoder.addToDigest(raw) }
            return
        }
        let chunk = encode(raw, isFlush: isFlush)
        state.withLock { state in
            if let place = chunk.place { state.room.slots.remove(place.slot) }
            state.take(raw.count)
        }
        connection.send(chunk, on: id)
    }

    private func encode(_ raw: ArraySlice<UInt8>, isFlush: Bool) -> Chunk {
        state.withLock { state in
            // Into a slot, if there is one for them; on the caller's thread, as everything here.
            guard let chunk = connection.arena.region?.chunk(raw, in: state.room.slots, isFlush: isFlush) else {
                return state.encoder.encode(raw, isFlush: isFlush)
            }
            guard isProvedAsSent else {
                state.encoder.addToDigest(raw)
                return chunk
            }
            return chunk.proved(by: raw.span, connection.configuration.chunkPool.codec)
        }
    }

    private func slotsWanted(for count: Int) -> Int {
        guard usesArena else { return 0 }
        let largest = min(maxChunk, ArenaLayout.slotBytes)
        let (whole, rest) = count.quotientAndRemainder(dividingBy: largest)
        return whole + (rest >= ArenaRegion.smallestChunk ? 1 : 0)
    }

    deinit {
        let slots = state.withLock { $0.room.slots }
        guard !slots.isEmpty else { return }
        let connection = connection
        // Never at once: this may be the connection's own doing.
        connection.reactor.perform { connection.assumeIsolated { $0.machine.giveBack(slots) } }
    }

    /// Says that the body is complete.
    func finish(_ trailer: Trailer) async {
        await ahead?.waitUntilDone()
        let digest = state.withLock { $0.encoder.finish() }
        let sent = isProvedAsSent ? nil : digest
        connection.sendEnd(id, digest: sent, trailer: trailer, isInTurn: ahead != nil)
    }
}
