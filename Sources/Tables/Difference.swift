// SPDX-License-Identifier: Apache-2.0

internal import CSQLite

/// How many rows a delivery makes, changes, deletes and leaves alone.
package struct ChangeCounts: Equatable, Sendable {
    /// Rows that the table had not.
    package var new: UInt64 = 0
    /// Rows of which at least one column differs.
    package var changed: UInt64 = 0
    /// Rows that the delivery has not.
    package var deleted: UInt64 = 0
    /// Rows that are the same.
    package var unchanged: UInt64 = 0
}

/// The kinds of change, as they are written into the temporary table of changes.
enum ChangeKind: Int64 {
    case new = 1
    case changed = 2
    case deleted = 3
}

/// Compares the staged delivery with the table, in one pass over both in the order of the key, and applies what
/// differs.
///
/// What differs goes into a second temporary table, with the rows as they were, before the table is touched: so the
/// limits are checked first, and the result can be streamed later without holding anything in memory.
final class Difference {
    static let table = "temp.ipcframe_changes"

    private let database: Database
    private let staging: Staging
    private let schema: TableSchema
    /// Whether an empty field leaves a NULL as it is, because the format cannot tell the two apart.
    private let keepsNull: Bool
    private(set) var counts = ChangeCounts()

    init(_ staging: Staging, format: TableFormat, in database: Database) {
        self.staging = staging
        self.database = database
        schema = staging.schema
        keepsNull = format == .csv
    }

    private var width: Int { schema.columns.count }
    private var keyName: String { Database.quote(schema.columns[staging.key].name) }
    /// What finds a row of the table again.
    private var locator: String { schema.rowNumber ?? keyName }

    // MARK: Comparing

    /// Fills the table of changes and counts.
    func compute() throws(TableError) {
        try checkKeys()
        let before = (0..<width).map { "b\($0)" }.joined(separator: ", ")
        try database.execute("CREATE TABLE \(Self.table) (kind, row, k, \(before))")
        let insert = try database.prepare(
            "INSERT INTO \(Self.table) VALUES (?1, ?2, ?3\((0..<width).map { ", ?\($0 + 4)" }.joined()))"
        )
        let delivered = try database.prepare("SELECT * FROM \(Staging.table) ORDER BY c\(staging.key)")
        let stored = try database.prepare(
            "SELECT \(schema.columnList), \(locator) FROM \(schema.qualifiedName) ORDER BY \(keyName)"
        )
        let collation = schema.columns[staging.key].collation
        var (hasDelivered, hasStored) = (try delivered.step(), try stored.step())
        while hasDelivered || hasStored {
            let order =
                !hasStored
                ? -1
                : !hasDelivered
                    ? 1 : Comparison.order(delivered, staging.key, stored, staging.key, collation)
            if order < 0 {
                counts.new += 1
                try record(.new, insert, key: delivered, before: nil)
            } else if order > 0 {
                counts.deleted += 1
                try record(.deleted, insert, key: stored, before: stored)
            } else if isSame(delivered, stored) {
                counts.unchanged += 1
            } else {
                counts.changed += 1
                try record(.changed, insert, key: delivered, before: stored)
            }
            if order <= 0 { hasDelivered = try delivered.step() }
            if order >= 0 { hasStored = try stored.step() }
        }
    }

    private func isSame(_ delivered: Statement, _ stored: Statement) -> Bool {
        // Keys that are equal byte by byte need no second look.
        let known = schema.columns[staging.key].collation == .binary ? staging.key : -1
        for column in 0..<width where column != known && !Comparison.isSame(delivered, stored, column, column) {
            guard keepsNull, stored.isNull(column), delivered.isEmptyText(column) else { return false }
        }
        return true
    }

    private func record(_ kind: ChangeKind, _ insert: Statement, key: Statement, before: Statement?)
        throws(TableError)
    {
        insert.bind(1, kind.rawValue)
        insert.bind(3, column: staging.key, of: key)
        if let before {
            insert.bind(2, column: width, of: before)
            for column in 0..<width { insert.bind(column + 4, column: column, of: before) }
        } else {
            insert.bindNull(2)
            for column in 0..<width { insert.bindNull(column + 4) }
        }
        try insert.run()
    }

    /// Makes sure that the key tells the table's own rows apart.
    private func checkKeys() throws(TableError) {
        let column = schema.columns[staging.key]
        let isUnique = column.primaryKey == 1 && !schema.columns.contains { $0.primaryKey > 1 }
        if !isUnique {
            let twice = try database.prepare(
                "SELECT \(keyName) FROM \(schema.qualifiedName) GROUP BY \(keyName) HAVING count(*) > 1 LIMIT 1"
            )
            if try twice.step() {
                throw TableError(
                    .badData,
                    "'\(column.name)' cannot be the key of the table '\(schema.name)': "
                        + "several of its rows have '\(twice.string(0))'"
                )
            }
        }
        let null = try database.prepare("SELECT 1 FROM \(schema.qualifiedName) WHERE \(keyName) IS NULL LIMIT 1")
        if try null.step() {
            throw TableError(
                .badData,
                "'\(column.name)' cannot be the key of the table '\(schema.name)': it is NULL in one of its rows"
            )
        }
    }

    // MARK: Applying

