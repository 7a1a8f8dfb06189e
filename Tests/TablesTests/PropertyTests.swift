// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

/// Random tables and deliveries against a difference that is computed in the plainest possible way.
@Suite struct PropertyTests {
    private static let alphabet = ["", "a", "B", "\"", ",", "\n", "\r", "é", "🚉", "7", "-", " "]

    private func rows(_ generator: inout SeededGenerator) -> [String: [String]] {
        var rows: [String: [String]] = [:]
        for _ in 0..<Int.random(in: 1...30, using: &generator) {
            let key = "k\(Int.random(in: 0..<40, using: &generator))"
            rows[key] = (0..<2).map { _ in
                (0..<Int.random(in: 0..<4, using: &generator)).map { _ in
                    Self.alphabet.randomElement(using: &generator) ?? ""
                }.joined()
            }
        }
        return rows
    }

    private func csv(_ rows: [String: [String]], _ generator: inout SeededGenerator) -> [UInt8] {
        func quote(_ text: String) -> String {
            "\"" + text.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
        }
        let lines = rows.shuffled(using: &generator).map { key, values in
            "\(quote(values[1])),\(key),\(quote(values[0]))"
        }
        return Array((["b,id,a"] + lines).joined(separator: Bool.random(using: &generator) ? "\n" : "\r\n").utf8)
    }

    private func object(_ key: String, _ values: [String]) -> String {
        func string(_ text: String) -> String {
            var writer = JSONWriter()
            writer.string(text)
            return String(decoding: writer.bytes, as: UTF8.self)
        }
        return "{\"id\":\(string(key)),\"a\":\(string(values[0])),\"b\":\(string(values[1]))}"
    }

    @Test("The difference is the one a dictionary finds", arguments: UInt64(1)...60)
    func difference(seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        if seed % 2 == 0 { try Connection(path).run("CREATE TABLE stations (id TEXT PRIMARY KEY, a TEXT, b TEXT)") }
        var former: [String: [String]] = [:]
        for _ in 0..<3 {
            let next = rows(&generator)
            let isJSON = Bool.random(using: &generator)
            let delivery =
                isJSON
                ? Array(next.map { object($0, $1) }.joined(separator: "\n").utf8) : csv(next, &generator)
            let outcome = try feed(delivery, to: path, &generator)
            var expected: [String] = []
            var counts = ChangeCounts()
            for key in Set(former.keys).union(next.keys).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
                switch (former[key], next[key]) {
                case (let before?, let after?) where before == after: counts.unchanged += 1
                case (let before?, let after?):
                    counts.changed += 1
                    expected.append("changed \(key) \(object(key, before)) \(object(key, after))")
                case (nil, let after?):
                    counts.new += 1
                    expected.append("new \(key) \(object(key, after))")
                case (let before?, nil):
                    counts.deleted += 1
                    expected.append("deleted \(key) \(object(key, before))")
                case (nil, nil): break
                }
            }
            #expect(outcome.counts == counts)
            #expect(outcome.lines.map { plain($0) } == expected)
            former = next
        }
        let stored = try Connection(path).query("SELECT id, a, b FROM stations").map { ($0[0], [$0[1], $0[2]]) }
        #expect(Dictionary(uniqueKeysWithValues: stored) == former)
    }

    /// A line of the result in the order of the test's columns, whichever the table has.
    private func plain(_ line: String) -> String {
        let reader = NDJSONReader()
        // The result nests one level; its rows are flat objects again.
        let parts = line.dropLast().split(separator: ",\"before\":", maxSplits: 1)
        let kind = parts[0].split(separator: "\"")[3]
        let key = line.split(separator: "\"key\":\"")[1].prefix { $0 != "\"" }
        var objects: [Substring] = []
        let rest = parts.count == 2 ? parts[1] : line.dropLast().split(separator: ",\"after\":", maxSplits: 1)[1]
        objects = rest.split(separator: ",\"after\":", maxSplits: 1)
        let rows = (try? records(reader, [Array(objects.joined(separator: "\n").utf8)[...]])) ?? []
        let names = reader.columns
        return
            ([String(kind), String(key)]
            + rows.map { row in
                let values = Dictionary(uniqueKeysWithValues: zip(names, row))
                return object(values["id"] ?? "", [values["a"] ?? "", values["b"] ?? ""])
            }).joined(separator: " ")
    }

    private func feed(_ delivery: [UInt8], to path: String, _ generator: inout SeededGenerator) throws -> Outcome {
        let job = TableImport(options: try options(path, []))
        var at = 0
        while at < delivery.count {
            let next = min(at + Int.random(in: 1...50, using: &generator), delivery.count)
            try job.feed(Array(delivery[at..<next]))
            at = next
        }
        try job.finishInput()
        return try complete(job)
    }
}
