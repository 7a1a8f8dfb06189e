// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// How long to wait before the next try: exponential back-off with full jitter.
///
/// The pause before the n-th try is a random part of `first` × 2ⁿ⁻¹, and of `longest` at most. All of it is left to
/// chance, so that those who failed together do not come back together.
struct RestartBackoff: Sendable, Equatable {
    let first: Duration
    let longest: Duration

    init(first: Duration, longest: Duration) {
        precondition(first >= .zero && longest >= .zero, "a pause is not negative")
        self.first = first
        self.longest = longest
    }

    /// The most that the pause before the `count`-th try may be, from 1 on.
    func ceiling(_ count: Int) -> Duration {
        precondition(count >= 1, "tries are counted from 1")
        let limit = longest.wholeNanoseconds
        let (product, overflow) = first.wholeNanoseconds.multipliedReportingOverflow(by: 1 << min(count - 1, 62))
        return .nanoseconds(overflow ? limit : min(product, limit))
    }

    /// The pause before the `count`-th try, from 1 on.
    func pause(_ count: Int, using random: inout SeededRandom) -> Duration {
        .nanoseconds(Int64.random(in: 0...ceiling(count).wholeNanoseconds, using: &random))
    }
}