    /// Brings the table up to date.
    func apply() throws(TableError) {
        guard counts.new + counts.changed + counts.deleted > 0 else { return }
        try database.execute("SAVEPOINT apply")
        do throws(TableError) {
            try apply(replacing: false)
        } catch  where error.code == .badData && counts.changed > 1 && isUniqueConflict {
            // Rows may pass values of another unique column on to each other: then all of the old ones go first.
            try database.execute("ROLLBACK TO apply")
            try apply(replacing: true)
        }
        try database.execute("RELEASE apply")
    }

    private var isUniqueConflict = false

    private func apply(replacing: Bool) throws(TableError) {
        let table = schema.qualifiedName
        let delete = try database.prepare("DELETE FROM \(table) WHERE \(locator) = ?1")
        try forEach(replacing ? [.deleted, .changed] : [.deleted]) { (change: borrowing Change) throws(TableError) in
            delete.bind(1, column: 1, of: change.row)
            try self.run(delete, change)
        }
        let marks = (1...width).map { "?\($0)" }.joined(separator: ", ")
        let insert = try database.prepare("INSERT INTO \(table) (\(schema.columnList)) VALUES (\(marks))")
        if counts.changed > 0 {
            let numbers = schema.columns.enumerated().map { "\(Database.quote($1.name)) = ?\($0 + 1)" }
            let replace = replacing && schema.rowNumber != nil && !hasRowNumberAlias
            let update = try database.prepare(
                replacing
                    ? replace
                        ? "INSERT INTO \(table) (\(schema.columnList), \(locator)) VALUES (\(marks), ?\(width + 1))"
                        : "INSERT INTO \(table) (\(schema.columnList)) VALUES (\(marks))"
                    : "UPDATE \(table) SET \(numbers.joined(separator: ", ")) WHERE \(locator) = ?\(width + 1)"
            )
            let bindsRow = !replacing || replace
            try forEach([.changed]) { (change: borrowing Change) throws(TableError) in
                for column in 0..<self.width {
                    if change.keepsNull(column) {
                        update.bindNull(column + 1)
                    } else {
                        update.bind(column + 1, column: change.after(column), of: change.row)
                    }
                }
                if bindsRow { update.bind(self.width + 1, column: 1, of: change.row) }
                try self.run(update, change)
            }
        }
        try forEach([.new]) { (change: borrowing Change) throws(TableError) in
            for column in 0..<self.width { insert.bind(column + 1, column: change.after(column), of: change.row) }
            try self.run(insert, change)
        }
    }

    /// Whether a column of the table is the row number itself, and so must not be given twice.
    private var hasRowNumberAlias: Bool {
        schema.columns.contains { $0.primaryKey == 1 && $0.affinity == .integer }
    }

    private func run(_ statement: Statement, _ change: borrowing Change) throws(TableError) {
        let refusal = try statement.runUnlessConstrained()
        guard refusal != SQLITE_OK else { return }
        isUniqueConflict = Refusal.conflicts.contains(refusal)
        let why = database.lastMessage
        let line = change.row.isNull(3) ? nil : UInt64(change.row.int64(3))
        throw TableError(
            .badData,
            "the table '\(schema.name)' refuses \(change.kind == .deleted ? "to delete " : "")the row "
                + "\(schema.columns[staging.key].name)='\(change.row.string(2))': \(why)",
            line: line
        )
    }

    private func forEach(
        _ kinds: [ChangeKind],
        _ body: (borrowing Change) throws(TableError) -> Void
    ) throws(TableError) {
        let list = kinds.map { "\($0.rawValue)" }.joined(separator: ", ")
        let rows = try database.prepare(selection(where: "WHERE x.kind IN (\(list))"))
        while try rows.step() {
            try body(Change(row: rows, width: width, mayKeepNull: keepsNull))
        }
    }

    // MARK: Reading

    private func selection(where condition: String) -> String {
        let before = (0..<width).map { ", x.b\($0)" }.joined()
        let after = (0..<width).map { ", d.c\($0)" }.joined()
        return "SELECT x.kind, x.row, x.k, d.line\(before)\(after) FROM \(Self.table) x "
            + "LEFT JOIN \(Staging.table) d ON d.c\(staging.key) = x.k \(condition) ORDER BY x.rowid"
    }

    /// The changes in the order of their key.
    func changes() throws(TableError) -> Statement { try database.prepare(selection(where: "")) }

    /// The change that `row`, a row of `changes()`, is.
    func change(_ row: Statement) -> Change { Change(row: row, width: width, mayKeepNull: keepsNull) }
}

/// One row of the table of changes, joined with the row that was delivered.
struct Change {
    let row: Statement
    let width: Int
    let mayKeepNull: Bool

    var kind: ChangeKind { ChangeKind(rawValue: row.int64(0)) ?? .new }

    /// Where `row` has the column's value from before.
    func before(_ column: Int) -> Int { 4 + column }

    /// Where `row` has the column's delivered value.
    func after(_ column: Int) -> Int { 4 + width + column }

    /// Whether the column was NULL and stays so, because the delivery's empty field says no more.
    func keepsNull(_ column: Int) -> Bool {
        mayKeepNull && kind == .changed && row.isNull(before(column)) && row.isEmptyText(after(column))
    }
}
