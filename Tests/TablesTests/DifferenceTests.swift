// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

@Suite struct DifferenceTests {
    private func database(_ sql: String) throws -> (Scratch, String) {
        let scratch = try Scratch()
        let path = scratch.file("t.sqlite")
        try Connection(path).run(sql)
        return (scratch, path)
    }

    @Test func theResultTellsBeforeAndAfterInTheOrderOfTheKey() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver("name,id\n\"a \"\"1\"\"\n\\\",10\nb,9\nc,8\n".utf8, to: path)
        let second = Array("id,name\n9,B\n7,\n10,\"a \"\"1\"\"\n\\\"\n".utf8)
        let full = [
            #"{"change":"new","key":"7","after":{"name":"","id":"7"}}"#,
            #"{"change":"deleted","key":"8","before":{"name":"c","id":"8"}}"#,
            #"{"change":"changed","key":"9","before":{"name":"b","id":"9"},"after":{"name":"B","id":"9"}}"#,
        ]
        let counts = ChangeCounts(new: 1, changed: 1, deleted: 1, unchanged: 1)
        #expect(try deliver(second, to: path, "apply=false") == Outcome(counts: counts, lines: full, notes: []))
        let keys = [
            #"{"change":"new","key":"7"}"#, #"{"change":"deleted","key":"8"}"#, #"{"change":"changed","key":"9"}"#,
        ]
        #expect(try deliver(second, to: path, "apply=false", "changes=keys").lines == keys)
        #expect(try deliver(second, to: path, "apply=false", "changes=none").lines == [])
        #expect(try deliver(second, to: path) == Outcome(counts: counts, lines: full, notes: []))
        #expect(
            try Connection(path).rows("stations", order: "id")
                == [["'a \"1\"\n\\'", "'10'"], ["''", "'7'"], ["'B'", "'9'"]]
        )
    }

    @Test func aNewTableHasTextColumnsAndTheKeyAsPrimaryKey() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver("\"a \"\"b\"\"\",Key\n007,1e3\n".utf8, to: path, "table=odd \"name\"", "key=key")
        let database = try Connection(path)
        #expect(
            try database.query("SELECT name, type, pk FROM pragma_table_info('odd \"name\"')")
                == [["a \"b\"", "TEXT", "0"], ["Key", "TEXT", "1"]]
        )
        #expect(try database.query("SELECT * FROM \"odd \"\"name\"\"\"") == [["007", "1e3"]])
    }

    @Test func anExistingTableKeepsItsTypesAndBothSidesAreComparedAfterThem() throws {
        let (scratch, path) = try database(
            """
            CREATE TABLE stations (id INTEGER PRIMARY KEY, lat REAL, n NUMERIC, t TEXT, x);
            INSERT INTO stations VALUES (1, 1.5, 10, '10', '10'), (2, 2, 2.5, 'b', 5), (3, 3, 3, 'c', 'c');
            """
        )
        defer { scratch.remove() }
        let outcome = try deliver("id,x,t,n,lat\n01,10,10,1e1,1.50\n2,5,b,2.50,2\n30,c,c,3,3\n".utf8, to: path)
        #expect(outcome.counts == ChangeCounts(new: 1, changed: 1, deleted: 1, unchanged: 1))
        #expect(
            outcome.lines == [
                #"{"change":"changed","key":2,"before":{"id":2,"lat":2.0,"n":2.5,"t":"b","x":5},"#
                    + #""after":{"id":2,"lat":2.0,"n":2.5,"t":"b","x":"5"}}"#,
                #"{"change":"deleted","key":3,"before":{"id":3,"lat":3.0,"n":3,"t":"c","x":"c"}}"#,
                #"{"change":"new","key":30,"after":{"id":30,"lat":3.0,"n":3,"t":"c","x":"c"}}"#,
            ]
        )
        #expect(
            try Connection(path).rows("stations") == [
                ["1", "1.5", "10", "'10'", "'10'"], ["2", "2.0", "2.5", "'b'", "'5'"],
                ["30", "3.0", "3", "'c'", "'c'"],
            ]
        )
    }

    @Test func jsonValuesKeepTheirKindWhereTheColumnHasNone() throws {
        let (scratch, path) = try database("CREATE TABLE stations (id PRIMARY KEY, t TEXT, n INTEGER, x)")
        defer { scratch.remove() }
        let lines =
            #"{"id":1,"t":true,"n":true,"x":false}"# + "\n" + #"{"id":"1","t":1.50,"n":"2","x":2.5}"# + "\n"
            + #"{"id":20000000000000000000,"t":null,"n":null,"x":null}"#
        try deliver(lines.utf8, to: path)
        #expect(
            try Connection(path).rows("stations", order: "id") == [
                ["1", "'true'", "1", "0"], ["2.0e+19", "NULL", "NULL", "NULL"],
                ["'1'", "'1.50'", "2", "2.5"],
            ]
        )
        #expect(try deliver(lines.utf8, to: path).counts == ChangeCounts(unchanged: 3))
    }

    @Test func anEmptyFieldLeavesNullAsItIsAndIsAnEmptyStringOtherwise() throws {
        let (scratch, path) = try database(
            "CREATE TABLE stations (id TEXT, a, b); INSERT INTO stations VALUES (1, NULL, 'x'), (2, NULL, NULL)"
        )
        defer { scratch.remove() }
        let outcome = try deliver("id,a,b\n1,,\n2,,\n3,,\n".utf8, to: path)
        #expect(outcome.counts == ChangeCounts(new: 1, changed: 1, unchanged: 1))
        #expect(outcome.lines.first?.hasSuffix(#""after":{"id":"1","a":null,"b":""}}"#) == true)
        #expect(
            try Connection(path).rows("stations") == [
                ["'1'", "NULL", "''"], ["'2'", "NULL", "NULL"], ["'3'", "''", "''"],
            ]
        )
        let json = #"{"id":"1","a":null,"b":""}"# + "\n" + #"{"id":"2","a":"","b":null}"# + "\n"
        #expect(try deliver(json.utf8, to: path).counts == ChangeCounts(changed: 1, deleted: 1, unchanged: 1))
    }

    @Test func keysFollowTheirColumnsCollation() throws {
        let (scratch, path) = try database(
            """
            CREATE TABLE stations (id TEXT COLLATE NOCASE PRIMARY KEY, v);
            INSERT INTO stations VALUES ('a', '1'), ('B', '2'), ('c', '3');
            """
        )
        defer { scratch.remove() }
        let outcome = try deliver("id,v\nC,3\nb,2\nA,9\nD,4\n".utf8, to: path, "changes=keys")
        #expect(outcome.counts == ChangeCounts(new: 1, changed: 3))
        #expect(
            outcome.lines == ["A", "b", "C"].map { "{\"change\":\"changed\",\"key\":\"\($0)\"}" } + [
                "{\"change\":\"new\",\"key\":\"D\"}"
            ]
        )
        #expect(try Connection(path).rows("stations", order: "id").map { $0[0] } == ["'A'", "'b'", "'C'", "'D'"])
        #expect(refusal("id,v\na,1\nA,2\n".utf8, to: path)?.line == 3)
    }

    @Test(
        "Any column can be the key, with or without an index or row numbers",
        arguments: [
            "CREATE TABLE stations (slug TEXT, id INTEGER PRIMARY KEY)", "CREATE TABLE stations (slug TEXT, id)",
            "CREATE TABLE stations (slug TEXT PRIMARY KEY, id) WITHOUT ROWID",
            "CREATE TABLE stations (slug TEXT, id PRIMARY KEY) WITHOUT ROWID",
            "CREATE TABLE stations (slug TEXT UNIQUE, id, g AS (slug || id))",
            "CREATE TABLE stations (slug TEXT, id INTEGER PRIMARY KEY) STRICT",
        ]
    )
    func anyKey(_ sql: String) throws {
        let (scratch, path) = try database(
            "\(sql); INSERT INTO stations (slug, id) VALUES ('a', 1), ('b', 2), ('c', 3)"
        )
        defer { scratch.remove() }
        let json = #"{"slug":"b","id":2}"# + "\n" + #"{"slug":"c","id":4}"# + "\n" + #"{"slug":"d","id":5}"#
        let outcome = try deliver(json.utf8, to: path, "key=slug")
        #expect(outcome.counts == ChangeCounts(new: 1, changed: 1, deleted: 1, unchanged: 1))
        #expect(
            try Connection(path).query("SELECT slug, id FROM stations ORDER BY slug")
                == [["b", "2"], ["c", "4"], ["d", "5"]]
        )
    }

    @Test func rowsMayExchangeTheValuesOfAnotherUniqueColumn() throws {
        for suffix in ["", " WITHOUT ROWID"] {
            let (scratch, path) = try database(
                """
                CREATE TABLE stations (id TEXT PRIMARY KEY, slug TEXT UNIQUE)\(suffix);
                INSERT INTO stations VALUES ('1', 'a'), ('2', 'b'), ('3', 'c');
                """
            )
            defer { scratch.remove() }
            let outcome = try deliver("id,slug\n1,b\n2,a\n3,c\n".utf8, to: path)
            #expect(outcome.counts == ChangeCounts(changed: 2, unchanged: 1))
            #expect(try Connection(path).rows("stations") == [["'1'", "'b'"], ["'2'", "'a'"], ["'3'", "'c'"]])
            let error = refusal("id,slug\n1,b\n2,b\n3,b\n".utf8, to: path)
            #expect(error?.message.contains("UNIQUE constraint failed: stations.slug") == true)
            #expect(try Connection(path).rows("stations") == [["'1'", "'b'"], ["'2'", "'a'"], ["'3'", "'c'"]])
        }
    }

    @Test func aBlobInTheTableIsShownInSQLsNotation() throws {
        let (scratch, path) = try database(
            "CREATE TABLE stations (id TEXT, b BLOB); INSERT INTO stations VALUES ('1', x'00ff')"
        )
        defer { scratch.remove() }
        let outcome = try deliver("id,b\n1,z\n".utf8, to: path)
        #expect(outcome.lines[0].contains(#""before":{"id":"1","b":"x'00ff'"}"#))
        #expect(try deliver("id,b\n1,z\n".utf8, to: path).counts == ChangeCounts(unchanged: 1))
    }

    @Test(
        "An integer and a real are ordered exactly",
        arguments: [
            (Int64.max, 0x1p63, -1), (Int64.min, -0x1p63, 0), (1, 1.5, -1), (2, 1.5, 1), (-1, -1.5, 1), (3, 3.0, 0),
            (9_007_199_254_740_993, 9_007_199_254_740_992.0, 1), (0, .infinity, -1), (0, -.infinity, 1),
        ] as [(Int64, Double, Int)]
    )
    func integerAndReal(_ integer: Int64, _ real: Double, _ order: Int) {
        #expect(Comparison.order(integer, real) == order)
    }
}
