// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Reads a length of time: `500ms`, `2s`, `1.5m`, `1h`, `2d`; a bare number is seconds.
    static func parsed(_ text: String) throws(ValueError) -> Duration {
        guard let number = ScaledNumber(text), let unit = nanoseconds(in: number.unit) else {
            throw ValueError("not a length of time; write 500ms, 2s, 30m or 1h (a bare number is seconds)")
        }
        guard let nanoseconds = number.multiplied(by: unit), nanoseconds <= UInt64(Int64.max) else {
            throw ValueError("longer than 292 years; write a shorter time, or none")
        }
        return .nanoseconds(Int64(nanoseconds))
    }

    /// Reads a limit: a length of time, or `none` (also `0`) for no limit at all.
    static func parsedLimit(_ text: String) throws(ValueError) -> Duration? {
        guard text != "none" else { return nil }
        let duration = try parsed(text)
        return duration == .zero ? nil : duration
    }

    private static func nanoseconds(in unit: String) -> UInt64? {
        switch unit {
        case "ms": 1_000_000
        case "", "s": 1_000_000_000
        case "m": 60_000_000_000
        case "h": 3_600_000_000_000
        case "d": 86_400_000_000_000
        default: nil
        }
    }
}
