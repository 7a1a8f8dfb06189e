// SPDX-License-Identifier: Apache-2.0

/// Some of the slots of one direction.
package struct SlotSet: Equatable, Sendable {
    package private(set) var bits: UInt32 = 0

    package init() {}

    /// One slot alone.
    package init(_ slot: Int) { insert(slot) }

    package var isEmpty: Bool { bits == 0 }
    package var count: Int { bits.nonzeroBitCount }
    package var first: Int? { bits == 0 ? nil : bits.trailingZeroBitCount }

    package mutating func insert(_ slot: Int) { bits |= 1 << UInt32(slot) }
    package mutating func remove(_ slot: Int) { bits &= ~(1 << UInt32(slot)) }
    package func contains(_ slot: Int) -> Bool { bits & (1 << UInt32(slot)) != 0 }
}

/// Who holds which slot of the half of the arena that this side sends from.
///
/// A slot goes from free to *reserved* (a body's sender copies into it), to *sent* (named by a DATA frame), and back to
/// free when the receiver has consumed its bytes, or has said its last word on the body.
struct ArenaSlots {
    private enum Slot {
        case free
        case reserved(stream: UInt64)
        case sent(stream: UInt64, end: UInt64)
    }

    private var slots = [Slot](repeating: .free, count: ArenaLayout.slots)

    /// Slots that nobody holds.
    var freeCount: Int {
        slots.count { slot in if case .free = slot { true } else { false } }
    }

    /// How many slots a body holds, reserved or sent.
    func held(by stream: UInt64) -> Int {
        slots.count { slot in
            switch slot {
            case .free: false
            case .reserved(let owner), .sent(let owner, _): owner == stream
            }
        }
    }

    /// Whether slots of this body are on their way: a CREDIT will free them.
    func hasSent(_ stream: UInt64) -> Bool {
        slots.contains { slot in if case .sent(stream, _) = slot { true } else { false } }
    }

    /// Whether a body could have one more slot to copy into.
    func hasRoom(for stream: UInt64) -> Bool {
        held(by: stream) < ArenaLayout.greed * freeCount
    }

    /// Up to `wanted` slots for a body to copy into, among them those that it has reserved and not used.
    mutating func reserve(_ wanted: Int, for stream: UInt64) -> SlotSet {
        var result = SlotSet()
        for (index, slot) in slots.enumerated() {
            if case .reserved(stream) = slot { result.insert(index) }
        }
        var held = held(by: stream)
        var free = freeCount
        for (index, slot) in slots.enumerated() where result.count < wanted && held < ArenaLayout.greed * free {
            guard case .free = slot else { continue }
            slots[index] = .reserved(stream: stream)
            result.insert(index)
            held += 1
            free -= 1
        }
        return result
    }

    /// A DATA frame names the slot; its chunk ends at the raw offset `end`.
    mutating func send(_ slot: Int, of stream: UInt64, end: UInt64) {
        guard case .reserved(stream) = slots[slot] else {
            preconditionFailure("a slot must be reserved before it is sent")
        }
        slots[slot] = .sent(stream: stream, end: end)
    }

    /// Slots that were reserved and will not be sent; the others of `set` stay as they are.
    mutating func giveBack(_ set: SlotSet) {
        for index in slots.indices where set.contains(index) {
            if case .reserved = slots[index] { slots[index] = .free }
        }
    }

    /// Slots of DATA frames of `stream` that will not go out after all.
    ///
    /// Some may be another body's by now: a receiver that gives up a body frees its slots while frames still wait.
    mutating func takeBack(_ set: SlotSet, of stream: UInt64) {
        for index in slots.indices where set.contains(index) {
            if case .sent(stream, _) = slots[index] { slots[index] = .free }
        }
    }

    /// The receiver has consumed the body's first `consumed` bytes.
    mutating func free(_ stream: UInt64, upTo consumed: UInt64) {
        for index in slots.indices {
            if case .sent(stream, let end) = slots[index], end <= consumed { slots[index] = .free }
        }
    }

    /// The receiver has said its last word on the body, and reads its slots no more.
    ///
    /// What is reserved stays so: its sender may be copying.
    mutating func free(_ stream: UInt64) { free(stream, upTo: .max) }
}
