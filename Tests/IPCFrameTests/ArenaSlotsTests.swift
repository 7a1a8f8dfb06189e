// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

@Suite struct ArenaSlotsTests {
    @Test func aBodyAloneHasMostOfThemAndLeavesSomeForTheNext() {
        var slots = ArenaSlots()
        #expect(slots.reserve(100, for: 1).count == 12)
        #expect(slots.reserve(100, for: 1).count == 12)
        #expect(slots.held(by: 1) == 12)
        #expect(!slots.hasRoom(for: 1) && slots.hasRoom(for: 3))
        #expect(slots.reserve(100, for: 3).count == 3)
        #expect(slots.reserve(100, for: 5).count == 1)
        #expect(slots.freeCount == 0 && !slots.hasRoom(for: 7))
    }

    /// Who had most of them gets no more before the others have as much.
    @Test func theSharesEvenOut() {
        var slots = ArenaSlots()
        func fill(_ stream: UInt64, _ step: UInt64) {
            var set = slots.reserve(100, for: stream)
            while let slot = set.first {
                set.remove(slot)
                slots.send(slot, of: stream, end: step)
            }
        }
        fill(1, 1)
        #expect(slots.held(by: 1) == 12)
        for step in 2..<40 as Range<UInt64> {
            // One body's chunks are taken, then the other's; both want all that they can have.
            for stream in [1, 3] as [UInt64] {
                slots.free(stream, upTo: step - 1)
                fill(3, step)
                fill(1, step)
            }
        }
        #expect(slots.held(by: 1) <= 9 && slots.held(by: 3) >= 6)
    }

    @Test func theLastBodyGetsWhatIsLeftAndTheNextGetsNone() {
        var slots = ArenaSlots()
        for stream in [1, 3, 5] as [UInt64] { #expect(slots.reserve(5, for: stream).count == 5) }
        #expect(slots.reserve(5, for: 7).count == 1)
        #expect(slots.reserve(5, for: 9).isEmpty)
        #expect(slots.freeCount == 0 && !slots.hasRoom(for: 9))
    }

    @Test func consumedBytesFreeTheSlotsThatEndBeforeThem() throws {
        var slots = ArenaSlots()
        var set = slots.reserve(3, for: 1)
        for end in [10, 20, 30] as [UInt64] {
            let slot = try #require(set.first)
            set.remove(slot)
            slots.send(slot, of: 1, end: end)
        }
        slots.free(1, upTo: 9)
        #expect(slots.held(by: 1) == 3)
        slots.free(1, upTo: 20)
        #expect(slots.held(by: 1) == 1 && slots.hasSent(1))
        slots.free(3, upTo: 100)
        #expect(slots.held(by: 1) == 1)
        slots.free(1, upTo: 30)
        #expect(slots.freeCount == ArenaLayout.slots && !slots.hasSent(1))
    }

    @Test func whatIsReservedIsNotFreedByTheReceiversLastWord() throws {
        var slots = ArenaSlots()
        let set = slots.reserve(2, for: 1)
        let slot = try #require(set.first)
        slots.send(slot, of: 1, end: 5)
        slots.free(1)
        #expect(slots.held(by: 1) == 1)
        slots.giveBack(set)
        #expect(slots.freeCount == ArenaLayout.slots)
    }

    @Test func givingBackLeavesWhatIsOnItsWay() throws {
        var slots = ArenaSlots()
        let set = slots.reserve(2, for: 1)
        slots.send(try #require(set.first), of: 1, end: 5)
        slots.giveBack(set)
        #expect(slots.held(by: 1) == 1 && slots.hasSent(1))
    }

    @Test func aSlotThatIsAnothersByNowIsNotTakenBack() throws {
        var slots = ArenaSlots()
        let set = slots.reserve(1, for: 1)
        let slot = try #require(set.first)
        slots.send(slot, of: 1, end: 5)
        slots.free(1)
        #expect(slots.reserve(1, for: 3) == set)
        slots.takeBack(set, of: 1)
        #expect(slots.held(by: 3) == 1)
        slots.send(slot, of: 3, end: 5)
        slots.takeBack(set, of: 1)
        #expect(slots.hasSent(3))
        slots.takeBack(set, of: 3)
        #expect(slots.freeCount == ArenaLayout.slots)
    }

    /// What a body alone holds.
    private static let most = ArenaLayout.slots * ArenaLayout.greed / (ArenaLayout.greed + 1)

    /// Whatever is done, in whatever order: every slot has one owner, and nobody holds more than a share.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func theBooksAddUp(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var slots = ArenaSlots()
        var reserved: [UInt64: SlotSet] = [:]
        var sent: [UInt64: [UInt64]] = [:]
        for step in 0..<2_000 {
            let stream = UInt64(random.below(6))
            switch random.below(5) {
            case 0...1:
                let set = slots.reserve(random.below(7), for: stream)
                #expect(set.count >= (reserved[stream]?.count ?? 0))
                reserved[stream] = set
            case 2:
                guard let slot = reserved[stream]?.first else { continue }
                reserved[stream]?.remove(slot)
                let end = UInt64(step)
                slots.send(slot, of: stream, end: end)
                sent[stream, default: []].append(end)
            case 3:
                let goal = UInt64(random.below(step + 1))
                slots.free(stream, upTo: goal)
                sent[stream]?.removeAll { $0 <= goal }
            default:
                if let set = reserved.removeValue(forKey: stream) { slots.giveBack(set) }
            }
            var held = 0
            for stream in 0..<6 as Range<UInt64> {
                let count = (reserved[stream]?.count ?? 0) + (sent[stream]?.count ?? 0)
                #expect(slots.held(by: stream) == count && count <= Self.most)
                #expect(slots.hasSent(stream) == !(sent[stream] ?? []).isEmpty)
                held += count
            }
            #expect(slots.freeCount == ArenaLayout.slots - held)
        }
    }
}
