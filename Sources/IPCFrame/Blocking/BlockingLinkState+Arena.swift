// SPDX-License-Identifier: Apache-2.0
internal import CLinux

// Delivery by arena, as in Connection+Arena.
extension BlockingLinkState {
    /// How to offer a body of ours.
    mutating func delivery(of size: UInt64?, _ codec: BodyCodec, _ wanted: CallOptions.Delivery) -> BodyDelivery {
        wanted.usesArena(size, codec, machine.limits) && shareMemory() ? .arena : .inline
    }

    /// The application wants the body that was offered.
    mutating func accept(_ id: UInt64, _ wanted: CallOptions.Delivery) {
        guard let offer = machine.offerToAccept(id) else { return }
        let isShared = offer.delivery == .arena && wanted.usesArena(size: offer.size)
        machine.accept(id, sharesMemory: isShared && shareMemory())
    }

    /// Whether there is a region; the parent makes it when it is first needed.
    private mutating func shareMemory() -> Bool {
        guard machine.canShareMemory, end == nil else { return false }
        if role == .child || isArenaTried { return role == .child || region != nil }
        isArenaTried = true
        // Without memory for it everything goes inline.
        guard let (region, descriptor) = try? ArenaRegion.make() else { return false }
        self.region = region
        arenaDescriptor = descriptor
        machine.announceArena()
        return true
    }

    /// Child: maps the region that has come.
    mutating func adoptArena() {
        do throws(ProtocolViolation) {
            guard let region = try ArenaRegion.adopt(from: &reader.descriptors) else { return }
            self.region = region
            machine.adoptArena()
        } catch {
            machine.abort(.violation(error))
        }
    }

    /// The next chunk of a body of ours, from the beginning of `rest`; nil while there is no room for one.
    mutating func nextChunk(of rest: ArraySlice<UInt8>, on id: UInt64, _ encoder: inout BodyEncoder) -> Chunk? {
        let usesArena = machine.acceptedDelivery(id) == .arena
        let room = machine.sendRoom(id, slots: usesArena ? 1 : 0)
        guard !room.isEmpty else { return nil }
        let raw = rest.prefix(room.largestChunk(Int(machine.limits.maxChunk)))
        guard usesArena, let chunk = region?.chunk(raw, in: room.slots, isFlush: false) else {
            machine.giveBack(room.slots)
            return encoder.encode(raw)
        }
        encoder.addToDigest(raw)
        noteArenaUse()
        return chunk
    }

    // MARK: Memory that nobody uses

    private mutating func noteArenaUse() {
        guard !isArenaUsed else { return }
        isArenaUsed = true
        clinux_limit_reading(descriptor, UInt64(arenaIdleTime.wholeNanoseconds))
    }

    /// Nothing has come for a while.
    mutating func releaseArena() {
        guard isArenaUsed, machine.areAllSlotsFree else { return }
        region?.release()
        isArenaUsed = false
        clinux_limit_reading(descriptor, 0)
    }
}
