// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("The quarantine of a pool")
struct QuarantineTests {
    static let start = ContinuousMoment(nanoseconds: 1_000_000_000_000)

    @Test("Charges add up, until they are forgiven or too old")
    func charges() {
        var quarantine = Quarantine(time: .seconds(10))
        var charges = [0, 9].map { quarantine.charge("a", now: Self.start + .seconds($0)) }
        charges.append(quarantine.charge("b", now: Self.start))
        quarantine.forgive("b")
        charges.append(quarantine.charge("b", now: Self.start))
        charges.append(quarantine.charge("a", now: Self.start + .seconds(19)))
        #expect(charges == [1, 2, 1, 1, 1])
    }

    @Test("What is held is refused for its time, and a success of before does not change that")
    func holds() {
        var quarantine = Quarantine(time: .seconds(10))
        quarantine.hold("a", now: Self.start)
        quarantine.forgive("a")
        let moments = [9_999_999_999, 10_000_000_000].map { Self.start + .nanoseconds($0) }
        let held = moments.map { quarantine.holds("a", now: $0) }
        #expect(held == [true, false])
        #expect(quarantine.count == 0)
    }

    @Test("Its memory is bounded, and the oldest goes first")
    func bounded() {
        var quarantine = Quarantine(time: .seconds(10_000))
        for number in 0...Quarantine.capacity { quarantine.hold("\(number)", now: Self.start + .seconds(number)) }
        #expect(quarantine.count == Quarantine.capacity)
        let now = Self.start + .seconds(2_000)
        let held = (0...Quarantine.capacity).map { quarantine.holds("\($0)", now: now) }
        #expect(held == [false] + Array(repeating: true, count: Quarantine.capacity))
    }
}
