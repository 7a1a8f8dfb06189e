// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

@Suite struct OrderedWindowTests {
    @Test func whatIsDoneLaterIsTakenInItsTurn() {
        var window = OrderedWindow<String>(width: 3)
        let places = (0..<3).map { _ in window.begin() }
        #expect(window.isFull && window.room == 0)
        window.finish(places[1], "b")
        #expect(window.takeFirst() == nil && !window.isFirstDone, "a is not done")
        window.finish(places[0], "a")
        #expect(window.isFirstDone)
        #expect(window.takeFirst() == "a")
        #expect(window.takeFirst() == "b")
        #expect(window.takeFirst() == nil && window.room == 2)
        window.finish(places[2], "c")
        #expect(window.takeFirst() == "c" && window.isEmpty)
    }

    @Test func whatIsDroppedIsNotWantedAnyMore() {
        var window = OrderedWindow<Int>(width: 2)
        let (first, second) = (window.begin(), window.begin())
        window.finish(second, 2)
        window.removeAll()
        #expect(window.isEmpty && !window.isWanted(first) && !window.isWanted(second))
        window.finish(first, 1)
        #expect(window.takeFirst() == nil, "nothing comes back")
        let third = window.begin()
        #expect(window.isWanted(third) && third != first)
        window.finish(third, 3)
        #expect(window.takeFirst() == 3)
    }

    @Test func aWindowWithoutWidthIsFullAndEmpty() {
        let window = OrderedWindow<Int>(width: 0)
        #expect(window.isFull && window.isEmpty && window.room == 0 && !window.isFirstDone)
    }

    @Test(
        "In whatever order work is done, its results come in order and no more of it is begun than fits",
        arguments: 1...8
    )
    func randomOrder(width: Int) {
        for seed in 0..<50 {
            var random = SplitMix64(state: UInt64(seed))
            var window = OrderedWindow<Int>(width: width)
            var working: [(place: OrderedWindow<Int>.Place, value: Int)] = []
            var begun = 0
            var taken: [Int] = []
            while taken.count < 200 {
                switch random.next() % 3 {
                case 0 where !window.isFull && begun < 200:
                    working.append((window.begin(), begun))
                    begun += 1
                case 1 where !working.isEmpty:
                    let (place, value) = working.remove(at: Int(random.next() % UInt64(working.count)))
                    window.finish(place, value)
                default:
                    if let value = window.takeFirst() { taken.append(value) }
                }
                #expect(begun - taken.count <= width && window.room == width - (begun - taken.count))
            }
            #expect(taken == Array(0..<200), "seed \(seed)")
        }
    }
}
