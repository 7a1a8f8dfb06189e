// SPDX-License-Identifier: Apache-2.0

// Delivery by arena (PROTOCOL.md §10): the region itself is the shell's.
extension ConnectionStateMachine {
    /// Whether both ends can share memory.
    package var canShareMemory: Bool { features & Capabilities.arena != 0 }

    /// Parent: the region is made; tells the child of it, before whatever is queued from now on.
    ///
    /// The shell sends the region's descriptor with the frame.
    package mutating func announceArena() {
        guard role == .parent, phase == .open, canShareMemory, !isArenaAnnounced else { return }
        isArenaAnnounced = true
        isArenaMapped = true
        let payload = Self.encoded { ArenaAnnouncement().encode(into: &$0) }
        out.appendControl(OutboundFrame(.arena, descriptors: 1, payload: payload[...]))
    }

    /// Child: the region that ``MachineAction/arena`` told of is mapped.
    package mutating func adoptArena() {
        guard role == .child, isArenaAnnounced else { return }
        isArenaMapped = true
    }

    /// Slots that were reserved for a body and are not needed.
    package mutating func giveBack(_ slots: SlotSet) { arena.giveBack(slots) }

    /// Every slot that is reserved for a body, whose sender has stopped.
    package mutating func giveBack(_ id: UInt64) { arena.giveBack(arena.reserve(0, for: id)) }

    /// Whether nobody holds a slot of ours.
    package var areAllSlotsFree: Bool { arena.freeCount == ArenaLayout.slots }

    /// Table 14.5.
    mutating func receiveArena(_ payload: [UInt8]) throws(ProtocolViolation) {
        guard role == .child else { throw unexpected("parent") }
        guard canShareMemory else { throw unexpected("no arena was negotiated") }
        guard !isArenaAnnounced else { throw unexpected("an arena is there already") }
        _ = try ArenaAnnouncement(parsing: payload)
        isArenaAnnounced = true
        act(.arena)
    }

    /// Frees the slots of DATA that is about to be dropped.
    mutating func takeBackSlots(_ stream: Stream) {
        guard stream.send.delivery == .arena else { return }
        arena.takeBack(stream.queue.arenaSlots, of: stream.id)
    }

    /// What ARENA and DATA with FILE must have, and no other frame may have.
    func descriptorFault(_ header: FrameHeader) -> ProtocolViolation? {
        let isArena = header.type == .arena && role == .child && phase == .open && canShareMemory
        let isFile = header.type == .data && header.flags.contains(.file) && phase == .open && canPassFiles
        if isArena || isFile, header.descriptors != 1 {
            return ProtocolViolation(.badDescriptors, detail: "\(header.descriptors) descriptors where one belongs")
        }
        guard header.descriptors == 0 || isArena || isFile else {
            return ProtocolViolation(.badDescriptors, detail: "\(header.descriptors) descriptors where none belong")
        }
        return nil
    }

    /// Gives the room slots to copy into; none while the body's own slots are on their way, of which a CREDIT will tell.
    ///
    /// Where all slots are held by others, one chunk may go inline.
    mutating func addSlots(to room: SendRoom, of stream: Stream) -> SendRoom {
        let wanted = stream.send.slotsWanted
        guard wanted > 0, stream.send.delivery == .arena, !room.isEmpty else { return room }
        var room = room
        room.slots = arena.reserve(min(wanted, room.chunks), for: stream.id)
        if !room.slots.isEmpty {
            room.chunks = min(room.chunks, room.slots.count)
        } else if arena.hasSent(stream.id) {
            room.chunks = 0
        } else {
            room.chunks = 1
        }
        return room
    }

    /// Whether ``addSlots(to:of:)`` would leave room.
    func hasSlots(for stream: Stream) -> Bool {
        guard stream.send.slotsWanted > 0, stream.send.delivery == .arena else { return true }
        return arena.hasRoom(for: stream.id) || !arena.hasSent(stream.id)
    }

    /// The offer that waits for the application's verdict.
    package func offerToAccept(_ id: UInt64) -> Offer? {
        guard let stream = streams[id], stream.receive.state == .offered else { return nil }
        return stream.receive.offer
    }

    /// How an offered body is to come.
    func deliveryToAccept(_ stream: Stream) -> BodyDelivery {
        guard let offer = stream.receive.offer else { return .inline }
        switch offer.delivery {
        case .inline: return .inline
        case .arena: return stream.receive.mayShareMemory && isArenaMapped ? .arena : .inline
        case .descriptor:
            return stream.receive.mayTakeFile && offer.size != nil && offer.codec == .none ? .descriptor : .inline
        }
    }

    /// Whether the sender should hear that slots are free: after two, and when it may wait for any.
    func isSlotCreditDue(_ stream: Stream) -> Bool {
        guard stream.receive.delivery == .arena, stream.receive.state == .receiving else { return false }
        let news = stream.receive.consumed - stream.receive.credited
        return news >= UInt64(2 * ArenaLayout.slotBytes) || stream.receive.consumed == stream.receive.received
    }

    /// The sender has ended a body that it had begun: tells it that its slots are not read any more.
    mutating func creditLast(_ stream: Stream) {
        guard stream.receive.delivery == .arena else { return }
        guard stream.receive.state == .receiving || stream.receive.state == .taking else { return }
        stream.receive.delivery = .inline
        let received = stream.receive.received
        let credit = Credit(consumed: received, limit: max(stream.receive.limit, received))
        queueControl(.credit, stream: stream.id, payload: Self.encoded { credit.encode(into: &$0) })
    }
}
