// SPDX-License-Identifier: Apache-2.0

/// A decimal number with a unit behind it, as people type it: "500ms", "1.5G".
struct ScaledNumber: Equatable {
    /// The digits before the point.
    let whole: UInt64

    /// The digits behind the point, in billionths.
    let billionths: UInt64

    /// What follows the digits, in lower case.
    let unit: String

    /// Takes a text apart; `nil` unless it is digits, perhaps a point and digits, perhaps letters.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        let point = UInt8(ascii: ".")
        var index = 0
        var whole: UInt64 = 0
        while index < bytes.count, let digit = Self.digit(bytes[index]) {
            let (product, tooLarge) = whole.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(digit)
            guard !tooLarge, !overflow else { return nil }
            whole = sum
            index += 1
        }
        guard index > 0 else { return nil }

        var billionths: UInt64 = 0
        if index < bytes.count, bytes[index] == point {
            index += 1
            var weight: UInt64 = 100_000_000
            let first = index
            while index < bytes.count, let digit = Self.digit(bytes[index]) {
                billionths += digit * weight
                weight /= 10
                index += 1
            }
            guard index > first else { return nil }
        }
        let unit = bytes[index...]
        guard unit.allSatisfy({ Self.isLetter($0) }) else { return nil }
        self.whole = whole
        self.billionths = billionths
        self.unit = String(decoding: unit, as: UTF8.self).lowercased()
    }

    /// The number times `factor`, rounded down; `nil` when 64 bits do not hold it.
    func multiplied(by factor: UInt64) -> UInt64? {
        let (high, overflow) = whole.multipliedReportingOverflow(by: factor)
        let fraction = billionths.multipliedFullWidth(by: factor)
        let (low, _) = UInt64(1_000_000_000).dividingFullWidth(fraction)
        let (sum, carried) = high.addingReportingOverflow(low)
        return overflow || carried ? nil : sum
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? UInt64(byte - UInt8(ascii: "0")) : nil
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")
    }
}
