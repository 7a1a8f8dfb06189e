// SPDX-License-Identifier: Apache-2.0
package import IPCFrame

/// Time as it passed for a supervisor that may itself have been stopped.
///
/// A worker is not late because the supervisor slept through its answer. Deadlines are set on this clock, which stands
/// still for as long as the supervisor came later than it had planned, if that is more than a second.
package struct DeadlineClock: Sendable {
    /// Being late by no more than this is ordinary.
    package static let tolerance = Duration.seconds(1)

    /// The real moment at which the owner will look at the clock again.
    private var promise: ContinuousMoment?

    /// The sum of the gaps.
    package private(set) var gap = Duration.zero

    package init() {}

    /// States when the owner will call ``observe(_:)`` next, at the latest, if nothing stops it.
    package mutating func willWake(at moment: ContinuousMoment?) { promise = moment }

    /// The time on this clock at the real moment `now`.
    package mutating func observe(_ now: ContinuousMoment) -> ContinuousMoment {
        if let promise, now - promise > Self.tolerance {
            gap += now - promise
            self.promise = now
        }
        return now + (.zero - gap)
    }

    /// The real moment at which this clock will show `moment`, if there is no further gap.
    package func real(_ moment: ContinuousMoment) -> ContinuousMoment { moment + gap }
}
