// SPDX-License-Identifier: Apache-2.0

/// Brings a keyed table of an SQLite database up to date with a delivery, whole or not at all.
///
/// The order of calls: `prepare` (or the first `feed` does it) · `feed` … · `finishInput` · `begin` · `nextResult` …
/// until nil · `commit`. Until `begin` the database is only looked at; until `commit` readers see it as it was, and
/// giving up at any point (an error, `rollback`, or dropping the object) leaves it so.
///
/// What a value is: a field of CSV, and a JSON string or number, is text, to which the column's affinity then applies.
/// `true` and `false` are those words in a column of text, else 1 and 0. `null` is NULL. CSV cannot tell an empty
/// string from NULL: an empty field is an empty string, but where the table has NULL it leaves that as it is.
package final class TableImport {
    private enum Phase {
        case idle
        case reading
        case staged
        case open
        case ended
    }

    /// Stops the import from another thread.
    package let interrupter = Interrupter()
    /// What the user should hear of, beside the result.
    package var notes: [String] { target?.notes ?? lastNotes }
    /// Rows staged so far.
    package private(set) var rowsRead: UInt64 = 0
    /// The difference; complete after `begin`.
    package private(set) var summary = ChangeCounts()

    private var lastNotes: [String] = []
    private let options: ImportOptions
    private var phase = Phase.idle
    private var failure: TableError?
    private var input: GzipReader?
    private var format = TableFormat.csv
    private var reader: (any RecordReader)?
    private var staging: Staging?
    private var result: ResultStream?
    private var target: ImportTarget?

    /// An import that has done nothing yet.
    package init(options: ImportOptions) {
        self.options = options
    }

    deinit { release() }

    /// Opens the database and looks at the table, without changing either: what cannot work is refused before the
    /// delivery has to travel.
    package func prepare() throws(TableError) {
        guard phase == .idle else {
            if let failure { throw failure }
            return
        }
        try guarded { () throws(TableError) in
            try interrupter.check()
            target = try ImportTarget(options, interrupter: interrupter)
            input = GzipReader(
                isRequired: options.requiresGzip,
                next: TextDecoder(isLatin1: options.isLatin1, format: options.format) {
                    [unowned self] (format) throws(TableError) in self.makeStage(format)
                }
            )
            phase = .reading
        }
    }

    /// Takes the next bytes of the delivery, cut anywhere.
    package func feed(_ bytes: Span<UInt8>) throws(TableError) {
        try prepare()
        if let failure { throw failure }
        precondition(phase == .reading, "the delivery is already complete")
        do throws(TableError) { try input?.take(bytes) } catch { throw fail(error) }
    }

    /// Takes the next bytes of the delivery, cut anywhere.
    package func feed(_ bytes: [UInt8]) throws(TableError) {
        try feed(bytes.span)
    }

    /// Says that the delivery is complete and as it was sent.
    package func finishInput() throws(TableError) {
        try prepare()
        try guarded { () throws(TableError) in
            precondition(phase == .reading, "the delivery is already complete")
            try interrupter.check()
            try input?.end()
            try checkDelivery()
            try staging?.finish()
            input = nil
            reader = nil
            phase = .staged
        }
    }

    /// Computes the difference and, unless this is a dry run, applies it in a transaction that `commit` ends.
    package func begin() throws(TableError) {
        try guarded { () throws(TableError) in
            precondition(phase == .staged, "the delivery is not complete")
            try interrupter.check()
            guard let staging, let target else { return }
            try target.begin()
            let difference = try options.applies ? change(staging, target) : compare(staging, target)
            if options.applies { try target.database.flush() }
            if options.changes != .none {
                result = try ResultStream(
                    staging,
                    difference: difference,
                    changes: options.changes,
                    in: target.database
                )
            }
            phase = .open
        }
    }

    /// At most `bytes` more of the result, cut anywhere; nil at the end.
    package func nextResult(upTo bytes: Int) throws(TableError) -> [UInt8]? {
        if let failure { throw failure }
        precondition(phase == .open, "there is no result before begin")
        do throws(TableError) {
            try interrupter.check()
            return try result?.next(upTo: bytes)
        } catch {
            throw fail(error)
        }
    }

    /// Makes the changes lasting and visible.
    ///
    /// An error means that nothing was changed.
    package func commit() throws(TableError) {
        try guarded { () throws(TableError) in
            precondition(phase == .open, "there is nothing to commit before begin")
            try interrupter.check()
            result = nil
            staging = nil
            if options.applies { try target?.publish() }
            phase = .ended
        }
        release()
    }

    /// Gives up: the database stays, or becomes again, what it was.
    package func rollback() {
        phase = .ended
        release()
    }

    /// Stops the work from any thread; see ``Interrupter``.
    package func interrupt() { interrupter.interrupt() }

    // MARK: Failing

    private func guarded(_ body: () throws(TableError) -> Void) throws(TableError) {
        if let failure { throw failure }
        do throws(TableError) { try body() } catch { throw fail(error) }
    }

    private func fail(_ error: TableError) -> TableError {
        failure = failure ?? error
        rollback()
        // What was to be told has been undone.
        lastNotes = []
        return error
    }

    /// Lets go of the database; what was not committed is undone.
    private func release() {
        result = nil
        staging = nil
        reader = nil
        input = nil
        lastNotes = notes
        target = nil
    }

    // MARK: Reading

    private func makeStage(_ format: TableFormat) -> any ByteSink {
        self.format = format
        let reader: any RecordReader =
            switch format {
            case .csv: CSVReader(delimiter: options.delimiter)
            case .ndjson: NDJSONReader()
            }
        self.reader = reader
        return RecordStage(reader) { [unowned self] (reader) throws(TableError) in try self.stage(reader) }
    }

    /// Puts the records that are complete into the temporary table.
    private func stage(_ reader: any RecordReader) throws(TableError) {
        try interrupter.check()
        while try reader.next() {
            if staging == nil { try makeStaging(reader.columns) }
            try staging?.add(reader)
            rowsRead += 1
        }
    }

    private func makeStaging(_ columns: [String]) throws(TableError) {
        guard let target else { return }
        staging = try Staging(
            columns: columns,
            key: options.key,
            table: options.table,
            existing: target.existing,
            in: target.database
        )
    }

    private func checkDelivery() throws(TableError) {
        let columns = reader?.columns ?? []
        guard !columns.isEmpty else {
            throw TableError(.badData, "the delivery is empty: it has not even a header; nothing was changed")
        }
        if staging == nil { try makeStaging(columns) }
        if let rows = options.rows, rows != rowsRead {
            throw TableError(
                .badData,
                "the delivery has \(rowsRead) rows, but rows=\(rows) was demanded; nothing was changed"
            )
        }
        guard rowsRead == 0, let target, let existing = target.existing else { return }
        let any = try target.database.prepare("SELECT 1 FROM \(existing.qualifiedName) LIMIT 1")
        if try any.step() { throw emptyDelivery }
    }

    private var emptyDelivery: TableError {
        TableError(
            .badData,
            "the delivery has a header and no rows, but the table '\(options.table)' has rows; nothing was changed"
        )
    }

    // MARK: Changing

    private func change(_ staging: Staging, _ target: ImportTarget) throws(TableError) -> Difference? {
        guard target.existing == nil else {
            let difference = try compute(staging, target.database)
            try difference.apply()
            return difference
        }
        try target.database.execute(staging.schema.definition)
        // Same columns, same order, same key: SQLite copies the rows as they are.
        try target.database.execute("INSERT INTO \(staging.schema.qualifiedName) SELECT * FROM \(Staging.table)")
        summary.new = staging.rows
        return nil
    }

    /// The dry run: reads one snapshot and writes nowhere but into the temporary tables.
    private func compare(_ staging: Staging, _ target: ImportTarget) throws(TableError) -> Difference? {
        var difference: Difference?
        if target.existing == nil {
            summary.new = staging.rows
        } else {
            difference = try compute(staging, target.database)
        }
        try target.database.execute("COMMIT")
        return difference
    }

    private func compute(_ staging: Staging, _ database: Database) throws(TableError) -> Difference {
        let difference = Difference(staging, format: format, in: database)
        try difference.compute()
        summary = difference.counts
        let former = summary.changed + summary.deleted + summary.unchanged
        guard staging.rows > 0 || former == 0 else { throw emptyDelivery }
        try options.maxDeleted.check(deleted: summary.deleted, of: former, table: options.table)
        return difference
    }
}

/// Feeds a reader and lets its owner take the records.
private final class RecordStage: ByteSink {
    private let reader: any RecordReader
    private let drain: (any RecordReader) throws(TableError) -> Void

    init(_ reader: any RecordReader, drain: @escaping (any RecordReader) throws(TableError) -> Void) {
        self.reader = reader
        self.drain = drain
    }

    func take(_ bytes: Span<UInt8>) throws(TableError) {
        reader.feed(bytes)
        try drain(reader)
    }

    func end() throws(TableError) {
        reader.finish()
        try drain(reader)
    }
}
