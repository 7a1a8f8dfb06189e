// SPDX-License-Identifier: Apache-2.0

internal import CSQLite

/// Writes JSON into a byte array.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []

    /// Takes the first `limit` bytes out, or all if there are fewer.
    mutating func take(upTo limit: Int) -> [UInt8] {
        if bytes.count <= limit {
            let all = bytes
            bytes = []
            bytes.reserveCapacity(all.count)
            return all
        }
        let first = Array(bytes[..<limit])
        bytes.removeFirst(limit)
        return first
    }

    /// Forgets what was written, keeping the room for more.
    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    mutating func raw(_ text: StaticString) {
        // A static string's bytes are always there.
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func raw(_ text: [UInt8]) { bytes.append(contentsOf: text) }

    mutating func string(_ text: String) {
        var text = text
        text.withUTF8 { unsafe string($0) }
    }

    /// Writes a string with what must be escaped; bytes that are not UTF-8 become U+FFFD.
    @unsafe mutating func string(_ text: UnsafeBufferPointer<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        if let base = text.baseAddress, unsafe UTF8Check.firstInvalid(base, count: text.count) != nil {
            var repaired = unsafe String(decoding: text, as: UTF8.self)
            repaired.withUTF8 { unsafe escape($0) }
        } else {
            unsafe escape(text)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    @unsafe private mutating func escape(_ text: UnsafeBufferPointer<UInt8>) {
        // Whole runs are copied: bytes that must be escaped are rare.
        var run = 0
        for index in text.indices {
            let byte = unsafe text[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[run..<index]))
            run = index + 1
            bytes.append(UInt8(ascii: "\\"))
            switch byte {
            case 0x08: bytes.append(UInt8(ascii: "b"))
            case 0x09: bytes.append(UInt8(ascii: "t"))
            case 0x0A: bytes.append(UInt8(ascii: "n"))
            case 0x0C: bytes.append(UInt8(ascii: "f"))
            case 0x0D: bytes.append(UInt8(ascii: "r"))
            case 0..<0x20:
                raw("u00")
                bytes.append(Self.digits[Int(byte >> 4)])
                bytes.append(Self.digits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[run...]))
    }

    private static let digits = Array("0123456789abcdef".utf8)

    /// Writes a row as an object; `labels` are the columns' names with their colons.
    mutating func object(_ labels: [[UInt8]], _ row: Statement, _ position: (Int) -> Int) {
        for column in labels.indices {
            bytes.append(column == 0 ? UInt8(ascii: "{") : UInt8(ascii: ","))
            bytes.append(contentsOf: labels[column])
            value(row, position(column))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Writes a value of a row: text as a string, numbers as numbers, NULL as null, a blob as SQL's `x'…'` in a string.
    mutating func value(_ row: Statement, _ column: Int) {
        switch row.type(column) {
        case SQLITE_NULL: raw("null")
        case SQLITE_INTEGER: bytes.append(contentsOf: String(row.int64(column)).utf8)
        case SQLITE_FLOAT: bytes.append(contentsOf: RealText.text(row.double(column)).utf8)
        case SQLITE_TEXT: unsafe string(row.textBytes(column))
        default:
            raw("\"x'")
            for byte in unsafe Array(row.blobBytes(column)) {
                bytes.append(Self.digits[Int(byte >> 4)])
                bytes.append(Self.digits[Int(byte & 15)])
            }
            raw("'\"")
        }
    }
}

/// Reals as text that reads back as the same real.
enum RealText {
    /// The shortest such text; an infinity, which JSON has not, becomes a number that is out of range.
    static func text(_ value: Double) -> String {
        if value.isInfinite { return value < 0 ? "-9e999" : "9e999" }
        return value.description
    }
}
