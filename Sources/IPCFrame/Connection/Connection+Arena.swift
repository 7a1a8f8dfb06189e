// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// The shared region of a connection, for those who copy into it and out of it on their own threads.
final class ArenaHolder: Sendable {
    private let state = Mutex<ArenaRegion?>(nil)

    var region: ArenaRegion? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

// Delivery by arena: making the region, taking it over, and saying which body uses it.
extension Connection {
    /// How to offer a body of ours.
    func delivery(of size: UInt64?, _ codec: BodyCodec, _ wanted: CallOptions.Delivery) -> BodyDelivery {
        wanted.usesArena(size, codec, machine.limits) && shareMemory() ? .arena : .inline
    }

    /// The application wants the body that was offered.
    func accept(_ id: UInt64) {
        guard let record = calls[id], let offer = machine.offerToAccept(id) else { return }
        let isShared = offer.delivery == .arena && record.delivery.usesArena(size: offer.size)
        machine.accept(id, sharesMemory: isShared && shareMemory(), takesFile: takesFile(record))
    }

    /// Whether there is a region; the parent makes it when it is first needed.
    private func shareMemory() -> Bool {
        guard machine.canShareMemory, end == nil else { return false }
        if role == .child || isArenaTried { return role == .child || arena.region != nil }
        isArenaTried = true
        do throws(SystemError) {
            let (region, descriptor) = try ArenaRegion.make()
            arena.region = region
            arenaDescriptor = descriptor
            machine.announceArena()
            noteArenaUse()
        } catch {
            // No memory for it: everything goes inline.
            return false
        }
        return true
    }

    /// Child: maps the region that has come.
    func adoptArena() {
        do throws(ProtocolViolation) {
            guard let region = try ArenaRegion.adopt(from: &reader.descriptors) else { return }
            arena.region = region
            machine.adoptArena()
            noteArenaUse()
        } catch {
            machine.abort(.violation(error))
        }
    }

    // MARK: Memory that nobody uses

    /// Our half is used, or may be soon.
    func noteArenaUse() {
        arenaUses &+= 1
        if arenaTimer == nil { watchArena() }
    }

    private func watchArena() {
        let uses = arenaUses
        arenaTimer = reactor.schedule(at: .now + arenaIdleTime) {
            self.assumeIsolated { $0.checkArena(since: uses) }
        }
    }

    private func checkArena(since uses: UInt64) {
        arenaTimer = nil
        guard end == nil, let region = arena.region else { return }
        guard arenaUses == uses, machine.areAllSlotsFree else { return watchArena() }
        region.release()
    }
}
