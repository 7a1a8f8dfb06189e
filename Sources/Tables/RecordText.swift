// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What both formats have in common once a record has been cut: the checks of its text.
enum RecordText {
    /// Halves the doubled quotes of CSV, in place.
    @unsafe static func undouble(_ fields: inout [Field], in base: UnsafeMutablePointer<UInt8>) {
        for index in fields.indices where fields[index].isEscaped {
            let end = fields[index].start + fields[index].count
            var (from, to) = (fields[index].start, fields[index].start)
            while from < end {
                let byte = unsafe base[from]
                unsafe base[to] = byte
                from += byte == 0x22 ? 2 : 1
                to += 1
            }
            fields[index].count = to - fields[index].start
            fields[index].isEscaped = false
        }
    }

    /// Refuses NUL bytes and what is not UTF-8, naming the column.
    @unsafe static func check(
        _ base: UnsafePointer<UInt8>,
        count: Int,
        fields: [Field],
        line: UInt64,
        columns: [String]
    ) throws(TableError) {
        let isSuspect = unsafe memchr(base, 0, count) != nil || !isASCII(base, count: count)
        guard isSuspect else { return }
        for (index, field) in fields.enumerated() {
            let name = index < columns.count ? "column \(index + 1) ('\(columns[index])')" : "column \(index + 1)"
            guard unsafe memchr(base + field.start, 0, field.count) == nil else {
                throw TableError(.badData, "\(name): a NUL byte; is the delivery UTF-16, or not text?", line: line)
            }
            if let bad = unsafe UTF8Check.firstInvalid(base + field.start, count: field.count) {
                let value = unsafe base[field.start + bad]
                throw TableError(
                    .badData,
                    "\(name): byte \(bad + 1) (0x\(String(value, radix: 16, uppercase: true))) is not UTF-8; "
                        + "for ISO 8859-1 say encoding=latin-1",
                    line: line
                )
            }
        }
    }

    /// Whether no byte has its high bit set.
    @unsafe static func isASCII(_ base: UnsafePointer<UInt8>, count: Int) -> Bool {
        let raw = unsafe UnsafeRawPointer(base)
        var at = 0
        var bits: UInt64 = 0
        while at + 8 <= count {
            bits |= unsafe raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            at += 8
        }
        while at < count {
            bits |= UInt64(unsafe base[at])
            at += 1
        }
        return bits & 0x8080_8080_8080_8080 == 0
    }
}

/// The check that text is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
enum UTF8Check {
    /// The offset of the first byte that does not belong to well-formed UTF-8.
    @unsafe static func firstInvalid(_ base: UnsafePointer<UInt8>, count: Int) -> Int? {
        var at = 0
        while at < count {
            let first = unsafe base[at]
            if first < 0x80 {
                at += 1
                continue
            }
            let length: Int
            var second: ClosedRange<UInt8> = 0x80...0xBF
            switch first {
            case 0xC2...0xDF: length = 2
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: length = 3
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            case 0xF1...0xF3: length = 4
            default: return at
            }
            guard at + length <= count, second.contains(unsafe base[at + 1]) else { return at }
            for offset in 2..<max(length, 2) where unsafe base[at + offset] & 0xC0 != 0x80 { return at }
            at += length
        }
        return nil
    }
}

/// The rules for the names of a delivery's columns.
enum ColumnNames {
    /// Returns `names` if they can be columns: at least one, none empty, no two that SQLite would take for the same.
    static func check(_ names: [String], line: UInt64) throws(TableError) -> [String] {
        guard names.count <= RecordLimits.columns else {
            throw TableError(
                .badData,
                "the header has \(names.count) columns; at most \(RecordLimits.columns) are possible",
                line: line
            )
        }
        var seen: [String: Int] = [:]
        for (index, name) in names.enumerated() {
            guard !name.isEmpty else {
                throw TableError(.badData, "the header's column \(index + 1) has no name", line: line)
            }
            if let other = seen.updateValue(index, forKey: fold(name)) {
                throw TableError(
                    .badData,
                    "the header names column '\(name)' twice, as columns \(other + 1) and \(index + 1)",
                    line: line
                )
            }
        }
        return names
    }

    /// The form under which SQLite takes two names for the same: ASCII letters in lower case.
    static func fold(_ name: String) -> String {
        String(decoding: name.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
