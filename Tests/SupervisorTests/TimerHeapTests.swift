// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("The timers of a pool")
struct TimerHeapTests {
    static func moment(_ number: UInt64) -> ContinuousMoment { ContinuousMoment(nanoseconds: number) }

    @Test("They go off in order, those of one moment as they were set")
    func order() {
        var timers = TimerHeap<Int>()
        for (key, moment) in [(1, 30), (2, 10), (3, 20), (4, 10)] { timers.set(key, at: Self.moment(UInt64(moment))) }
        #expect(timers.next == Self.moment(10))
        #expect(timers.takeDue(at: Self.moment(9)) == nil)
        var taken: [Int] = []
        while let key = timers.takeDue(at: Self.moment(20)) { taken.append(key) }
        #expect(taken == [2, 4, 3])
        #expect(timers.next == Self.moment(30))
    }

    @Test("The first one is valid after any clearing and setting again")
    func clear() {
        var timers = TimerHeap<Int>()
        timers.set(1, at: Self.moment(10))
        timers.set(2, at: Self.moment(20))
        timers.set(1, at: Self.moment(30))
        #expect(timers.next == Self.moment(20))
        timers.clear(2)
        #expect(timers.next == Self.moment(30))
        timers.clear(1)
        #expect(timers.next == nil)
    }

    @Test("What was cleared does not pile up")
    func bounded() {
        var timers = TimerHeap<Int>()
        timers.set(0, at: Self.moment(1))
        for key in 1...10_000 {
            timers.set(key, at: Self.moment(UInt64(1_000_000 - key)))
            timers.clear(key)
            #expect(timers.storedCount <= 67)
        }
    }

    @Test("At random they do what a plain model does")
    func model() {
        var random = SeededRandom(seed: 5)
        var timers = TimerHeap<Int>()
        var model: [Int: (moment: UInt64, number: Int)] = [:]
        for number in 0..<20_000 {
            let key = Int.random(in: 0..<50, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                let moment = UInt64.random(in: 0..<100, using: &random)
                timers.set(key, at: Self.moment(moment))
                model[key] = (moment, number)
            case 1:
                timers.clear(key)
                model[key] = nil
            default:
                let now = UInt64.random(in: 0..<50, using: &random)
                let first = model.min { ($0.value.moment, $0.value.number) < ($1.value.moment, $1.value.number) }
                let due = first.flatMap { $0.value.moment <= now ? $0.key : nil }
                #expect(timers.takeDue(at: Self.moment(now)) == due)
                if let due { model[due] = nil }
            }
            #expect(timers.next?.nanoseconds == model.values.map(\.moment).min())
        }
    }
}
