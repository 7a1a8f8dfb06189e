// SPDX-License-Identifier: Apache-2.0

/// Reads one JSON value after another out of bytes, as a program does that knows its objects.
///
/// Foundation's would do too, but its start would be in every measured spawn of this program.
struct JSONScanner {
    private let bytes: [UInt8]
    private var position: Int

    init(_ bytes: [UInt8], from position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// An object; `member` reads the value of each key.
    mutating func object(_ member: (String, inout JSONScanner) throws -> Void) throws {
        try expect(0x7B)
        guard !accept(0x7D) else { return }
        repeat {
            let key = try string()
            try expect(0x3A)
            try member(key, &self)
        } while accept(0x2C)
        try expect(0x7D)
    }

    mutating func strings() throws -> [String] {
        var values: [String] = []
        try expect(0x5B)
        guard !accept(0x5D) else { return values }
        repeat { values.append(try string()) } while accept(0x2C)
        try expect(0x5D)
        return values
    }

    mutating func boolean() throws -> Bool {
        let word = bytes[position...].prefix { (0x61...0x7A).contains($0) }
        position += word.count
        if word.elementsEqual("true".utf8) { return true }
        if word.elementsEqual("false".utf8) { return false }
        throw wrong()
    }

    mutating func integer() throws -> Int {
        let isNegative = accept(0x2D)
        var value = 0
        guard position < bytes.count, isDigit(bytes[position]) else { throw wrong() }
        while position < bytes.count, isDigit(bytes[position]) {
            let (tens, isOver) = value.multipliedReportingOverflow(by: 10)
            let (sum, isOverToo) = tens.addingReportingOverflow(Int(bytes[position] - 0x30))
            guard !isOver, !isOverToo else { throw wrong() }
            value = sum
            position += 1
        }
        return isNegative ? -value : value
    }

    mutating func number() throws -> Double {
        let begin = position
        var digits: Int64 = 0
        var count = 0
        var fraction = 0
        var isFraction = false
        var isPlain = true
        while position < bytes.count {
            let byte = bytes[position]
            if isDigit(byte) {
                count += 1
                if isFraction { fraction += 1 }
                digits = digits &* 10 &+ Int64(byte - 0x30)
            } else if byte == 0x2E, !isFraction {
                isFraction = true
            } else if byte == 0x2D, position == begin {
                // Its sign is put on below.
            } else if byte == 0x2B || byte == 0x2D || byte == 0x2E || byte | 0x20 == 0x65 {
                isPlain = false
            } else {
                break
            }
            position += 1
        }
        // So many digits, and their power of ten, are exact in a Double: their quotient is the nearest one.
        if isPlain, (1...15).contains(count) {
            let value = Double(digits) / Self.powers[fraction]
            return bytes[begin] == 0x2D ? -value : value
        }
        guard let value = Double(String(decoding: bytes[begin..<position], as: UTF8.self)) else { throw wrong() }
        return value
    }

    mutating func string() throws -> String {
        try expect(0x22)
        let begin = position
        while position < bytes.count, bytes[position] != 0x22, bytes[position] != 0x5C { position += 1 }
        guard position < bytes.count else { throw wrong() }
        if bytes[position] == 0x22 {
            defer { position += 1 }
            return String(decoding: bytes[begin..<position], as: UTF8.self)
        }
        var content = Array(bytes[begin..<position])
        while !accept(0x22) {
            guard position < bytes.count else { throw wrong() }
            if accept(0x5C) { try escape(&content) } else { content.append(bytes[position]); position += 1 }
        }
        return String(decoding: content, as: UTF8.self)
    }

    /// Those that ``Swift/Array/append(json:_:)`` writes; \u in the first plane only.
    private mutating func escape(_ content: inout [UInt8]) throws {
        guard position < bytes.count else { throw wrong() }
        let byte = bytes[position]
        position += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: content.append(byte)
        case 0x6E: content.append(0x0A)
        case 0x72: content.append(0x0D)
        case 0x74: content.append(0x09)
        case 0x75:
            let digits = String(decoding: bytes[position...].prefix(4), as: UTF8.self)
            guard digits.utf8.count == 4, let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
            else {
                throw wrong()
            }
            position += 4
            content.append(contentsOf: Array(String(scalar).utf8))
        default: throw wrong()
        }
    }

    private static let powers: [Double] = (0...15).map { (0..<$0).reduce(1) { power, _ in power * 10 } }

    private func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    private mutating func accept(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ byte: UInt8) throws {
        guard accept(byte) else { throw wrong() }
    }

    private func wrong() -> BenchError { BenchError("the JSON is wrong at byte \(position)") }
}

extension JSONScanner {
    var isAtEnd: Bool { position == bytes.count }

    /// Whether a line ends here; it is skipped.
    mutating func endLine() -> Bool { accept(0x0A) }
}
