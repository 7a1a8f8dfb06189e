// SPDX-License-Identifier: Apache-2.0

/// Numbers for people: grouped digits, bytes in powers of 1024, clock times.
enum NumberText {
    private static let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

    /// `104,000`.
    static func grouped(_ value: UInt64) -> String {
        let digits = String(value)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// `10.0 MiB`, `812 B`.
    static func bytes(_ value: UInt64) -> String {
        let unit = unit(for: value)
        return scaled(value, unit) + " " + units[unit]
    }

    /// `6.1/10.0 MiB`: a part and its whole in the unit of the whole.
    static func bytes(_ part: UInt64, of whole: UInt64) -> String {
        let unit = unit(for: max(part, whole))
        return scaled(part, unit) + "/" + scaled(whole, unit) + " " + units[unit]
    }

    /// `00:03`, `1:02:03`.
    static func clock(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        let short = pad(seconds / 60 % 60) + ":" + pad(seconds % 60)
        return seconds < 3_600 ? short : "\(seconds / 3_600):" + short
    }

    /// `0.8 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
    static func span(_ duration: Duration) -> String {
        let tenths =
            max(0, duration.components.seconds) * 10 + duration.components.attoseconds / 100_000_000_000_000_000
        let seconds = tenths / 10
        return switch seconds {
        case ..<10: "\(seconds).\(tenths % 10) s"
        case ..<60: "\(seconds) s"
        case ..<3_600: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3_600) h \(seconds / 60 % 60) min"
        }
    }

    private static func unit(for value: UInt64) -> Int {
        value < 1_024 ? 0 : (63 - value.leadingZeroBitCount) / 10
    }

    private static func scaled(_ value: UInt64, _ unit: Int) -> String {
        guard unit > 0 else { return String(value) }
        let shift = UInt64(unit) * 10
        let whole = value >> shift
        let rest = value & ((1 << shift) - 1)
        // Shifted down first, so that ten times the rest cannot overflow.
        let tenths = ((rest >> (shift - 10)) * 10) >> 10
        return "\(whole).\(tenths)"
    }

    private static func pad(_ value: Int64) -> String { value < 10 ? "0\(value)" : String(value) }
}
