// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

@Suite struct SampleDeliveryTests {
    @Test func theTwoDeliveriesGiveTheKnownDifferences() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("stations.sqlite")
        let first = try deliver(try sample("stations.csv.gz"), to: path)
        #expect(first.counts == ChangeCounts(new: 104_000))
        #expect(first.lines.count == 104_000)
        #expect(first.notes == [])

        let next = try sample("stations-next.csv.gz")
        let second = try deliver(next, to: path)
        #expect(second.counts == ChangeCounts(new: 1_500, changed: 2_300, deleted: 700, unchanged: 101_000))
        #expect(second.lines.count == 4_500)

        let again = try deliver(next, to: path)
        #expect(again == Outcome(counts: ChangeCounts(unchanged: 104_800), lines: [], notes: []))
        #expect(scratch.names == ["stations.sqlite"])

        let database = try Connection(path)
        #expect(try database.query("PRAGMA journal_mode") == [["wal"]])
        #expect(try database.query("PRAGMA integrity_check") == [["ok"]])
        #expect(try database.query("SELECT count(*), count(DISTINCT id) FROM stations") == [["104800", "104800"]])
    }

    @Test func anExportOfTheDeliveryIsTheDelivery() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("stations.sqlite")
        let delivery = try sample("stations-next.csv.gz")
        try deliver(delivery, to: path, "changes=none")
        for (format, compression) in [("csv", "none"), ("ndjson", "gzip")] {
            let exported = try export(path, "format=\(format)", "compression=\(compression)")
            #expect((exported.prefix(2) == [0x1F, 0x8B]) == (compression == "gzip"))
            #expect(try deliver(exported, to: path).counts == ChangeCounts(unchanged: 104_800))
        }
    }
}

/// The whole of an export.
func export(_ database: String, _ arguments: String...) throws(TableError) -> [UInt8] {
    var pairs = [(key: "database", value: database)]
    for argument in arguments {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        pairs.append((key: String(parts[0]), value: String(parts[1])))
    }
    let job = try TableExport(options: try ExportOptions(arguments: pairs))
    var all: [UInt8] = []
    while let bytes = try job.nextBytes(upTo: 10_000) { all += bytes }
    return all
}
