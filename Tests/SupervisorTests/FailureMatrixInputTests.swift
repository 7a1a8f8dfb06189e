// SPDX-License-Identifier: Apache-2.0
import Testing

/// Inputs, outputs, databases and command lines that cannot be used.
@Suite("What cannot be read, written or meant")
struct FailureMatrixInputTests {
    /// An import into a new database of what `setup` writes to the file `delivery`.
    private static func delivery(_ name: String, _ content: String, _ code: Int32 = 65, _ says: String...) -> Cell {
        Cell(
            name: name,
            setup: "printf '\(content)' > delivery",
            run: "run import --arg database=db --input delivery --output changes",
            code: code,
            outcome: "failed",
            reason: "badData",
            says: says
        )
    }

    static let deliveries: [Cell] = [
        delivery("a ragged row", "id,name\\n1,a\\n2\\n", 65, "line 3", "1 field where the header has 2"),
        delivery("a row with too many fields", "id,name\\n1,a\\n2,b,c\\n", 65, "line 3", "3 fields"),
        delivery("a quote that is never closed", "id,name\\n1,a\\n2,\"b\\n3,c\\n", 65, "line 3", "never closed"),
        delivery("text behind a closing quote", "id,name\\n1,a\\n2,\"b\"c\\n", 65, "line 3"),
        delivery("no key column", "key,name\\n1,a\\n", 65, "line 1", "no column 'id'", "key, name"),
        delivery("a key that comes twice", "id,name\\n1,a\\n2,b\\n1,c\\n", 65, "line 4", "id='1'", "second time"),
        delivery("a column that comes twice", "id,name,name\\n1,a,b\\n", 65, "line 1", "name"),
        delivery("an empty key", "id,name\\n1,a\\n,b\\n", 65, "line 3"),
        delivery("invalid UTF-8", "id,name\\n1,a\\n2,b\\377\\n", 65, "line 3", "not UTF-8", "encoding=latin-1"),
        delivery("a line behind a quoted line break", "id,name\\n1,\"a\\nb\"\\n2\\n", 65, "line 4"),
        delivery("a JSON line that is cut off", "{\"id\":1,\"n\":2}\\n{\"id\":2,\"n\"\\n", 65, "line 2"),
        delivery("a JSON line without the key", "{\"id\":1,\"n\":2}\\n{\"n\":2}\\n", 65, "line 2", "id"),
        delivery("nothing at all", "", 65, "empty", "nothing was changed"),
        delivery("half a gzip header", "\\037\\213\\010\\000", 65, "gzip", "cut off"),
        delivery("a gzip stream that is cut off", "", 65, "gzip", "cut off").with {
            $0.setup = "seq -f '%g,name' 1 50000 | sed '1i id,name' | gzip | head -c 50000 > delivery"
        },
        delivery("a damaged gzip stream", "", 65, "gzip").with {
            $0.setup = """
                seq -f '%g,name' 1 50000 | sed '1i id,name' | gzip | head -c -8 > delivery
                printf 'XXXXXXXX' >> delivery
                """
        },
    ]

    /// An import of a delivery that `setup` leaves, into the table of three rows, which must stay as it is.
    private static func unchanged(_ name: String, _ setup: String, _ run: String, _ code: Int32, _ says: String...)
        -> Cell
    {
        let rows = "select group_concat(id || name) from stations"
        return Cell(
            name: name,
            setup: """
                seq 1 500 | sed 's/.*/&,n&/; 1i id,name' > first
                run import --arg database=db --input first --quiet > /dev/null; rm -f report
                sqlite3 db "\(rows)" > before; sqlite3 db 'pragma wal_checkpoint(truncate)' > /dev/null
                \(setup)
                """,
            run: """
                \(run); code=$?
                sqlite3 db "\(rows)" | cmp - before >&2 || exit 99
                sqlite3 db 'pragma integrity_check' | grep -qx ok || exit 98
                rm -f db-wal db-shm
                exit $code
                """,
            code: code,
            outcome: "failed",
            says: says
        )
    }

    private static let importing = "run import --arg database=db --input delivery --output changes"

