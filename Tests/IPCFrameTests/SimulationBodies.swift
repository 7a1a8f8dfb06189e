// SPDX-License-Identifier: Apache-2.0
@testable import IPCFrame

/// What bodies consist of: a byte depends on the body and on its offset.
enum SimulatedContent {
    static let length = 1 << 17
    static let bytes: [UInt8] = (0..<length).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) }

    static func slice(_ salt: UInt64, _ offset: UInt64, _ count: Int) -> ArraySlice<UInt8> {
        let start = Int((salt &* 977 &+ offset) % UInt64(length - 8_192))
        return bytes[start..<start + count]
    }
}

/// A body that an application sends.
struct OutboundScript {
    let total: UInt64
    let offer: Offer
    let salt: UInt64
    private(set) var sent: UInt64 = 0
    var consumed: UInt64 = 0
    var isTaken = false
    var isOver = false
    private var hasGivenUp = false
    /// Waits until the peer has consumed this much.
    private var flushGoal: UInt64?
    /// What has been copied into a slot and not been sent.
    private var copied: (slot: Int, count: Int)?
    /// The machine said that there is no room, or no verdict; it will tell.
    var isBlocked: Bool

    init(_ random: inout SeededRandom, largest: Int, salt: UInt64, for machine: borrowing ConnectionStateMachine) {
        let initialCredit = machine.limits.initialCredit
        let credit = Int(initialCredit)
        // A file is soon sent: seldom, so that the other ways are seen in every state.
        var deliveries = [BodyDelivery.inline, .inline]
        if machine.canShareMemory { deliveries += [.arena, .arena, .arena, .arena] }
        if machine.canPassFiles { deliveries.append(.descriptor) }
        let sizes = [0, 1, max(0, credit - 1), credit, credit + 1, random.below(9_000), random.below(60_000)]
        total = UInt64(min(largest, random.pick(sizes)))
        offer = Offer(
            size: random.once(in: 3) ? nil : total,
            codec: random.once(in: 2) ? .zlib : .none,
            delivery: random.pick(deliveries),
            digest: random.once(in: 2) ? .crc32 : .none,
            isHeld: random.once(in: 4)
        )
        self.salt = salt
        isBlocked = !offer.isSentAtOnce(initialCredit: initialCredit)
    }

    /// All of it, as one goes with the frame that offers it; nil if it must not, or now and then.
    mutating func takeWhole(_ random: inout SeededRandom, _ machine: borrowing ConnectionStateMachine) -> WholeBody? {
        guard machine.isSentAtOnce(offer), random.once(in: 2) else { return nil }
        sent = total
        isOver = true
        return WholeBody(SimulatedContent.slice(salt, 0, Int(total)), digest: 7)
    }

    /// Sends the next piece, or END.
    mutating func step(
        _ id: UInt64,
        _ machine: inout ConnectionStateMachine,
        _ random: inout SeededRandom,
        _ arena: SimulatedArena
    ) throws -> Bool {
        if let (slot, count) = copied {
            copied = nil
            machine.send(Chunk(in: ArenaPlace(slot: slot, count: count)), on: id)
            sent += UInt64(count)
            return true
        }
        guard !isOver, !isBlocked, machine.isSending(id) else { return false }
        if let flushGoal {
            guard consumed >= flushGoal else { return false }
            self.flushGoal = nil
        }
        guard sent < total else {
            isOver = true
            machine.sendEnd(id, digest: offer.digest == .none ? 0 : 7, trailer: Trailer())
            return true
        }
        // A file is told by where the body begins in it.
        if machine.canSendFile(id), !random.once(in: 4), let file = FileRange(offset: salt, count: total) {
            machine.send(file, on: id)
            sent = total
            return true
        }
        let room = machine.sendRoom(id, slots: random.below(4))
        guard !room.isEmpty else {
            isBlocked = true
            return false
        }
        let most = Int(min(UInt64(min(Int(machine.limits.maxChunk), room.bytes)), total - sent))
        let count = random.once(in: 3) ? 1 + random.below(most) : most
        if let slot = room.slots.first, !random.once(in: 5) {
            arena.write(.init(salt: salt, offset: sent, count: count), to: slot, of: machine.role)
            copied = (slot, count)
            return true
        }
        let isFlush = random.once(in: 8)
        if offer.codec == .zlib, random.once(in: 2) {
            // It stands for a zlib stream; what it inflates to is told by where it starts.
            let bytes = Sample.encoded { bytes in
                bytes.appendLittleEndian(UInt32(count))
                bytes.appendLittleEndian(sent)
            }
            machine.send(Chunk(compressed: bytes[...], rawCount: count, isFlush: isFlush), on: id)
        } else {
            machine.send(Chunk(stored: SimulatedContent.slice(salt, sent, count), isFlush: isFlush), on: id)
        }
        sent += UInt64(count)
        if isFlush { flushGoal = sent }
        if isFlush, random.once(in: 4), machine.sendWindow(id) > 0 {
            machine.send(Chunk(stored: [], isFlush: true), on: id)
        }
        return true
    }

