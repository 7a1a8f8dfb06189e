// SPDX-License-Identifier: Apache-2.0

/// Parses one flat JSON object (RFC 8259), member by member, decoding strings in place.
@safe
struct JSONObjectParser {
    // The line being parsed. The owner keeps the bytes alive and unmoved from `begin` to the last member.
    private var base: UnsafeMutablePointer<UInt8>?
    private var count = 0
    private var at = 0
    private var line: UInt64 = 0
    private var isFirst = true

    /// Starts on a line; false if it is blank.
    @unsafe mutating func begin(_ base: UnsafeMutablePointer<UInt8>, count: Int, line: UInt64) -> Bool {
        unsafe self.base = base
        (self.count, self.line, at, isFirst) = (count, line, 0, true)
        skipSpace()
        return at < count
    }

    /// The next member, or nil after the object's end; then nothing but white space is left.
    mutating func nextMember() throws(TableError) -> (name: Field, value: Field)? {
        if isFirst {
            guard peek == UInt8(ascii: "{") else { throw fail("expected an object, '{'") }
            at += 1
        }
        skipSpace()
        if peek == UInt8(ascii: "}"), isFirst { return try end() }
        if !isFirst {
            switch peek {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "}"): return try end()
            default: throw fail("expected ',' or '}'")
            }
            skipSpace()
        }
        isFirst = false
        guard peek == UInt8(ascii: "\"") else { throw fail("expected a member's name, '\"'") }
        let name = try string()
        skipSpace()
        guard peek == UInt8(ascii: ":") else { throw fail("expected ':'") }
        at += 1
        skipSpace()
        return (name, try value())
    }

    private mutating func end() throws(TableError) -> (name: Field, value: Field)? {
        at += 1
        skipSpace()
        guard at == count else { throw fail("text after the object; one object a line") }
        return nil
    }

    private mutating func value() throws(TableError) -> Field {
        switch peek {
        case UInt8(ascii: "\""): return try string()
        case UInt8(ascii: "t"): return try literal("true", .true)
        case UInt8(ascii: "f"): return try literal("false", .false)
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            throw fail("a nested object or array; values are strings, numbers, true, false or null")
        default: throw fail("expected a value")
        }
    }

    private mutating func literal(_ text: StaticString, _ kind: FieldKind) throws(TableError) -> Field {
        let start = at
        // A static string is NUL-terminated and not touched by anybody.
        for offset in 0..<text.utf8CodeUnitCount {
            guard unsafe peek == text.utf8Start[offset] else { throw fail("expected a value") }
            at += 1
        }
        return Field(start: start, count: at - start, kind: kind)
    }

    private mutating func number() throws(TableError) -> Field {
        let start = at
        if peek == UInt8(ascii: "-") { at += 1 }
        let isZero = peek == UInt8(ascii: "0")
        let whole = digits()
        guard whole == 1 || (whole > 1 && !isZero) else { throw fail("a number that is not valid JSON") }
        if peek == UInt8(ascii: ".") {
            at += 1
            guard digits() > 0 else { throw fail("a number that is not valid JSON") }
        }
        if peek | 0x20 == UInt8(ascii: "e") {
            at += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { at += 1 }
            guard digits() > 0 else { throw fail("a number that is not valid JSON") }
        }
        return Field(start: start, count: at - start, kind: .number)
    }

    private mutating func digits() -> Int {
        let start = at
        while (0x30...0x39).contains(peek) { at += 1 }
        return at - start
    }

    /// Decodes a string in place: what it means is never longer than how it is written.
    private mutating func string() throws(TableError) -> Field {
        at += 1
        let start = at
        var to = at
        while at < count {
            let byte = peek
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                return Field(start: start, count: to - start, kind: .text)
            case UInt8(ascii: "\\"):
                try escape(&to)
            case 0..<0x20:
                throw fail("a control character inside a string; it must be escaped")
            default:
                put(byte, &to)
                at += 1
            }
        }
        throw fail("a string that is never closed: the delivery was cut off?")
    }

    private mutating func escape(_ to: inout Int) throws(TableError) {
        at += 1
        let byte = peek
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): put(byte, &to)
        case UInt8(ascii: "b"): put(0x08, &to)
        case UInt8(ascii: "f"): put(0x0C, &to)
        case UInt8(ascii: "n"): put(0x0A, &to)
        case UInt8(ascii: "r"): put(0x0D, &to)
        case UInt8(ascii: "t"): put(0x09, &to)
        case UInt8(ascii: "u"):
            let scalar = try unicodeEscape()
            for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { put(unit, &to) }
        default:
            at -= 1
            throw fail("an escape that JSON does not have")
        }
    }

    /// Reads what follows `\u`, and a second escape if the first is half of a surrogate pair.
    private mutating func unicodeEscape() throws(TableError) -> Unicode.Scalar {
        let first = try hexadecimal()
        guard first != 0 else { throw fail("the escape \\u0000; a NUL cannot be stored as text") }
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, peek == UInt8(ascii: "\\") else { throw fail("half of a surrogate pair") }
        at += 1
        guard peek == UInt8(ascii: "u") else { throw fail("half of a surrogate pair") }
        at += 1
        let second = try hexadecimal()
        guard
            (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
        else { throw fail("half of a surrogate pair") }
        return scalar
    }

    private mutating func hexadecimal() throws(TableError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            let byte = peek
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt16(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt16(byte - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt16(byte - 0x61 + 10)
            default: throw fail("an escape \\u without four hexadecimal digits")
            }
            at += 1
        }
        return value
    }

    /// The byte at the cursor; 0, which no token begins with, behind the end.
    private var peek: UInt8 {
        guard at < count, let base = unsafe base else { return 0 }
        return unsafe base[at]
    }

    private func put(_ byte: UInt8, _ to: inout Int) {
        // `to` never passes the cursor, which is within the line.
        unsafe base?[to] = byte
        to += 1
    }

    private mutating func skipSpace() {
        while peek == 0x20 || peek == 0x09 || peek == 0x0D { at += 1 }
    }

    private func fail(_ message: String) -> TableError {
        TableError(.badData, "byte \(at + 1): \(message)", line: line)
    }
}
