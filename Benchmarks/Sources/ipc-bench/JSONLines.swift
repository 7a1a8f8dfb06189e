// SPDX-License-Identifier: Apache-2.0

/// Objects of a line each, out of pieces that are cut anywhere.
struct LineReader {
    private var rest: [UInt8] = []

    mutating func read(_ piece: [UInt8], _ object: (inout JSONScanner) throws -> Void) throws {
        guard let last = piece.lastIndex(of: 0x0A) else {
            rest += piece
            return
        }
        var lines = rest
        lines.append(contentsOf: piece[...last])
        rest = Array(piece[(last + 1)...])
        var json = JSONScanner(lines)
        while !json.isAtEnd {
            try object(&json)
            guard json.endLine() else { throw BenchError("a line has more than its object") }
        }
    }

    /// No more comes.
    func finish() throws {
        guard rest.isEmpty else { throw BenchError("the last line does not end") }
    }
}

extension [UInt8] {
    mutating func append(utf8 text: StaticString) {
        // The text is the program's own, and as long as it says.
        text.withUTF8Buffer { unsafe append(contentsOf: $0) }
    }

    mutating func append(json before: StaticString, _ value: Int) {
        append(utf8: before)
        append(contentsOf: "\(value)".utf8)
    }

    mutating func append(json before: StaticString, _ value: Double) {
        append(utf8: before)
        append(contentsOf: "\(value)".utf8)
    }

    mutating func append(json before: StaticString, _ text: String) {
        append(utf8: before)
        append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C: self += [0x5C, byte]
            case ..<0x20: append(contentsOf: ("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16)).utf8)
            default: append(byte)
            }
        }
        append(0x22)
    }
}
