// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// Decides whether workers may be started, from how those before them ended.
///
///     closed --so many bad ends in so much time--> open --time--> half-open --the probe is well--> closed
///                                                    ^------the probe ends badly, twice as long------/
///
/// Without a policy it stays closed for ever.
struct CircuitBreaker: Sendable {
    enum State: Sendable, Equatable {
        case closed
        case open(until: ContinuousMoment, length: Duration)
        /// One worker may be tried; `length` is how long it was open.
        case halfOpen(probe: UInt64?, length: Duration)
    }

    private let policy: BreakerPolicy?
    private(set) var state = State.closed
    /// The latest bad ends, oldest first; fewer than would open the breaker.
    private var ends: [ContinuousMoment] = []

    init(policy: BreakerPolicy?) {
        if let policy {
            precondition(policy.ends >= 1, "a breaker opens after at least one end")
            precondition(policy.openFor >= .zero && policy.longest >= .zero, "a breaker opens for some time")
        }
        self.policy = policy
    }

    /// When it stops being open; nil if it is not.
    var opensUntil: ContinuousMoment? {
        if case .open(let until, _) = state { until } else { nil }
    }

    /// Counts the unasked end of a worker that was not well; returns for how long that opens the breaker, if it does.
    mutating func recordBadEnd(of worker: UInt64, now: ContinuousMoment) -> Duration? {
        guard let policy else { return nil }
        switch state {
        case .closed:
            ends.removeAll { now - $0 > policy.within }
            ends.append(now)
            return ends.count >= policy.ends ? open(for: min(policy.openFor, policy.longest), now: now) : nil
        case .open:
            return nil
        case .halfOpen(let probe, let length):
            return probe == worker ? open(for: min(length * 2, policy.longest), now: now) : nil
        }
    }

    /// Takes note that a worker turned out well; true if that closes the breaker.
    mutating func recordWell(_ worker: UInt64) -> Bool {
        guard case .halfOpen(worker, _) = state else { return false }
        state = .closed
        return true
    }

    /// States that this worker is the one that is tried.
    mutating func probe(with worker: UInt64) {
        if case .halfOpen(_, let length) = state { state = .halfOpen(probe: worker, length: length) }
    }

    /// Takes note that a worker ended without having shown anything; another one may be tried.
    mutating func recordInconclusiveEnd(of worker: UInt64) {
        if case .halfOpen(worker, let length) = state { state = .halfOpen(probe: nil, length: length) }
    }

    /// Lets the time of an open breaker end.
    mutating func wake(now: ContinuousMoment) {
        if case .open(let until, let length) = state, until <= now { state = .halfOpen(probe: nil, length: length) }
    }

    private mutating func open(for length: Duration, now: ContinuousMoment) -> Duration {
        ends = []
        state = .open(until: now + length, length: length)
        return length
    }
}