    /// What was copied for a body that is over is not sent, and what was reserved is given back.
    mutating func giveUpSlot(_ id: UInt64, _ machine: inout ConnectionStateMachine) -> Bool {
        guard isOver, !hasGivenUp else { return false }
        hasGivenUp = true
        copied = nil
        machine.giveBack(id)
        return true
    }
}

/// A body that an application receives.
struct InboundScript {
    /// A chunk in the arena that has not been copied out yet.
    private struct Copy {
        let slot: Int
        let content: SimulatedArena.Content
    }

    let offer: Offer
    let salt: UInt64
    private var waiting: [(count: Int, isFlush: Bool, copy: Copy?)] = []
    private var received: UInt64 = 0
    private(set) var isWhole = false
    private var isAcceptAsked = false
    private(set) var isTaken = false
    var isOver = false

    init(_ offer: Offer, salt: UInt64) {
        self.offer = offer
        self.salt = salt
    }

    /// The machine delivers: it must be the next piece.
    mutating func deliver(_ chunk: Chunk) throws {
        try hold(!isOver && !isWhole, "a chunk for a body that is over")
        var copy: Copy?
        if let file = chunk.file {
            try hold(received == 0 && file.count == offer.size, "a file that is not the whole body")
            try hold(file.offset == salt, "a file of another body")
        } else if let place = chunk.place {
            copy = Copy(slot: place.slot, content: .init(salt: salt, offset: received, count: chunk.rawCount))
        } else if chunk.isCompressed {
            let start = Array(chunk.bytes).span.littleEndian64(at: 4)
            try hold(start == received, "a chunk of offset \(start) where \(received) is next")
        } else {
            let expected = SimulatedContent.slice(salt, received, chunk.rawCount)
            try hold(Array(expected) == Array(chunk.bytes), "a chunk at \(received) has other bytes than were sent")
        }
        received += UInt64(chunk.rawCount)
        waiting.append((chunk.rawCount, chunk.isFlush, copy))
    }

    /// The next bytes have come to their place: they are taken.
    mutating func land(_ payload: [UInt8]) throws {
        try hold(!isOver && !isWhole, "bytes land for a body that is over")
        let expected = SimulatedContent.slice(salt, received, payload.count)
        try hold(Array(expected) == payload, "other bytes land at \(received) than were sent")
        received += UInt64(payload.count)
    }

    /// It has come with the frame that offers it.
    mutating func take(_ whole: WholeBody) throws {
        if !whole.bytes.isEmpty { try deliver(Chunk(stored: whole.bytes)) }
        let total = UInt64(whole.bytes.count)
        try end(End(total: total, digestKind: offer.digest, digest: whole.digest, trailer: whole.trailer))
    }

    /// Whether what comes may go to its place: nothing of it waits.
    var collects: Bool { waiting.isEmpty && offer.codec == .none }

    /// The next bytes are copied out of their slot at once.
    mutating func land(_ found: SimulatedArena.Content?, _ count: Int) throws {
        try hold(!isOver && !isWhole, "a slot lands for a body that is over")
        let expected = SimulatedArena.Content(salt: salt, offset: received, count: count)
        try hold(found == expected, "a slot was used again before it was read")
        received += UInt64(count)
    }

    mutating func end(_ end: End) throws {
        try hold(!isOver && !isWhole && end.total == received, "END of \(end.total) after \(received)")
        try hold(offer.size == nil || offer.size == received, "a body of \(received) that was offered otherwise")
        isWhole = true
    }

    /// Wants the body, takes a piece of it, or is done with it.
    mutating func step(
        _ id: UInt64,
        _ machine: inout ConnectionStateMachine,
        _ random: inout SeededRandom,
        _ arena: SimulatedArena
    ) throws -> Bool {
        guard !isOver else { return false }
        if !isAcceptAsked, !machine.isSentAtOnce(offer) {
            isAcceptAsked = true
            machine.accept(id, sharesMemory: !random.once(in: 5), takesFile: !random.once(in: 5))
            return true
        }
        if let first = waiting.first {
            if let copy = first.copy {
                let found = arena.read(copy.slot, of: machine.role == .parent ? .child : .parent)
                try hold(found == copy.content, "slot \(copy.slot) was used again before it was read")
                waiting[0].copy = nil
            }
            let count = random.once(in: 3) ? random.below(first.count + 1) : first.count
            if count == first.count { waiting.removeFirst() } else { waiting[0].count -= count }
            machine.consume(id, count: count, isFlush: first.isFlush && count == first.count)
            return true
        }
        guard isWhole else { return false }
        isTaken = true
        isOver = true
        machine.take(id)
        return true
    }
}
