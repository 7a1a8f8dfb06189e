// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The tables of docs/PROTOCOL.md, which are normative: tests read them from there.
enum ProtocolDocument {
    /// The document, or an empty text that fails every test that reads it.
    static let lines: [String] = {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/PROTOCOL.md")
        let text = (try? String(contentsOf: path, encoding: .utf8)) ?? ""
        return text.components(separatedBy: "\n")
    }()

    /// The rows of the table that follows the comment `<!-- table: name -->`.
    static func table(_ name: String) -> [[String]] {
        rows(after: "<!-- table: \(name) -->", upTo: "")
    }

    /// The rows of every table between this heading and the next one.
    static func tables(under heading: String) -> [[String]] {
        rows(after: heading, upTo: "#")
    }

    /// Rows between a line and the next that starts with `end`; of an empty `end`, those of the first table only.
    private static func rows(after start: String, upTo end: String) -> [[String]] {
        guard let first = lines.firstIndex(of: start) else { return [] }
        var result: [[String]] = []
        var tableLine = 0
        for line in lines[(first + 1)...] {
            guard line.hasPrefix("|") else {
                if end.isEmpty ? tableLine > 0 : line.hasPrefix(end) { break }
                tableLine = 0
                continue
            }
            tableLine += 1
            // The first two lines of a table are its head and a rule.
            if tableLine > 2 { result.append(cells(line)) }
        }
        return result
    }

    private static func cells(_ line: String) -> [String] {
        line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
            .map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// A cell without the marks of code, as in `maxChunk`.
    static func plain(_ cell: String) -> String { cell.replacingOccurrences(of: "`", with: "") }

    /// A cell such as 262,144 or 0x1F.
    static func number(_ cell: String) -> UInt64? {
        cell.hasPrefix("0x")
            ? UInt64(cell.dropFirst(2), radix: 16) : UInt64(cell.replacingOccurrences(of: ",", with: ""))
    }
}
