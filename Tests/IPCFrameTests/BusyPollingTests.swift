// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

/// When a thread looks before it sleeps; times in nanoseconds.
@Suite struct BusyPollingTests {
    private var polling = BusyPolling()
    private var now: UInt64 = 1_000_000_000_000

    /// A wait that is over after `wait`, in which others have the processor for `turn` after each look; how often it
    /// looked.
    private mutating func looks(in wait: UInt64, turn: UInt64 = 500) -> Int {
        var count = 0
        let end = now + wait
        if polling.begin(at: now) {
            repeat {
                count += 1
                if now >= end { break }
                now += turn
            } while polling.looksAgain(at: now)
        }
        now = max(now, end)
        polling.end(at: now)
        return count
    }

    @Test mutating func whoWaitsForLongSleepsAtOnce() {
        for _ in 0..<5 { #expect(looks(in: BusyPolling.shortWait + 1) == 0) }
    }

    @Test mutating func aShortWaitMakesTheNextLookWorthWhile() {
        #expect(looks(in: BusyPolling.shortWait) == 0)
        #expect(looks(in: 5_000) == 11)
        #expect(looks(in: 0) == 1)
    }

    @Test mutating func aLookEndsAndWhoFoundNothingSleeps() {
        #expect(looks(in: 1_000) == 0)
        // In vain, but the wait was a short one: the next may find something.
        #expect(looks(in: 100_000) == Int(BusyPolling.longestLook / 500))
        #expect(looks(in: 1_000_000) == Int(BusyPolling.longestLook / 500))
        #expect(looks(in: 1_000) == 0)
    }

    @Test mutating func whoeverNeedsTheProcessorStopsTheLooksForATimeThatGrows() {
        var rests: [UInt64] = []
        for _ in 0..<12 {
            #expect(looks(in: 1_000) == 0)
            // One look, after which somebody else computes.
            #expect(looks(in: 50_000, turn: 3_000_000) == 1)
            let start = now
            while looks(in: 10_000) == 0 { now += 100_000 }
            rests.append((now - start) / 1_000_000)
            // Long enough for the next to sleep at once.
            #expect(looks(in: 10_000_000) > 0)
        }
        #expect(zip(rests, rests.dropFirst()).allSatisfy { $0 <= $1 })
        #expect((3...6).contains(rests[0]) && (900...1_100).contains(rests[11]))
    }

    @Test mutating func afterPeacefulWaitsTheNextRestIsShort() {
        for _ in 0..<6 {
            _ = looks(in: 1_000)
            _ = looks(in: 1_000, turn: 3_000_000)
            now += 2 * BusyPolling.restTimes.upperBound
        }
        for _ in 0...2 * BusyPolling.peacefulWaits { _ = looks(in: 1_000) }
        #expect(looks(in: 1_000, turn: 3_000_000) == 1)
        let start = now
        while looks(in: 10_000) == 0 { now += 100_000 }
        #expect(now - start < 2 * BusyPolling.restTimes.lowerBound)
    }

    @Test mutating func whoSharesItsProcessorSleepsNowAndThen() {
        _ = looks(in: 1_000)
        for _ in 0..<3 {
            for _ in 0..<BusyPolling.sharedWaits { #expect(looks(in: 9_000, turn: 5_000) > 1) }
            #expect(looks(in: 9_000, turn: 5_000) == 0)
        }
        for _ in 0..<5 * BusyPolling.sharedWaits { #expect(looks(in: 9_000) > 1) }
    }

    @Test func anIdleReactorDoesNotLook() async throws {
        let reactor = Reactor()
        reactor.start()
        // Calls that come at once make looks worth while.
        for _ in 0..<100 { await reactor.run {} }
        try await Task.sleep(for: .milliseconds(50))
        let before = await reactor.run { reactor.loop.polls + reactor.loop.looks }
        try await Task.sleep(for: .milliseconds(200))
        let after = await reactor.run { reactor.loop.polls + reactor.loop.looks }
        #expect(after - before <= 3)
        reactor.stop()
    }
}
