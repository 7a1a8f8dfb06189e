// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// A point on CLOCK_MONOTONIC: steady, not set by anybody, and standing still while the machine is suspended.
package struct ContinuousMoment: Comparable, Hashable, Sendable {
    /// Nanoseconds since an arbitrary start.
    package var nanoseconds: UInt64

    /// A moment by its number; for tests and arithmetic.
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The present.
    package static var now: ContinuousMoment { ContinuousMoment(nanoseconds: clinux_monotonic_now()) }

    /// A moment that never comes.
    package static let distantFuture = ContinuousMoment(nanoseconds: .max)

    package static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Later by `duration`; sticks to the ends of the scale instead of overflowing.
    package static func + (left: Self, duration: Duration) -> Self {
        let delta = duration.wholeNanoseconds
        if delta >= 0 {
            let (sum, overflow) = left.nanoseconds.addingReportingOverflow(UInt64(delta))
            return overflow ? .distantFuture : Self(nanoseconds: sum)
        }
        let (difference, underflow) = left.nanoseconds.subtractingReportingOverflow(delta.magnitude)
        return Self(nanoseconds: underflow ? 0 : difference)
    }

    /// The time from `right` to `left`; negative if `left` comes first.
    package static func - (left: Self, right: Self) -> Duration {
        left >= right
            ? .nanoseconds(Int64(clamping: left.nanoseconds - right.nanoseconds))
            : .nanoseconds(-Int64(clamping: right.nanoseconds - left.nanoseconds))
    }
}

extension Duration {
    /// The length in nanoseconds, cut to what 64 bits hold (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carried) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard !carried else { return seconds < 0 ? .min : .max }
        return sum
    }
}
