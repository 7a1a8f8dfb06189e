// SPDX-License-Identifier: Apache-2.0

/// The sizes of the region that two ends share (PROTOCOL.md §10); version 1 knows one layout.
package enum ArenaLayout {
    /// Bytes of a slot.
    package static let slotBytes = 256 << 10
    /// Slots of each direction; the parent's come first.
    package static let slots = 16
    /// A body may hold so many slots for each that is free: one alone has twelve of them, two have about seven each, and
    /// there is always one for the next (dynamic thresholds: Choudhury and Hahne, 1998).
    package static let greed = 3
    /// Bytes of the whole region.
    package static let byteCount = 2 * slots * slotBytes
}

/// ARENA: the region whose descriptor comes with this frame.
package struct ArenaAnnouncement: Equatable, Sendable {
    package var slotBytes: UInt32
    package var slots: UInt32

    /// The one layout of version 1.
    package init() {
        slotBytes = UInt32(ArenaLayout.slotBytes)
        slots = UInt32(ArenaLayout.slots)
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        slotBytes = try reader.uint32("slotSize")
        slots = try reader.uint32("slots")
        try reader.finish()
        guard self == ArenaAnnouncement() else {
            throw .malformed(
                "a region of \(slots) slots of \(slotBytes) bytes, not \(ArenaLayout.slots) of \(ArenaLayout.slotBytes)"
            )
        }
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(slotBytes)
        bytes.appendLittleEndian(slots)
    }
}

/// DATA with flag ARENA: where in its sender's half of the region a chunk lies.
package struct ArenaPlace: Equatable, Sendable {
    package let slot: Int
    package let offset: Int
    package let count: Int

    /// The first `count` bytes of a slot.
    package init(slot: Int, count: Int) {
        precondition((0..<ArenaLayout.slots).contains(slot), "there is no such slot")
        precondition((1...ArenaLayout.slotBytes).contains(count), "a chunk must fit into its slot")
        self.slot = slot
        offset = 0
        self.count = count
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        let slot = try reader.uint32("slot")
        let offset = try reader.uint32("offset")
        let length = try reader.uint32("length")
        try reader.finish()
        guard slot < UInt32(ArenaLayout.slots) else {
            throw .malformed("slot \(slot) of the arena, which has \(ArenaLayout.slots)")
        }
        guard length > 0 else { throw .malformed("a chunk of no bytes in the arena") }
        guard UInt64(offset) + UInt64(length) <= UInt64(ArenaLayout.slotBytes) else {
            throw .malformed(
                "\(length) bytes from offset \(offset) of a slot of the arena, which has \(ArenaLayout.slotBytes)"
            )
        }
        self.slot = Int(slot)
        self.offset = Int(offset)
        count = Int(length)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt32(slot))
        bytes.appendLittleEndian(UInt32(offset))
        bytes.appendLittleEndian(UInt32(count))
    }
}
