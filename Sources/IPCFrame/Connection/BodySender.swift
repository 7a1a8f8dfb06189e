// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Cuts a body into chunks, proves and compresses them on the caller's thread, and sends them as credit allows.
///
/// Used by one task at a time.
final class BodySender: Sendable {
    private struct State {
        var encoder: BodyEncoder
        var sent: UInt64 = 0
        /// What may be sent without asking.
        var room = SendRoom()
    }

    /// Smaller chunks than this go inline: for a few bytes a slot of the arena is not worth holding.
    private static let smallChunk = 32 << 10

    private let connection: Connection
    private let id: UInt64
    private let maxChunk: Int
    /// The body is offered so, and comes so if its receiver accepts that.
    private let usesArena: Bool
    private let state: Mutex<State>

    init(connection: Connection, id: UInt64, maxChunk: Int, offer: Offer) {
        self.connection = connection
        self.id = id
        self.maxChunk = maxChunk
        usesArena = offer.delivery == .arena && offer.codec == .none
        state = Mutex(State(encoder: BodyEncoder(offer)))
    }

    /// Raw bytes sent so far.
    var sent: UInt64 { state.withLock { $0.sent } }

    /// Sends all of `bytes`, waiting for credit as often as needed; a flush needs at least one.
    ///
    /// Returns when the last of them are queued.
    func send(_ bytes: ArraySlice<UInt8>, flush: Bool = false) async throws(CallError) {
        var rest = bytes
        while !rest.isEmpty {
            var room = state.withLock { $0.room }
            if room.isEmpty {
                room = try await connection.sendRoom(id, slots: slotsWanted(for: rest.count))
                // Kept here at once: they are given back with this sender.
                state.withLock { $0.room = room }
            }
            let largest = room.slots.isEmpty ? maxChunk : min(maxChunk, ArenaLayout.slotBytes)
            let count = min(room.bytes, largest, rest.count)
            let isLast = count == rest.count
            let chunk = encode(rest.prefix(count), isFlush: flush && isLast)
            rest = rest.dropFirst(count)
            state.withLock { state in
                if let place = chunk.place { state.room.slots.remove(place.slot) }
                state.room.bytes -= count
                state.room.chunks -= 1
                state.sent += UInt64(count)
            }
            connection.send(chunk, on: id)
        }
    }

    private func encode(_ raw: ArraySlice<UInt8>, isFlush: Bool) -> Chunk {
        state.withLock { state in
            guard let chunk = copyToArena(raw, isFlush: isFlush, state.room) else {
                return state.encoder.encode(raw, isFlush: isFlush)
            }
            state.encoder.addToDigest(raw)
            return chunk
        }
    }

    private func slotsWanted(for count: Int) -> Int {
        guard usesArena else { return 0 }
        let largest = min(maxChunk, ArenaLayout.slotBytes)
        let (whole, rest) = count.quotientAndRemainder(dividingBy: largest)
        return whole + (rest >= Self.smallChunk ? 1 : 0)
    }

    /// Copies the bytes into a slot, if there is one for them; on the caller's thread, as everything here.
    private func copyToArena(_ raw: ArraySlice<UInt8>, isFlush: Bool, _ room: SendRoom) -> Chunk? {
        guard let slot = room.slots.first, raw.count >= Self.smallChunk, raw.count <= ArenaLayout.slotBytes,
            let region = connection.arena.region
        else { return nil }
        region.write(raw, to: slot)
        return Chunk(in: ArenaPlace(slot: slot, count: raw.count), isFlush: isFlush)
    }

    deinit {
        let slots = state.withLock { $0.room.slots }
        guard !slots.isEmpty else { return }
        let connection = connection
        // Never at once: this may be the connection's own doing.
        connection.reactor.perform { connection.assumeIsolated { $0.machine.giveBack(slots) } }
    }

    /// Says that the body is complete.
    func finish(_ trailer: Trailer) {
        let digest = state.withLock { $0.encoder.finish() }
        connection.sendEnd(id, digest: digest, trailer: trailer)
    }
}
