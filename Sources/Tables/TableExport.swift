// SPDX-License-Identifier: Apache-2.0

internal import CSQLite

/// Writes a table of an SQLite database as CSV or NDJSON, as one consistent snapshot, streamed.
///
/// Rows come in the order of the primary key. NULL is an empty field of CSV, and `null` in NDJSON. Reals are written
/// so that they read back as the same. A blob has no form in either format, and is an error.
package final class TableExport {
    /// Stops the export from another thread.
    package let interrupter = Interrupter()
    /// Rows written so far.
    package private(set) var rows: UInt64 = 0

    private let options: ExportOptions
    private let rowBytes = 64 << 10
    private var failure: TableError?
    private var schema: TableSchema?
    private var statement: Statement?
    private var labels: [[UInt8]] = []
    private let csv: CSVWriter
    private var json = JSONWriter()
    private var plain: [UInt8] = []
    private var gzip: GzipWriter?
    private var output: [UInt8] = []
    private var taken = 0
    private var isAtEnd = false

    /// Opens the database and finds the table; the snapshot is taken by the first `nextBytes`.
    package init(options: ExportOptions) throws(TableError) {
        self.options = options
        csv = CSVWriter(delimiter: options.delimiter)
        try open()
    }

    deinit { close() }

    /// Stops the work from any thread; see ``Interrupter``.
    package func interrupt() { interrupter.interrupt() }

    /// At most `limit` more bytes; nil at the end.
    package func nextBytes(upTo limit: Int) throws(TableError) -> [UInt8]? {
        precondition(limit > 0, "asking for no bytes would never end")
        if let failure { throw failure }
        do throws(TableError) {
            try interrupter.check()
            while !isAtEnd, output.count - taken < limit { try produce() }
        } catch {
            failure = error
            close()
            throw error
        }
        let count = min(limit, output.count - taken)
        guard count > 0 else { return nil }
        let bytes = Array(output[taken..<taken + count])
        taken += count
        if taken >= rowBytes || taken == output.count {
            output.removeFirst(taken)
            taken = 0
        }
        return bytes
    }

    private func close() {
        interrupter.detach()
        statement = nil
        isAtEnd = true
    }

    private func open() throws(TableError) {
        guard case .present(let path) = try DatabaseFile.inspect(options.database) else {
            throw TableError(.noInput, "there is no database '\(options.database)'")
        }
        let database = try Database(path: path, name: options.database, interrupter: interrupter)
        try database.execute("PRAGMA query_only = ON; PRAGMA main.cache_size = -2000")
        guard let schema = try TableSchema.read(options.table, in: database) else {
            throw TableError(.noInput, "the database '\(options.database)' has no table '\(options.table)'")
        }
        self.schema = schema
        let keys = schema.columns.filter { $0.primaryKey > 0 }.sorted { $0.primaryKey < $1.primaryKey }
        let order = keys.isEmpty ? "" : " ORDER BY " + keys.map { Database.quote($0.name) }.joined(separator: ", ")
        // The one statement is the snapshot: it reads the database as it is at its first step.
        statement = try database.prepare("SELECT \(schema.columnList) FROM \(schema.qualifiedName)\(order)")
        if options.compresses { gzip = try GzipWriter() }
        writeHeader(schema)
    }

    private func writeHeader(_ schema: TableSchema) {
        for column in schema.columns {
            switch options.format {
            case .csv:
                if !plain.isEmpty { plain.append(options.delimiter) }
                csv.field(column.name, isAlone: false, to: &plain)
            case .ndjson:
                var label = JSONWriter()
                label.string(column.name)
                label.raw(":")
                labels.append(label.bytes)
            }
        }
        if options.format == .csv { plain.append(0x0A) }
    }

    /// Writes some rows, and passes them on through gzip if that was asked for.
    private func produce() throws(TableError) {
        guard let statement, let schema else { return }
        while !isAtEnd, plain.count + json.bytes.count < rowBytes {
            guard try statement.step() else {
                isAtEnd = true
                break
            }
            for column in schema.columns.indices where statement.type(column) == SQLITE_BLOB {
                throw TableError(
                    .badData,
                    "row \(rows + 1) of '\(schema.name)' has a blob in the column "
                        + "'\(schema.columns[column].name)', which neither CSV nor NDJSON can hold"
                )
            }
            switch options.format {
            case .csv: writeCSV(statement, schema.columns.count)
            case .ndjson:
                json.object(labels, statement) { $0 }
                json.raw("\n")
            }
            rows += 1
        }
        if options.format == .csv { pass(plain) } else { pass(json.bytes) }
        plain.removeAll(keepingCapacity: true)
        json.removeAll()
    }

    private func pass(_ bytes: [UInt8]) {
        if let gzip {
            gzip.write(bytes, isEnd: isAtEnd, to: &output)
        } else {
            output.append(contentsOf: bytes)
        }
    }

    private func writeCSV(_ row: Statement, _ count: Int) {
        for column in 0..<count {
            if column > 0 { plain.append(options.delimiter) }
            if row.type(column) == SQLITE_FLOAT {
                csv.field(RealText.text(row.double(column)), isAlone: count == 1, to: &plain)
            } else {
                // SQLite's text of NULL is no bytes; the row stays where it is while they are copied.
                unsafe csv.field(row.textBytes(column), isAlone: count == 1, to: &plain)
            }
        }
        plain.append(0x0A)
    }
}
