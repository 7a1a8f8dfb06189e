// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("The pause before the next try")
struct RestartBackoffTests {
    @Test("Its ceiling doubles up to the longest, without overflowing")
    func ceiling() {
        let backoff = RestartBackoff(first: .milliseconds(100), longest: .seconds(1))
        #expect(
            [1, 2, 3, 4, 5, 64, 1_000_000].map(backoff.ceiling)
                == [100, 200, 400, 800, 1000, 1000, 1000].map {
                    .milliseconds($0)
                }
        )
        #expect(RestartBackoff(first: .seconds(5), longest: .seconds(2)).ceiling(1) == .seconds(2))
        #expect(RestartBackoff(first: .zero, longest: .seconds(2)).ceiling(63) == .zero)
    }

    @Test("All of it is left to chance, evenly")
    func jitter() {
        let backoff = RestartBackoff(first: .seconds(1), longest: .seconds(100))
        var random = SeededRandom(seed: 7)
        let pauses = (0..<2_000).map { _ in backoff.pause(3, using: &random) }
        #expect(pauses.allSatisfy { .zero...Duration.seconds(4) ~= $0 })
        #expect(pauses.contains { $0 < .milliseconds(100) })
        #expect(pauses.contains { $0 > .milliseconds(3_900) })
        let mean = pauses.reduce(.zero, +) / pauses.count
        #expect(.milliseconds(1_900)...Duration.milliseconds(2_100) ~= mean)
    }
}
