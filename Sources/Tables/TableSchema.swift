// SPDX-License-Identifier: Apache-2.0

/// What a column does to the values put into it (SQLite's column affinity).
enum Affinity: String {
    case text = "TEXT"
    case integer = "INTEGER"
    case real = "REAL"
    case numeric = "NUMERIC"
    case blob = "BLOB"

    /// The affinity of a declared type, by SQLite's five rules; `ANY` of a strict table converts nothing.
    init(declared: String, isStrict: Bool) {
        let type = declared.uppercased()
        if isStrict, type == "ANY" {
            self = .blob
        } else if type.contains("INT") {
            self = .integer
        } else if type.contains("CHAR") || type.contains("CLOB") || type.contains("TEXT") {
            self = .text
        } else if type.contains("BLOB") || type.isEmpty {
            self = .blob
        } else if type.contains("REAL") || type.contains("FLOA") || type.contains("DOUB") {
            self = .real
        } else {
            self = .numeric
        }
    }
}

/// One column of a table.
struct TableColumn: Equatable {
    let name: String
    let affinity: Affinity
    let collation: Collation
    /// The column's place in the primary key, from 1; 0 if it is not part of it.
    let primaryKey: Int
    let isNotNull: Bool
}

/// The parts of a table's definition that an import or an export depends on.
struct TableSchema: Equatable {
    /// The table's name as the database has it.
    let name: String
    /// The columns that rows are made of; generated ones are not among them.
    let columns: [TableColumn]
    /// A name under which the hidden row number can be asked for; nil for tables without one.
    let rowNumber: String?
    /// What else may not change between the reading of the schema and its use: the definition's text.
    let definition: String

    /// Reads the definition of `table`; nil if there is no such table.
    static func read(_ table: String, in database: Database) throws(TableError) -> TableSchema? {
        let find = try database.prepare(
            "SELECT name, type, sql FROM main.sqlite_master WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')"
        )
        find.bind(1, table)
        guard try find.step() else { return nil }
        let (name, type, definition) = (find.string(0), find.string(1), find.string(2))
        find.reset()
        guard type == "table", !definition.uppercased().hasPrefix("CREATE VIRTUAL") else {
            throw TableError(
                .config,
                "'\(table)' in '\(database.name)' is a view or a virtual table; a plain table is needed"
            )
        }
        let columns = try readColumns(name, in: database)
        return TableSchema(
            name: name,
            columns: columns,
            rowNumber: try rowNumber(name, columns, in: database),
            definition: definition
        )
    }

    private static func readColumns(_ table: String, in database: Database) throws(TableError) -> [TableColumn] {
        var isStrict = false
        // SQLite below 3.37 answers an unknown pragma with no rows, and has no strict tables.
        let tables = try database.prepare("PRAGMA main.table_list(\(Database.quote(table)))")
        while try tables.step() { isStrict = tables.int64(5) == 1 }
        var columns: [TableColumn] = []
        let list = try database.prepare("PRAGMA main.table_xinfo(\(Database.quote(table)))")
        while try list.step() {
            // 0 is an ordinary column; generated ones are 2 and 3.
            guard list.int64(6) == 0 else { continue }
            let name = list.string(1)
            let metadata = try database.metadata(table: table, column: name)
            guard let collation = Collation(rawValue: metadata.collation.uppercased()) else {
                throw TableError(
                    .config,
                    "column '\(name)' of '\(table)' has the collation \(metadata.collation), which is not built in"
                )
            }
            columns.append(
                TableColumn(
                    name: name,
                    affinity: Affinity(declared: list.string(2), isStrict: isStrict),
                    collation: collation,
                    primaryKey: Int(list.int64(5)),
                    isNotNull: metadata.isNotNull
                )
            )
        }
        return columns
    }

    private static func rowNumber(
        _ table: String,
        _ columns: [TableColumn],
        in database: Database
    ) throws(TableError) -> String? {
        let taken = Set(columns.map { ColumnNames.fold($0.name) })
        guard let free = ["rowid", "_rowid_", "oid"].first(where: { !taken.contains($0) }) else { return nil }
        do throws(TableError) {
            _ = try database.prepare("SELECT \(free) FROM main.\(Database.quote(table))")
            return free
        } catch  where error.code == .internal {
            return nil  // no such column: the table is WITHOUT ROWID
        }
    }

    /// The table that a delivery makes where there was none: TEXT columns, the key as primary key.
    static func new(_ table: String, columns: [String], key: Int) -> TableSchema {
        let made = columns.enumerated().map { position, name in
            TableColumn(
                name: name,
                affinity: .text,
                collation: .binary,
                primaryKey: position == key ? 1 : 0,
                isNotNull: position == key
            )
        }
        let parts = made.map { "\(Database.quote($0.name)) TEXT\($0.primaryKey == 1 ? " PRIMARY KEY NOT NULL" : "")" }
        // Rows lie in the order of their key, once: no second index, and a comparison reads straight through.
        let definition = "CREATE TABLE main.\(Database.quote(table)) (\(parts.joined(separator: ", "))) WITHOUT ROWID"
        return TableSchema(name: table, columns: made, rowNumber: nil, definition: definition)
    }

    /// The position of a column, by SQLite's idea of equal names.
    func position(of column: String) -> Int? {
        let folded = ColumnNames.fold(column)
        return columns.firstIndex { ColumnNames.fold($0.name) == folded }
    }

    /// The columns' names as SQL takes them.
    var columnList: String { columns.map { Database.quote($0.name) }.joined(separator: ", ") }

    /// The table's name as SQL takes it.
    var qualifiedName: String { "main.\(Database.quote(name))" }
}
