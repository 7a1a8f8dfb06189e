// SPDX-License-Identifier: Apache-2.0

internal import CSQLite
internal import Glibc

/// The delivery, as it lies in a temporary table until the whole of it has arrived.
///
/// The table has the affinities and the key's collation of the table to come, so SQLite itself converts the values
/// and finds keys that occur twice. It lives in SQLite's temporary file, which has no name in any directory.
final class Staging {
    static let table = "temp.ipcframe_delivery"

    /// Where the difference is computed against; the columns are in its order.
    let schema: TableSchema
    /// The key's position among the columns.
    let key: Int
    /// Whether the staged rows know their line; those for a table of our own making need not.
    let hasLines: Bool
    private(set) var rows: UInt64 = 0

    private let database: Database
    private let insert: Statement
    /// For each column of the delivery, its parameter and affinity.
    private let targets: [(parameter: Int, affinity: Affinity)]

    /// Makes the temporary table for a delivery with `columns`; opens a transaction, which `finish` ends.
    init(columns: [String], key: String, table: String, existing: TableSchema?, in database: Database)
        throws(TableError)
    {
        self.database = database
        let folded = columns.map(ColumnNames.fold)
        guard let deliveredKey = folded.firstIndex(of: ColumnNames.fold(key)) else {
            throw TableError(
                .badData,
                "the delivery has no column '\(key)', its key; it has \(columns.joined(separator: ", "))",
                line: 1
            )
        }
        let schema = existing ?? .new(table, columns: columns, key: deliveredKey)
        if existing != nil { try Self.compare(folded, columns, with: schema) }
        let positions = folded.map { name in schema.columns.firstIndex { ColumnNames.fold($0.name) == name } ?? 0 }
        targets = positions.map { ($0 + 1, schema.columns[$0].affinity) }
        self.schema = schema
        self.key = positions[deliveredKey]
        hasLines = existing != nil
        var parts = schema.columns.enumerated().map { position, column in
            "c\(position) \(column.affinity.rawValue)"
                + (position == positions[deliveredKey] ? " COLLATE \(column.collation.rawValue) PRIMARY KEY" : "")
        }
        if hasLines { parts.append("line INTEGER") }
        try database.execute(
            """
            PRAGMA temp_store = FILE; PRAGMA temp.journal_mode = OFF; PRAGMA temp.cache_size = -16000;
            BEGIN; CREATE TABLE \(Self.table) (\(parts.joined(separator: ", "))) WITHOUT ROWID
            """
        )
        let parameters = (1...parts.count).map { "?\($0)" }.joined(separator: ", ")
        insert = try database.prepare("INSERT INTO \(Self.table) VALUES (\(parameters))")
    }

    private static func compare(_ folded: [String], _ columns: [String], with schema: TableSchema) throws(TableError) {
        let delivered = Set(folded)
        let missing = schema.columns.map(\.name).filter { !delivered.contains(ColumnNames.fold($0)) }
        guard missing.isEmpty else {
            throw TableError(
                .badData,
                "the delivery lacks \(list(missing)), which the table '\(schema.name)' has",
                line: 1
            )
        }
        let additional = columns.filter { schema.position(of: $0) == nil }
        guard additional.isEmpty else {
            throw TableError(
                .badData,
                "the delivery has \(list(additional)), which the table '\(schema.name)' has not",
                line: 1
            )
        }
    }

    private static func list(_ names: [String]) -> String {
        (names.count == 1 ? "the column " : "the columns ") + names.map { "'\($0)'" }.joined(separator: ", ")
    }

    /// Puts the reader's current record into the table.
    func add(_ reader: any RecordReader) throws(TableError) {
        // The fields stay where they are until the reader moves on, which is after the statement has run.
        let base = unsafe reader.recordBase
        let fields = reader.fields
        for index in fields.indices {
            let target = targets[index]
            unsafe bind(fields[index], base, target.parameter, target.affinity)
            if target.parameter == key + 1, fields[index].count == 0 || fields[index].kind == .null {
                throw TableError(.badData, "the key '\(schema.columns[key].name)' is empty", line: reader.line)
            }
        }
        if hasLines { insert.bind(fields.count + 1, Int64(reader.line)) }
        let refusal = try insert.runUnlessConstrained()
        guard refusal == SQLITE_OK else {
            let value =
                fields.indices.first { targets[$0].parameter == key + 1 }.map { reader.text(of: fields[$0]) } ?? ""
            throw TableError(
                .badData,
                "the key \(schema.columns[key].name)='\(value)' occurs a second time",
                line: reader.line
            )
        }
        rows += 1
    }

    @unsafe private func bind(_ field: Field, _ base: UnsafePointer<UInt8>, _ parameter: Int, _ affinity: Affinity) {
        switch field.kind {
        case .text: unsafe insert.bind(parameter, borrowing: base + field.start, count: field.count)
        case .null: insert.bindNull(parameter)
        case .number where affinity == .blob:
            // A column without a type converts nothing, so the number must come as one.
            let text = unsafe String(
                decoding: UnsafeBufferPointer(start: base + field.start, count: field.count),
                as: UTF8.self
            )
            if let integer = Int64(text) {
                insert.bind(parameter, integer)
            } else {
                insert.bind(parameter, unsafe strtod(text, nil))
            }
        case .number: unsafe insert.bind(parameter, borrowing: base + field.start, count: field.count)
        case .true, .false:
            if affinity == .text {
                unsafe insert.bind(parameter, borrowing: base + field.start, count: field.count)
            } else {
                insert.bind(parameter, Int64(field.kind == .true ? 1 : 0))
            }
        }
    }

    /// Ends the transaction that the rows were put in.
    func finish() throws(TableError) {
        insert.reset()
        try database.execute("COMMIT")
    }
}
