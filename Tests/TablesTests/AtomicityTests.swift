// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import Tables

/// Who reads the database sees all of an import or nothing, whatever becomes of the import.
@Suite struct AtomicityTests {
    private static let first = "id,name\n1,a\n2,b\n3,c\n"
    private static let second = "id,name\n1,a\n2,B\n4,d\n"

    private func rows(_ database: Connection) throws -> [String] {
        try database.query("SELECT id || name FROM stations ORDER BY id").map { $0[0] }
    }

    private func begun(_ text: String, _ path: String, _ arguments: String...) throws -> TableImport {
        let job = TableImport(options: try options(path, arguments))
        try job.feed(Array(text.utf8))
        try job.finishInput()
        try job.begin()
        return job
    }

    @Test func aReaderIsNeverBlockedAndSeesAllOrNothing() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver(Self.first.utf8, to: path)
        let reader = try Connection(path)
        let job = try begun(Self.second, path)
        #expect(try rows(reader) == ["1a", "2b", "3c"])
        while try job.nextResult(upTo: 1) != nil { #expect(try rows(reader) == ["1a", "2b", "3c"]) }
        try reader.run("BEGIN")
        #expect(try rows(reader) == ["1a", "2b", "3c"])
        try job.commit()
        #expect(job.notes.contains { $0.contains("somebody is reading") })
        #expect(try rows(reader) == ["1a", "2b", "3c"], "its own snapshot")
        try reader.run("COMMIT")
        #expect(try rows(reader) == ["1a", "2B", "4d"])
    }