    static let databases: [Cell] = [
        unchanged("half of a delivery", "head -n 250 first > delivery", importing, 65, "max-deleted"),
        unchanged("a header only", "head -n 1 first > delivery", importing, 65, "nothing was changed"),
        unchanged("an empty delivery", ": > delivery", importing, 65, "empty"),
        unchanged(
            "a delivery cut off within a row, where all may be deleted",
            "sed '250s/,.*//; 250q' first > delivery",
            importing + " --arg max-deleted=100%",
            65,
            "line"
        ),
        unchanged("a column that is missing", "sed '1s/name/nom/' first > delivery", importing, 65, "column 'name'"),
        unchanged(
            "a column too many",
            "sed 's/$/,x/' first > delivery; sed -i '1s/,x/,more/' delivery",
            importing,
            65,
            "column 'more'"
        ),
        unchanged("other rows than were announced", "cp first delivery", importing + " --arg rows=499", 65, "499"),
        unchanged(
            "a database that another process holds",
            "sed 's/n7$/n8/' first > delivery",
            """
            python3 -c "
            import os, sqlite3, time
            connection = sqlite3.connect('db', isolation_level=None)
            connection.execute('begin immediate')
            open('held', 'w').close()
            while os.path.exists('held'): time.sleep(0.05)" &
            until [ -e held ]; do sleep 0.05; done
            \(importing); code=$?; rm held; wait; (exit $code)
            """,
            75,
            "locked"
        ),
        Cell(
            name: "a file that is no database",
            setup: "echo 'just a text' > db; printf 'id,name\\n1,a\\n' > delivery",
            run: "\(importing); code=$?; grep -qx 'just a text' db || exit 99; exit $code",
            code: 78,
            outcome: "failed",
            says: ["'db' is not an SQLite database"]
        ),
        Cell(
            name: "a directory for the database that is not there",
            setup: "printf 'id,name\\n1,a\\n' > delivery",
            run: "run import --arg database=nowhere/db --input delivery",
            code: 73,
            outcome: "failed",
            says: ["nowhere/db", "does not exist"]
        ),
        Cell(
            name: "a directory instead of the database",
            setup: "printf 'id,name\\n1,a\\n' > delivery",
            run: "run import --arg database=. --input delivery",
            code: 78,
            outcome: "failed",
            says: ["not a regular file"]
        ),
        Cell(
            name: "an export from a database that is not there",
            run: "run export --arg database=db --arg table=t --output result",
            code: 66,
            outcome: "failed",
            says: ["db"]
        ),
    ]

    static let commands: [Cell] = [
        Cell(
            name: "an unknown job",
            run: "run nosuch --input body --output result",
            code: 64,
            outcome: "failed",
            says: ["no method 'nosuch'"]
        ),
        Cell(
            name: "an unknown argument",
            run: "run digest --input body --arg colour=red",
            code: 64,
            outcome: "failed",
            says: ["'colour'"]
        ),
        Cell(
            name: "an unknown argument of the import",
            run: "run import --input body --arg database=db --arg rose=red",
            code: 64,
            outcome: "failed",
            says: ["'rose'", "max-deleted"]
        ),
        Cell(
            name: "an argument that is missing",
            run: "run import --input body",
            code: 64,
            outcome: "failed",
            says: ["'database' is missing"]
        ),
        Cell(name: "an unknown option", run: "run digest --colour", code: 64, says: ["--colour"]),
        Cell(
            name: "one file for the result and the report",
            run: "run digest --output report",
            code: 64,
            says: ["cannot both go to 'report'"]
        ),
        Cell(name: "a bad size", run: "run digest --memory-limit 5Q", code: 64, says: ["5Q"]),
        Cell(name: "a bad duration", run: "run digest --timeout soon", code: 64, says: ["soon"]),
        Cell(
            name: "an input that is not there",
            run: "run digest --input missing --output result",
            code: 66,
            outcome: "failed",
            reason: "inputFailed",
            says: ["cannot read 'missing': No such file or directory"]
        ),
        Cell(
            name: "an input that is a directory",
            run: "run digest --input .",
            code: 66,
            outcome: "failed",
            reason: "inputFailed",
            says: ["cannot read '.': Is a directory"]
        ),
        Cell(
            name: "an output in a directory that is not there",
            run: "run digest --input body --output no/x",
            code: 73,
            outcome: "failed",
            reason: "outputFailed",
            says: ["cannot write 'no/x': No such file or directory"]
        ),
        Cell(
            name: "an output that is a directory",
            run: "run digest --input body --output .",
            code: 73,
            outcome: "failed",
            reason: "outputFailed",
            says: ["Is a directory"]
        ),
        Cell(
            name: "an output that is a link to nothing, in a directory that is not there",
            setup: "ln -s no/x link",
            run: "run digest --input body --output link",
            code: 73,
            outcome: "failed",
            reason: "outputFailed",
            says: ["cannot write 'link'"]
        ),
    ]

    @Test("A bad delivery is refused with its line, and makes no database", arguments: deliveries)
    func refused(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    @Test("A database that cannot take it stays as it was", arguments: databases)
    func database(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    @Test("What was asked for is impossible, and the message says why", arguments: commands)
    func command(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }
}
