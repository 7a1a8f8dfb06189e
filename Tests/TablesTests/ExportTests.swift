// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

@Suite struct ExportTests {
    private func database(_ sql: String) throws -> (Scratch, String) {
        let scratch = try Scratch()
        let path = scratch.file("t.sqlite")
        try Connection(path).run(sql)
        return (scratch, path)
    }

    private static let sample = """
        CREATE TABLE stations (id INTEGER PRIMARY KEY, a TEXT, b REAL, c);
        INSERT INTO stations VALUES (2, 'x"y', 0.1 + 0.2, NULL), (1, 'l,1' || char(10) || 'é', 1e300, 'null'),
            (3, '', 9e999, -9e999), (4, char(13), 5e-324, 12345678901234567);
        """

    @Test func csvIsQuotedWhereItMustBe() throws {
        let (scratch, path) = try database(Self.sample)
        defer { scratch.remove() }
        #expect(
            String(decoding: try export(path), as: UTF8.self) == """
                id,a,b,c
                1,"l,1
                é",1e+300,null
                2,"x""y",0.30000000000000004,
                3,,9e999,-9e999
                4,"\r",5e-324,12345678901234567

                """
        )
    }

    @Test func ndjsonKeepsTheKinds() throws {
        let (scratch, path) = try database(Self.sample)
        defer { scratch.remove() }
        #expect(
            String(decoding: try export(path, "format=ndjson"), as: UTF8.self) == #"""
                {"id":1,"a":"l,1\né","b":1e+300,"c":"null"}
                {"id":2,"a":"x\"y","b":0.30000000000000004,"c":null}
                {"id":3,"a":"","b":9e999,"c":-9e999}
                {"id":4,"a":"\r","b":5e-324,"c":12345678901234567}

                """#
        )
    }

    @Test func whatIsExportedImportsWithoutAChange() throws {
        let (scratch, path) = try database(Self.sample)
        defer { scratch.remove() }
        for arguments in [("ndjson", "none"), ("ndjson", "gzip")] {
            let exported = try export(path, "format=\(arguments.0)", "compression=\(arguments.1)")
            #expect(try deliver(exported, to: path).counts == ChangeCounts(unchanged: 4))
        }
        try Connection(path).run("UPDATE stations SET c = 'text' WHERE typeof(c) <> 'text'")
        #expect(
            try deliver(try export(path, "delimiter=;"), to: path, "delimiter=;").counts == ChangeCounts(unchanged: 4)
        )
        #expect(scratch.names == ["t.sqlite"])
    }

    @Test("Random reals read back as the same", arguments: UInt64(1)...5)
    func reals(seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        var values: [String] = []
        for id in 0..<200 {
            let value = Double.random(in: -180...180, using: &generator)
            values.append("(\(id), \(value), \((value * 1e5).rounded() / 1e5))")
        }
        let (scratch, path) = try database(
            "CREATE TABLE stations (id TEXT, x REAL, y REAL); INSERT INTO stations VALUES \(values.joined(separator: ","))"
        )
        defer { scratch.remove() }
        #expect(try deliver(try export(path), to: path).counts == ChangeCounts(unchanged: 200))
    }

    @Test func aColumnAloneShowsItsEmptyFields() throws {
        let (scratch, path) = try database("CREATE TABLE stations (id); INSERT INTO stations VALUES (''), ('x')")
        defer { scratch.remove() }
        #expect(String(decoding: try export(path), as: UTF8.self) == "id\n\"\"\nx\n")
    }

    @Test func anExportIsOneSnapshotAndCountsItsRows() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver(("id\n" + (10_000..<40_000).map { "\($0)\n" }.joined()).utf8, to: path, "changes=none")
        let job = try TableExport(options: ExportOptions(database: path))
        var all = try job.nextBytes(upTo: 1) ?? []
        try Connection(path).run("DELETE FROM stations")
        while let bytes = try job.nextBytes(upTo: 65_536) { all += bytes }
        #expect(job.rows == 30_000)
        #expect(all.count == 3 + 30_000 * 6)
    }

    @Test func anInterruptedExportSaysSo() throws {
        let (scratch, path) = try database(Self.sample)
        defer { scratch.remove() }
        let job = try TableExport(options: ExportOptions(database: path))
        _ = try job.nextBytes(upTo: 1)
        job.interrupt()
        let error = #expect(throws: TableError.self) { try job.nextBytes(upTo: 1) }
        #expect(error?.code == .cancelled)
    }

    @Test func whatCannotBeExportedIsRefused() throws {
        let (scratch, path) = try database("CREATE TABLE stations (id, b); INSERT INTO stations VALUES (1, x'00')")
        defer { scratch.remove() }
        func failure(_ path: String, _ arguments: String...) -> TableError? {
            #expect(throws: TableError.self) {
                var pairs = [(key: "database", value: path)]
                for argument in arguments { pairs.append((key: "table", value: argument)) }
                let job = try TableExport(options: try ExportOptions(arguments: pairs))
                while try job.nextBytes(upTo: 100) != nil {}
            }
        }
        #expect(failure(path)?.message.contains("row 1 of 'stations' has a blob in the column 'b'") == true)
        #expect(failure(path, "none")?.code == .noInput)
        #expect(failure(scratch.file("absent"))?.code == .noInput)
        #expect(scratch.names == ["t.sqlite"])
    }
}
