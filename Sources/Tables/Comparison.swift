// SPDX-License-Identifier: Apache-2.0

internal import CSQLite
internal import Glibc

/// The collations that SQLite has built in; no other can be in a database that opens without an extension.
enum Collation: String {
    case binary = "BINARY"
    case noCase = "NOCASE"
    case rightTrim = "RTRIM"
}

/// Compares values of two statements' rows, as SQLite itself would.
enum Comparison {
    /// The order of two values: NULL, then numbers, then text, then blobs.
    static func order(
        _ left: Statement,
        _ leftColumn: Int,
        _ right: Statement,
        _ rightColumn: Int,
        _ collation: Collation
    ) -> Int {
        let types = (left.type(leftColumn), right.type(rightColumn))
        let ranks = (rank(types.0), rank(types.1))
        guard ranks.0 == ranks.1 else { return ranks.0 - ranks.1 }
        switch types {
        case (SQLITE_NULL, _): return 0
        case (SQLITE_TEXT, _):
            // Both statements stay on their rows while the texts are compared.
            return unsafe order(left.textBytes(leftColumn), right.textBytes(rightColumn), collation)
        case (SQLITE_BLOB, _):
            return unsafe order(left.blobBytes(leftColumn), right.blobBytes(rightColumn), .binary)
        case (SQLITE_INTEGER, SQLITE_INTEGER): return sign(left.int64(leftColumn), right.int64(rightColumn))
        case (SQLITE_FLOAT, SQLITE_FLOAT): return sign(left.double(leftColumn), right.double(rightColumn))
        case (SQLITE_INTEGER, _): return order(left.int64(leftColumn), right.double(rightColumn))
        default: return -order(right.int64(rightColumn), left.double(leftColumn))
        }
    }

    /// Whether two values are the same; text byte by byte whatever the collation.
    static func isSame(_ left: Statement, _ right: Statement, _ column: Int, _ rightColumn: Int) -> Bool {
        // Text, by far the most frequent, is decided without the general order.
        left.hasSameText(column, as: right, rightColumn) ?? (order(left, column, right, rightColumn, .binary) == 0)
    }

    private static func rank(_ type: CInt) -> Int {
        switch type {
        case SQLITE_NULL: 0
        case SQLITE_TEXT: 2
        case SQLITE_BLOB: 3
        default: 1
        }
    }

    private static func sign<Value: Comparable>(_ left: Value, _ right: Value) -> Int {
        left < right ? -1 : left > right ? 1 : 0
    }

    /// Orders an integer and a real without losing the integer's low bits.
    static func order(_ integer: Int64, _ real: Double) -> Int {
        // 2^63 and its negative are exact as reals.
        if real >= 0x1p63 { return -1 }
        if real < -0x1p63 { return 1 }
        let whole = Int64(real)
        if integer != whole { return integer < whole ? -1 : 1 }
        return sign(Double(whole), real)
    }

    @unsafe private static func order(
        _ left: UnsafeBufferPointer<UInt8>,
        _ right: UnsafeBufferPointer<UInt8>,
        _ collation: Collation
    ) -> Int {
        var (leftCount, rightCount) = (left.count, right.count)
        if collation == .rightTrim {
            while unsafe leftCount > 0 && left[leftCount - 1] == 0x20 { leftCount -= 1 }
            while unsafe rightCount > 0 && right[rightCount - 1] == 0x20 { rightCount -= 1 }
        }
        let common = min(leftCount, rightCount)
        if collation == .noCase {
            for index in 0..<common {
                let difference = unsafe Int(lower(left[index])) - Int(lower(right[index]))
                if difference != 0 { return difference }
            }
        } else if common > 0, let one = left.baseAddress, let other = right.baseAddress {
            let difference = unsafe memcmp(one, other, common)
            if difference != 0 { return Int(difference) }
        }
        return leftCount - rightCount
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
    }
}