    @Test func givingUpLeavesAllAsItWas() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver(Self.first.utf8, to: path)
        let before = try contents(of: path)
        let job = try begun(Self.second, path)
        job.rollback()
        #expect(scratch.names == ["t.sqlite"])
        #expect(try contents(of: path) == before)
        do { _ = try begun(Self.second, path) }
        #expect(scratch.names == ["t.sqlite"], "dropping the import is giving it up")
        #expect(try contents(of: path) == before)
    }

    @Test func aNewDatabaseAppearsWholeOrNotAtAll() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        let job = try begun(Self.first, path)
        #expect(scratch.names == [])
        job.rollback()
        #expect(scratch.names == [])
        let other = try begun(Self.first, path)
        try other.commit()
        #expect(scratch.names == ["t.sqlite"])
        #expect(try rows(Connection(path)) == ["1a", "2b", "3c"])
    }

    @Test func aDatabaseThatAppearsMeanwhileIsNotOverwritten() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        let job = try begun(Self.first, path)
        try Connection(path).run("CREATE TABLE mine (x)")
        let error = #expect(throws: TableError.self) { try job.commit() }
        #expect(error?.code == .tryAgain)
        #expect(try Connection(path).query("SELECT name FROM sqlite_master") == [["mine"]])
    }

    @Test func aTableThatChangesMeanwhileIsTriedAgainLater() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver(Self.first.utf8, to: path)
        let job = TableImport(options: try options(path, []))
        try job.feed(Array(Self.second.utf8))
        try job.finishInput()
        try Connection(path).run("ALTER TABLE stations ADD COLUMN more TEXT")
        let error = #expect(throws: TableError.self) { try job.begin() }
        #expect(error?.code == .tryAgain)
    }

    @Test func rowsThatChangeMeanwhileAreComparedAsTheyAreThen() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver(Self.first.utf8, to: path)
        let job = TableImport(options: try options(path, []))
        try job.feed(Array(Self.second.utf8))
        try job.finishInput()
        try Connection(path).run("UPDATE stations SET name = 'B' WHERE id = '2'; DELETE FROM stations WHERE id = '3'")
        #expect(try complete(job).counts == ChangeCounts(new: 1, unchanged: 2))
    }

    @Test func aDryRunChangesAndCreatesNothing() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        let outcome = try deliver(Self.first.utf8, to: path, "apply=false")
        #expect(outcome.counts == ChangeCounts(new: 3))
        #expect(outcome.lines.count == 3)
        #expect(scratch.names == [])
        try Connection(path).run("CREATE TABLE stations (id, name); INSERT INTO stations VALUES ('1', 'x')")
        let before = try contents(of: path)
        let counts = ChangeCounts(new: 2, changed: 1)
        #expect(
            try deliver(Self.first.utf8, to: path, "apply=false")
                == Outcome(
                    counts: counts,
                    lines: try deliver(
                        Self.first.utf8,
                        to: path,
                        "apply=false"
                    ).lines,
                    notes: []
                )
        )
        #expect(try contents(of: path) == before)
        #expect(scratch.names == ["t.sqlite"])
    }

    @Test func anExistingDatabaseIsSwitchedToALogOnceAndSaysSo() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try Connection(path).run("CREATE TABLE other (x)")
        #expect(
            try deliver(Self.first.utf8, to: path).notes.first?.contains("switched from journal mode delete") == true
        )
        #expect(try deliver(Self.second.utf8, to: path).notes == [])
        #expect(scratch.names == ["t.sqlite"])
        #expect(try Connection(path).query("PRAGMA journal_mode") == [["wal"]])
    }

    @Test func aRefusedImportSwitchesBack() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try Connection(path).run("CREATE TABLE stations (id, name); INSERT INTO stations VALUES (1, 'x')")
        let job = TableImport(options: try options(path, ["max-deleted=0"]))
        try job.feed(Array("id,name\n7,a\n".utf8))
        try job.finishInput()
        let error = #expect(throws: TableError.self) { try job.begin() }
        #expect(error?.code == .badData)
        #expect(job.notes == [])
        #expect(try Connection(path).query("PRAGMA journal_mode") == [["delete"]])
        #expect(scratch.names == ["t.sqlite"])
    }

    @Test("A lock that somebody else holds is waited for, then try again", arguments: ["delete", "wal"])
    func locked(_ mode: String) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        let other = try Connection(path)
        try other.run("PRAGMA journal_mode = \(mode); CREATE TABLE stations (id, name); BEGIN IMMEDIATE")
        let start = ContinuousClock.now
        let error = refusal(Self.first.utf8, to: path)
        #expect(error?.code == .tryAgain)
        #expect(error?.exitCode == 75)
        #expect(start.duration(to: .now) >= .seconds(5))
        try other.run("COMMIT")
        #expect(try deliver(Self.first.utf8, to: path).counts.new == 3)
    }

    @Test func interruptingEndsAWaitForALock() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        let other = try Connection(path)
        try other.run("CREATE TABLE stations (id, name); BEGIN EXCLUSIVE")
        let job = TableImport(options: try options(path, []))
        let interrupter = job.interrupter
        onThread {
            usleep(50_000)
            interrupter.interrupt()
        }
        let error = #expect(throws: TableError.self) { try job.feed(Array(Self.first.utf8)) }
        #expect(error?.code == .cancelled)
    }

    @Test(
        "Interrupting at any step changes nothing",
        arguments: ["before", "reading", "staged", "begun", "streamed", "committed"]
    )
    func interrupted(_ step: String) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver(Self.first.utf8, to: path)
        let job = TableImport(options: try options(path, []))
        let steps: [(String, () throws(TableError) -> Void)] = [
            ("before", { () throws(TableError) in try job.feed(Array(Self.second.utf8.prefix(12))) }),
            ("reading", { () throws(TableError) in try job.feed(Array(Self.second.utf8.dropFirst(12))) }),
            ("reading", { () throws(TableError) in try job.finishInput() }),
            ("staged", { () throws(TableError) in try job.begin() }),
            ("begun", { () throws(TableError) in while try job.nextResult(upTo: 10) != nil {} }),
            ("streamed", { () throws(TableError) in try job.commit() }),
        ]
        do throws(TableError) {
            for (name, run) in steps {
                if name == step { job.interrupt() }
                try run()
            }
            job.interrupt()
            #expect(step == "committed")
        } catch {
            #expect(error.code == .cancelled)
        }
        #expect(try rows(Connection(path)) == (step == "committed" ? ["1a", "2B", "4d"] : ["1a", "2b", "3c"]))
        #expect(scratch.names == ["t.sqlite"])
    }

    @Test("Killed at any step, a new database is not there", arguments: 0...2)
    func killedWhileCreating(step: Int) async throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, step = step as Int] in
            try Self.importUntilKilled(path, step)
        }
        #expect(scratch.names == [])
    }

    @Test("Killed at any step, an existing database is as before", arguments: 0...3)
    func killedWhileChanging(step: Int) async throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        try deliver("id,name\n1,a\n9,z\n".utf8, to: path)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, step = step as Int] in
            try Self.importUntilKilled(path, step)
        }
        let database = try Connection(path)
        #expect(try rows(database) == (step == 3 ? ["1a", "2b", "3c"] : ["1a", "9z"]))
        #expect(try database.query("PRAGMA integrity_check") == [["ok"]])
    }

    private static func importUntilKilled(_ path: String, _ step: Int) throws {
        let job = TableImport(options: ImportOptions(database: path))
        try job.feed(Array(first.utf8))
        if step == 0 { raise(SIGKILL) }
        try job.finishInput()
        try job.begin()
        if step == 1 { raise(SIGKILL) }
        while try job.nextResult(upTo: 100) != nil {}
        if step == 2 { raise(SIGKILL) }
        try job.commit()
        raise(SIGKILL)
    }
}

@Suite struct HiddenFileTests {
    @Test("A file is nowhere, or under a name of its own, until it is published", arguments: [false, true])
    func published(isNamed: Bool) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let target = scratch.file("t.sqlite")
        do {
            let hidden = try HiddenFile(beside: target, isNamed: isNamed)
            #expect(scratch.names.count == (isNamed ? 1 : 0))
            let database = try Database(path: hidden.path, name: target, vfs: hidden.vfs, interrupter: Interrupter())
            try database.execute("PRAGMA journal_mode = OFF; CREATE TABLE t (x); INSERT INTO t VALUES ('y')")
            try database.close()
            try hidden.publish()
            #expect(throws: TableError.self) { try hidden.publish() }
        }
        #expect(scratch.names == ["t.sqlite"])
        #expect(try Connection(target).query("SELECT x FROM t") == [["y"]])
        #expect(try Connection(target).query("PRAGMA journal_mode") == [["wal"]])
    }

    @Test("A file that is given up is gone", arguments: [false, true])
    func givenUp(isNamed: Bool) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        do { _ = try HiddenFile(beside: scratch.file("t.sqlite"), isNamed: isNamed) }
        #expect(scratch.names == [])
    }
}
