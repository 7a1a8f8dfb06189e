// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// The present speed of something that grows, as an exponentially weighted moving average.
struct MovingRate {
    /// How long a change of speed takes to show, by about two thirds.
    private static let memory = 3.0
    /// Shorter spans are put together: they say more about the scheduler than about the work.
    private static let shortest = Duration.milliseconds(100)

    private var last: (moment: ContinuousMoment, value: Double)?
    private var mean: Double?
    private var deviation = 0.0
    private var samples = 0

    /// Takes in that the total was `value` at `now`.
    mutating func add(_ value: Double, at now: ContinuousMoment) {
        guard let last, value >= last.value else {
            last = (now, value)
            return
        }
        let span = now - last.moment
        guard span >= Self.shortest else { return }
        self.last = (now, value)
        let seconds = span / .seconds(1)
        let rate = (value - last.value) / seconds
        let weight = mean == nil ? 1 : Double.minimum(1, seconds / Self.memory)
        let before = mean ?? rate
        mean = before + weight * (rate - before)
        deviation += weight * ((rate - before).magnitude - deviation)
        samples += 1
    }

    /// Units a second; `nil` before the first span.
    var perSecond: Double? { mean }

    /// The same as a whole number, for bytes.
    var wholePerSecond: UInt64? {
        mean.map { $0 < 0x1p63 ? UInt64($0.rounded()) : .max }
    }

    /// Whether a forecast from this speed is worth showing.
    var isSteady: Bool {
        guard let mean, samples >= 10, mean > 0 else { return false }
        return deviation < mean / 3
    }
}
