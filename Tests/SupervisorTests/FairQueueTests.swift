// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

/// A queue that remembers where its calls are, as the machine does.
struct QueueBench {
    var queue = FairQueue()
    var places: [UInt64: FairQueue.Place] = [:]

    mutating func append(_ calls: UInt64..., lane: String) {
        for call in calls { places[call] = queue.append(call, lane: lane) }
    }

    mutating func prepend(_ call: UInt64, lane: String) { places[call] = queue.prepend(call, lane: lane) }

    mutating func remove(_ call: UInt64) {
        if let place = places.removeValue(forKey: call) { queue.remove(at: place) }
    }

    mutating func take() -> UInt64? {
        guard let call = queue.next, let place = places.removeValue(forKey: call) else { return nil }
        queue.takeNext(at: place)
        return call
    }

    mutating func takeAll() -> [UInt64] {
        var calls: [UInt64] = []
        while let call = take() { calls.append(call) }
        return calls
    }
}

@Suite("The lanes of a pool")
struct FairQueueTests {
    @Test("A lane is done in order")
    func order() {
        var bench = QueueBench()
        bench.append(1, 2, 3, 4, lane: "")
        #expect(bench.takeAll() == [1, 2, 3, 4])
        #expect(bench.queue.isEmpty)
    }

    @Test("Lanes take turns, and a new one has its turn after those before it")
    func turns() {
        var bench = QueueBench()
        bench.append(1, 2, 3, lane: "a")
        bench.append(11, 12, lane: "b")
        #expect(bench.take() == 1)
        bench.append(21, lane: "c")
        #expect(bench.takeAll() == [11, 2, 21, 12, 3])
    }

    @Test("A quiet lane beside a flood waits for one turn at most")
    func quiet() {
        var bench = QueueBench()
        for call in UInt64(1)...1_000 { bench.append(call, lane: "flood") }
        for quiet in UInt64(2_001)...2_100 {
            bench.append(quiet, lane: "quiet")
            let taken = [bench.take(), bench.take()]
            #expect(taken.contains(quiet))
        }
    }

    @Test("What comes back goes to the front of its lane, and counts against no limit")
    func front() {
        var bench = QueueBench()
        bench.append(2, 3, lane: "a")
        bench.prepend(1, lane: "a")
        #expect(bench.queue.count == 3)
        #expect(bench.queue.countedCount == 2)
        #expect(bench.queue.countedCount(ofLane: "a") == 2)
        #expect(bench.takeAll() == [1, 2, 3])
        #expect(bench.queue.countedCount == 0)
        #expect(bench.queue.countedCount(ofLane: "a") == 0)
    }

    @Test("A call is taken out wherever it waits")
    func remove() {
        var bench = QueueBench()
        bench.append(1, 2, 3, lane: "a")
        bench.append(11, lane: "b")
        for call: UInt64 in [2, 11, 3] { bench.remove(call) }
        bench.append(4, lane: "a")
        bench.append(12, lane: "b")
        #expect(bench.takeAll() == [1, 12, 4])
    }

    @Test("At random it does what a plain model does")
    func model() {
        var random = SeededRandom(seed: 3)
        var bench = QueueBench()
        var lanes: [(name: String, calls: [UInt64])] = []
        for call in UInt64(1)...20_000 {
            let name = String(Int.random(in: 0...5, using: &random))
            let index = lanes.firstIndex { $0.name == name }
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                bench.append(call, lane: name)
                if let index { lanes[index].calls.append(call) } else { lanes.append((name, [call])) }
            case 4:
                bench.prepend(call, lane: name)
                if let index { lanes[index].calls.insert(call, at: 0) } else { lanes.append((name, [call])) }
            case 5:
                guard let index, let gone = lanes[index].calls.randomElement(using: &random) else { continue }
                bench.remove(gone)
                lanes[index].calls.removeAll { $0 == gone }
            default:
                #expect(bench.take() == lanes.first?.calls.first)
                if !lanes.isEmpty {
                    var lane = lanes.removeFirst()
                    lane.calls.removeFirst()
                    lanes.append(lane)
                }
            }
            lanes.removeAll { $0.calls.isEmpty }
            #expect(bench.queue.count == lanes.reduce(0) { $0 + $1.calls.count })
        }
    }
}
