// SPDX-License-Identifier: Apache-2.0

/// Cuts bytes into lines of bounded length.
///
/// Performs no I/O.
///
/// A line ends at a newline, which is dropped together with a carriage return before it. A longer line than the limit
/// is handed out in pieces, cut between characters; nothing is lost.
struct LineSplitter: Sendable {
    /// The most bytes of one line, or piece.
    static let maximumLength = 8 * 1024

    private var rest: [UInt8] = []

    /// Takes bytes in and returns the lines that they complete.
    mutating func feed(_ bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                if rest.last == UInt8(ascii: "\r") { rest.removeLast() }
                lines.append(take(rest.count))
            } else {
                if rest.count == Self.maximumLength { lines.append(take(cut())) }
                rest.append(byte)
            }
        }
        return lines
    }

    /// The last line, if it had no newline.
    mutating func finish() -> String? { rest.isEmpty ? nil : take(rest.count) }

    private mutating func take(_ count: Int) -> String {
        let line = String(decoding: rest[..<count], as: UTF8.self)
        rest.removeFirst(count)
        return line
    }

    /// The last place in `rest` that is not inside a UTF-8 sequence.
    private func cut() -> Int {
        // A sequence has at most three continuation bytes; anything else is not UTF-8 and may be cut anywhere.
        for back in 0..<min(4, rest.count) where rest[rest.count - 1 - back] & 0xC0 != 0x80 {
            let lead = rest[rest.count - 1 - back]
            let needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1
            let start = rest.count - 1 - back
            return needed > back + 1 && start > 0 ? start : rest.count
        }
        return rest.count
    }
}
