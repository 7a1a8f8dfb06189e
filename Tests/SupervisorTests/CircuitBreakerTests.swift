// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("The breaker of a pool")
struct CircuitBreakerTests {
    static let start = ContinuousMoment(nanoseconds: 1_000_000_000_000)

    static func after(_ seconds: Int) -> ContinuousMoment { start + .seconds(seconds) }

    /// Opens after 3 ends in 10 s; for 5 s at first, for 12 s at most.
    static func breaker() -> CircuitBreaker {
        var policy = BreakerPolicy()
        policy.ends = 3
        policy.within = .seconds(10)
        policy.openFor = .seconds(5)
        policy.longest = .seconds(12)
        return CircuitBreaker(policy: policy)
    }

    @Test("It opens with the last of so many ends in so much time", arguments: [(10, true), (11, false)])
    func opens(last: Int, opens: Bool) {
        var breaker = Self.breaker()
        #expect(breaker.recordBadEnd(of: 1, now: Self.after(0)) == nil)
        #expect(breaker.recordBadEnd(of: 2, now: Self.after(1)) == nil)
        #expect(breaker.recordBadEnd(of: 3, now: Self.after(last)) == (opens ? .seconds(5) : nil))
        #expect(breaker.opensUntil == (opens ? Self.after(last + 5) : nil))
    }

    @Test("Without a policy it never opens")
    func never() {
        var breaker = CircuitBreaker(policy: nil)
        for worker in UInt64(0)..<100 { #expect(breaker.recordBadEnd(of: worker, now: Self.start) == nil) }
        #expect(breaker.state == .closed)
    }

    @Test("A probe that ends badly opens it for twice as long, up to the longest")
    func doubles() {
        var breaker = Self.breaker()
        var now = Self.start
        for worker in UInt64(1)...3 { _ = breaker.recordBadEnd(of: worker, now: now) }
        var length = Duration.seconds(5)
        for (worker, next) in [(UInt64(4), 10), (5, 12), (6, 12)] {
            now = now + length
            breaker.wake(now: now)
            #expect(breaker.state == .halfOpen(probe: nil, length: length))
            breaker.probe(with: worker)
            #expect(breaker.recordBadEnd(of: worker, now: now) == .seconds(next))
            length = .seconds(next)
        }
    }

    @Test("Only the probe decides, and its good end of the trial closes it")
    func probe() {
        var breaker = Self.breaker()
        for worker in UInt64(1)...3 { _ = breaker.recordBadEnd(of: worker, now: Self.start) }
        breaker.wake(now: Self.after(4))
        #expect(breaker.opensUntil == Self.after(5), "its time has not come")
        #expect(breaker.recordBadEnd(of: 9, now: Self.after(4)) == nil, "it is open already")
        breaker.wake(now: Self.after(5))
        breaker.probe(with: 4)
        #expect(breaker.recordBadEnd(of: 9, now: Self.after(5)) == nil)
        #expect(breaker.recordWell(9) == false)
        breaker.recordInconclusiveEnd(of: 9)
        #expect(breaker.state == .halfOpen(probe: 4, length: .seconds(5)))
        breaker.recordInconclusiveEnd(of: 4)
        #expect(breaker.state == .halfOpen(probe: nil, length: .seconds(5)))
        breaker.probe(with: 5)
        #expect(breaker.recordWell(5) == true)
        #expect(breaker.state == .closed)
        #expect(breaker.recordBadEnd(of: 6, now: Self.after(6)) == nil, "it counts from the beginning again")
    }
}
