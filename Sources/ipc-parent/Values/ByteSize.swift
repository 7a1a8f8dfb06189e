// SPDX-License-Identifier: Apache-2.0

/// A number of bytes as people type and read it, in powers of 1024.
struct ByteSize: Equatable {
    /// How many bytes.
    let bytes: UInt64

    init(bytes: UInt64) { self.bytes = bytes }

    /// Reads a size: `4096`, `64K`, `1.5G`; `KiB` and `KB` mean `K`.
    init(parsing text: String) throws(ValueError) {
        guard let number = ScaledNumber(text), let factor = Self.factor(of: number.unit) else {
            throw ValueError("not a size; write bytes, or a number with K, M, G or T (powers of 1024), as in 512M")
        }
        guard factor > 1 || number.billionths == 0 else {
            throw ValueError("not a whole number of bytes; did you mean a number with K, M, G or T?")
        }
        guard let bytes = number.multiplied(by: factor) else {
            throw ValueError("more than 64 bits hold; write a smaller size")
        }
        self.bytes = bytes
    }

    private static func factor(of unit: String) -> UInt64? {
        switch unit {
        case "", "b": 1
        case "k", "kb", "kib": 1 << 10
        case "m", "mb", "mib": 1 << 20
        case "g", "gb", "gib": 1 << 30
        case "t", "tb", "tib": 1 << 40
        default: nil
        }
    }
}
