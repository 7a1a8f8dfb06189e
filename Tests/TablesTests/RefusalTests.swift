// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

/// What must be refused, leaving everything as it was.
@Suite struct RefusalTests {
    private static let small = "id,name\n1,a\n2,b\n3,c\n"

    /// A database with three rows, and what its file holds.
    private func prepared() throws -> (Scratch, String, [UInt8]) {
        let scratch = try Scratch()
        let path = scratch.file("t.sqlite")
        try deliver(Self.small.utf8, to: path)
        return (scratch, path, try contents(of: path))
    }

    @Test(
        "A bad delivery is refused and nothing is left behind",
        arguments: [
            ("", nil, "is empty"), ("\n\n", nil, "is empty"), ("   ", 1, "no column 'id'"),
            ("id,name\n", nil, "no rows"),
            ("id,name\n1,a\n2\n", 3, "1 field"), ("id,name\n1,\"a\n", 2, "never closed"),
            ("nr,name\n1,a\n", 1, "no column 'id'"), ("id\n1\n", 1, "lacks the column 'name'"),
            ("id,name,x,y\n1,a,b,c\n", 1, "has the columns 'x', 'y'"),
            ("id,name\n1,a\n2,b\n1,c\n", 4, "the key id='1' occurs a second time"),
            ("id,name\n1,a\n,b\n", 3, "the key 'id' is empty"), ("id,name\n1,a\n2,b\u{0}\n", 3, "NUL"),
            ("{\"id\":1,\"name\":2}\n{\"id\":null,\"name\":1}\n", 2, "the key 'id' is empty"),
            ("{\"id\":1,\"name\":[]}\n", 1, "nested"), ("\u{1f}", 1, "no column 'id'"),
        ] as [(String, UInt64?, String)]
    )
    func badDelivery(_ text: String, _ line: UInt64?, _ words: String) throws {
        let (scratch, path, before) = try prepared()
        defer { scratch.remove() }
        let error = try #require(refusal(text.utf8, to: path))
        #expect(error.code == .badData)
        #expect(error.exitCode == 65)
        if let line { #expect(error.line == line) }
        #expect(error.message.contains(words), "\(error)")
        #expect(scratch.names == ["t.sqlite"])
        #expect(try contents(of: path) == before)
    }

    @Test(
        "A bad delivery makes no database",
        arguments: ["", "id,name\n1\n", "id,name\n1,\"a", "name\na\n", "id,name\n1,a\n1,b\n", "id,id\n"]
    )
    func noDatabase(_ text: String) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        #expect(refusal(text.utf8, to: scratch.file("t.sqlite"))?.code == .badData)
        #expect(scratch.names == [])
    }

