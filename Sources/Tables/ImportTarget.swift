// SPDX-License-Identifier: Apache-2.0

/// The database that an import goes into: how it is opened, made lasting, or left as it was.
final class ImportTarget {
    let database: Database
    /// The table as it is; nil if there is none yet.
    let existing: TableSchema?
    /// What the user should hear of.
    private(set) var notes: [String] = []

    private let options: ImportOptions
    /// Where a database that did not exist comes into being.
    private let hidden: HiddenFile?
    /// The journal mode to go back to if nothing comes of the import.
    private var formerJournalMode: String?
    private var isReleased = false

    /// Opens the database and reads the table's definition; changes neither.
    init(_ options: ImportOptions, interrupter: Interrupter) throws(TableError) {
        self.options = options
        let name = options.database
        switch try DatabaseFile.inspect(name) {
        case .present(let path):
            hidden = nil
            database = try Database(path: path, name: name, interrupter: interrupter)
            existing = try TableSchema.read(options.table, in: database)
            guard try database.text("PRAGMA encoding") == "UTF-8" else {
                throw TableError(.config, "the database '\(name)' is UTF-16; only UTF-8 is supported")
            }
            guard !options.applies || !database.isReadOnly else {
                throw TableError(.noPermission, "the database '\(name)' may not be written")
            }
        case .absent(let path) where options.applies:
            let hidden = try HiddenFile(beside: path)
            self.hidden = hidden
            existing = nil
            database = try Database(path: hidden.path, name: name, vfs: hidden.vfs, interrupter: interrupter)
            // Nobody else can see the file, and it is thrown away if anything fails: it needs no journal.
            try database.execute(
                "PRAGMA main.journal_mode = OFF; PRAGMA main.synchronous = OFF; PRAGMA main.locking_mode = EXCLUSIVE"
            )
        case .absent:
            hidden = nil
            existing = nil
            database = try Database(path: ":memory:", name: name, interrupter: interrupter)
        }
        try database.execute("PRAGMA main.cache_size = -8000; PRAGMA wal_autocheckpoint = 0")
    }

    deinit { release() }

    /// Opens the transaction: the one that `publish` ends or, for a dry run, a snapshot that changes nothing.
    func begin() throws(TableError) {
        if options.applies, hidden == nil { try switchToLog() }
        try database.execute(options.applies ? "BEGIN IMMEDIATE" : "BEGIN")
        guard try TableSchema.read(options.table, in: database) == existing else {
            throw TableError(
                .tryAgain,
                "the definition of the table '\(options.table)' changed while the delivery was read; try again"
            )
        }
    }

    private func switchToLog() throws(TableError) {
        guard let former = try database.text("PRAGMA main.journal_mode"), former != "wal" else { return }
        let mode = try database.textWaiting("PRAGMA main.journal_mode = WAL")
        guard mode == "wal" else {
            notes.append(
                "the database '\(options.database)' cannot have a write-ahead log where it lies; "
                    + "it stays in journal mode \(former), and readers wait while the import commits"
            )
            return
        }
        formerJournalMode = former
        notes.append(
            "the database '\(options.database)' was switched from journal mode \(former) to a write-ahead log (WAL), "
                + "so that readers need not wait for imports"
        )
    }

    /// Commits, and gives a new database its name; statements of the result must be gone.
    func publish() throws(TableError) {
        try database.execute("COMMIT")
        formerJournalMode = nil
        guard let hidden else {
            database.setPatient(false)
            if !database.checkpoint() {
                notes.append(
                    "somebody is reading the database '\(options.database)': "
                        + "its write-ahead log stays until they have done"
                )
            }
            return
        }
        // Nobody may find the database locked, or its file half a database, under the name that it gets now.
        isReleased = true
        try database.close()
        try hidden.publish()
    }

    /// Undoes what was not committed, as well as it can: closing the connection undoes an open transaction anyhow.
    func release() {
        guard !isReleased else { return }
        isReleased = true
        database.setPatient(false)
        if database.isInTransaction { try? database.execute("ROLLBACK") }
        if let formerJournalMode { try? database.execute("PRAGMA main.journal_mode = \(formerJournalMode)") }
    }
}
