// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// The queue and the table of calls, each against what the standard library has.
@Suite struct QueueTests {
    @Test(arguments: 0..<20)
    func aQueueIsAnArrayWhoseFirstIsTaken(seed: Int) {
        var random = SplitMix64(state: UInt64(seed))
        var queue = Queue<Int>()
        var model: [Int] = []
        for step in 0..<2_000 {
            switch random.next() % 16 {
            case 0..<8:
                queue.append(step)
                model.append(step)
            case 8..<14: #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            case 14 where !model.isEmpty:
                let index = Int(random.next() % UInt64(model.count))
                queue[index] = -step
                model[index] = -step
            case 15 where random.next() % 4 == 0:
                queue.removeAll { $0 % 3 == 0 }
                model.removeAll { $0 % 3 == 0 }
            default: #expect(queue.first == model.first && queue.last == model.last)
            }
            #expect(queue.count == model.count && queue.isEmpty == model.isEmpty && queue.elementsEqual(model))
        }
    }

    @Test func whatWasTakenIsLetGo() {
        final class Thing {}
        var queue = Queue<Thing>()
        weak var thing: Thing?
        do {
            let made = Thing()
            thing = made
            queue.append(made)
            queue.append(Thing())
        }
        #expect(thing != nil)
        #expect(queue.popFirst() != nil && thing == nil)
        queue.removeAll()
        #expect(queue.isEmpty && queue.popFirst() == nil)
    }

    @Test(arguments: 0..<20)
    func aTableOfCallsIsADictionary(seed: Int) {
        var random = SplitMix64(state: UInt64(seed))
        var table = CallTable<Int>()
        var model: [UInt64: Int] = [:]
        for step in 0..<2_000 {
            let id = random.next() % 8
            switch random.next() % 8 {
            case 0..<3:
                table[id] = step
                model[id] = step
            case 3..<5: #expect(table.removeValue(forKey: id) == model.removeValue(forKey: id))
            case 5:
                table[id] = nil
                model[id] = nil
            case 6 where random.next() % 16 == 0:
                table.removeAll()
                model.removeAll()
            default: break
            }
            for id: UInt64 in 0..<8 { #expect(table[id] == model[id]) }
            #expect(table.count == model.count && table.isEmpty == model.isEmpty)
            #expect(table.values == model.sorted { $0.key < $1.key }.map { $0.value })
        }
    }
}