    @Test func aDuplicateIsFoundAsTheColumnSeesIt() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try Connection(path).run("CREATE TABLE stations (id INTEGER PRIMARY KEY, name)")
        let error = refusal("id,name\n7,a\n007,b\n".utf8, to: path)
        #expect(error?.line == 3)
        #expect(error?.message.contains("id='007' occurs a second time") == true)
    }

    @Test func aDeliveryThatWouldEmptyTheTableIsRefused() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        func delivery(_ count: Int) -> [UInt8] { Array(("id\n" + (1...count).map { "\($0)\n" }.joined()).utf8) }
        try deliver(delivery(100), to: path)
        let before = try contents(of: path)
        let error = refusal(delivery(79), to: path)
        #expect(error?.code == .badData)
        #expect(error?.message.contains("delete 21 of the 100 rows") == true)
        #expect(error?.message.contains("say max-deleted=21") == true)
        #expect(refusal(delivery(79), to: path, "max-deleted=20")?.code == .badData)
        #expect(refusal(delivery(79), to: path, "max-deleted=20.9%")?.code == .badData)
        #expect(refusal(delivery(79), to: path, "apply=false")?.code == .badData)
        #expect(try contents(of: path) == before)
        #expect(try deliver(delivery(80), to: path).counts.deleted == 20)
        #expect(try deliver(delivery(59), to: path).counts.deleted == 21, "a table below 100 rows is not guarded")
        #expect(refusal(delivery(1), to: path, "max-deleted=0")?.code == .badData)
        #expect(try deliver(delivery(1), to: path, "max-deleted=100%").counts.deleted == 58)
    }

    @Test func anotherNumberOfRowsThanDemandedIsRefused() throws {
        let (scratch, path, before) = try prepared()
        defer { scratch.remove() }
        let error = refusal(Self.small.utf8, to: path, "rows=4")
        #expect(error?.code == .badData)
        #expect(error?.message.contains("3 rows, but rows=4") == true)
        #expect(try contents(of: path) == before)
        #expect(try deliver(Self.small.utf8, to: path, "rows=3").counts.unchanged == 3)
    }

    @Test func whatIsNoDatabaseIsRefusedBeforeTheDelivery() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        try scratch.write(
            Array("this is a text, and long enough to be looked at as if it were a database".utf8),
            to: "x"
        )
        let error = refusal(Self.small.utf8, to: scratch.file("x"))
        #expect(error?.code == .config)
        #expect(error?.message.contains("is not an SQLite database") == true)
        #expect(refusal(Self.small.utf8, to: scratch.path)?.message.contains("not a regular file") == true)
        #expect(refusal(Self.small.utf8, to: "/dev/null")?.code == .config)
        #expect(refusal(Self.small.utf8, to: scratch.file("none/t.sqlite"))?.code == .cantCreate)
        #expect(scratch.names == ["x"])
    }

    @Test func aTableThatCannotServeIsRefused() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try Connection(path).run(
            """
            CREATE TABLE twice (id, name); INSERT INTO twice VALUES ('1', 'a'), ('1', 'b');
            CREATE TABLE holes (id, name); INSERT INTO holes VALUES (NULL, 'a');
            CREATE VIEW seen AS SELECT * FROM twice
            """
        )
        #expect(refusal(Self.small.utf8, to: path, "table=twice")?.message.contains("several of its rows") == true)
        #expect(refusal(Self.small.utf8, to: path, "table=holes")?.message.contains("NULL in one") == true)
        #expect(refusal(Self.small.utf8, to: path, "table=seen")?.code == .config)
        #expect(scratch.names == ["t.sqlite"])
        #expect(try Connection(path).query("PRAGMA journal_mode") == [["delete"]], "the journal mode is as before")
    }

    @Test func aRowThatTheTableRefusesIsNamed() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try Connection(path).run(
            "CREATE TABLE stations (id TEXT PRIMARY KEY, name TEXT CHECK (name <> 'b')) STRICT; "
                + "INSERT INTO stations VALUES ('0', 'x')"
        )
        let error = refusal(Self.small.utf8, to: path)
        #expect(error?.code == .badData)
        #expect(error?.line == 3)
        #expect(error?.message.contains("refuses the row id='2': CHECK constraint failed") == true)
        #expect(try Connection(path).rows("stations") == [["'0'", "'x'"]])
    }

    @Test(
        "Arguments that are wrong are usage errors",
        arguments: [
            "databse=x", "format=xml", "delimiter=", "delimiter=ab", "delimiter=\"", "compression=zstd",
            "encoding=utf-16",
            "apply=yes", "changes=some", "max-deleted=", "max-deleted=-1", "max-deleted=101%", "max-deleted=1.23456%",
            "max-deleted=.%", "rows=many", "rows=99999999999999999999", "table=", "key=", "database=again",
        ]
    )
    func usage(_ argument: String) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let error = refusal(Self.small.utf8, to: scratch.file("t.sqlite"), argument)
        #expect(error?.code == .usage)
        #expect(error?.message.contains(argument.prefix { $0 != "=" }) == true)
        #expect(scratch.names == [])
    }

    @Test func theDatabaseMustBeNamed() {
        #expect(throws: TableError.self) { try ImportOptions(arguments: []) }
        #expect(throws: TableError.self) { try ImportOptions(arguments: [(key: "database", value: "")]) }
        #expect(throws: TableError.self) { try ExportOptions(arguments: [(key: "table", value: "x")]) }
    }
}
