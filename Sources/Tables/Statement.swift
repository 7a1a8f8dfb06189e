// SPDX-License-Identifier: Apache-2.0

internal import CSQLite
internal import Glibc

/// A compiled statement; finalised with its last reference.
@safe
final class Statement {
    private let handle: OpaquePointer
    /// Keeps the connection open as long as there is a statement.
    private let database: Database

    @unsafe init(_ handle: OpaquePointer, database: Database) {
        unsafe self.handle = handle
        self.database = database
    }

    deinit { unsafe sqlite3_finalize(handle) }

    /// Goes to the next row; false when there is none.
    func step() throws(TableError) -> Bool {
        switch unsafe sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            let error = database.error(code, "run")
            unsafe sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs a statement that yields nothing, with what is bound, and makes it ready for the next time.
    func run() throws(TableError) {
        let code = try runUnlessConstrained()
        guard code == SQLITE_OK else { throw database.error(code, "run") }
    }

    /// Like `run`, but a constraint that refuses the row is an answer: its extended result code; 0 if all is well.
    func runUnlessConstrained() throws(TableError) -> CInt {
        let code = unsafe sqlite3_step(handle)
        if code == SQLITE_DONE {
            unsafe sqlite3_reset(handle)
            return SQLITE_OK
        }
        let error = database.error(code, "run")
        unsafe sqlite3_reset(handle)
        guard code & 0xFF == SQLITE_CONSTRAINT || code & 0xFF == SQLITE_MISMATCH else { throw error }
        return code
    }

    func reset() { unsafe sqlite3_reset(handle) }

    // MARK: Binding; indexes count from 1

    /// Binds text without copying it: it must stay where it is until the statement has run.
    @unsafe func bind(_ index: Int, borrowing text: UnsafePointer<UInt8>, count: Int) {
        unsafe sqlite3_bind_text(
            handle,
            CInt(index),
            UnsafeRawPointer(text).assumingMemoryBound(to: CChar.self),
            CInt(count),
            nil
        )
    }

    func bind(_ index: Int, _ value: Int64) { unsafe sqlite3_bind_int64(handle, CInt(index), value) }

    func bind(_ index: Int, _ value: Double) { unsafe sqlite3_bind_double(handle, CInt(index), value) }

    func bindNull(_ index: Int) { unsafe sqlite3_bind_null(handle, CInt(index)) }

    func bind(_ index: Int, _ text: String) {
        // SQLite copies the text (SQLITE_TRANSIENT) before the string can go away.
        let transient = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        unsafe sqlite3_bind_text(handle, CInt(index), text, -1, transient)
    }

    /// Binds a column of another statement's current row.
    func bind(_ index: Int, column: Int, of other: Statement) {
        unsafe sqlite3_bind_value(handle, CInt(index), sqlite3_column_value(other.handle, CInt(column)))
    }

    // MARK: The current row; columns count from 0

    var columnCount: Int { Int(unsafe sqlite3_column_count(handle)) }

    func type(_ column: Int) -> CInt { unsafe sqlite3_column_type(handle, CInt(column)) }

    func int64(_ column: Int) -> Int64 { unsafe sqlite3_column_int64(handle, CInt(column)) }

    func double(_ column: Int) -> Double { unsafe sqlite3_column_double(handle, CInt(column)) }

    func isNull(_ column: Int) -> Bool { type(column) == SQLITE_NULL }

    func isEmptyText(_ column: Int) -> Bool {
        unsafe type(column) == SQLITE_TEXT && sqlite3_column_bytes(handle, CInt(column)) == 0
    }

    /// Whether two columns hold the same bytes as text; nil if one of them does not hold text.
    func hasSameText(_ column: Int, as other: Statement, _ otherColumn: Int) -> Bool? {
        // The values stay while neither statement moves, and one thread uses both: no need of SQLite's locking calls.
        let value = unsafe sqlite3_column_value(handle, CInt(column))
        let otherValue = unsafe sqlite3_column_value(other.handle, CInt(otherColumn))
        guard unsafe sqlite3_value_type(value) == SQLITE_TEXT, unsafe sqlite3_value_type(otherValue) == SQLITE_TEXT
        else { return nil }
        let count = unsafe sqlite3_value_bytes(value)
        guard unsafe sqlite3_value_bytes(otherValue) == count else { return false }
        guard count > 0, let bytes = unsafe sqlite3_value_blob(value),
            let otherBytes = unsafe sqlite3_value_blob(otherValue)
        else { return true }
        return unsafe memcmp(bytes, otherBytes, Int(count)) == 0
    }

    func string(_ column: Int) -> String {
        unsafe String(decoding: textBytes(column), as: UTF8.self)
    }

    /// The text of a column, where SQLite has it: valid until the statement moves on.
    @unsafe func textBytes(_ column: Int) -> UnsafeBufferPointer<UInt8> {
        let text = unsafe sqlite3_column_text(handle, CInt(column))
        return unsafe UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(handle, CInt(column))))
    }

    /// The bytes of a blob, where SQLite has them: valid until the statement moves on.
    @unsafe func blobBytes(_ column: Int) -> UnsafeBufferPointer<UInt8> {
        let blob = unsafe sqlite3_column_blob(handle, CInt(column))?.assumingMemoryBound(to: UInt8.self)
        return unsafe UnsafeBufferPointer(start: blob, count: Int(sqlite3_column_bytes(handle, CInt(column))))
    }
}

/// Extended result codes, which C's macros keep from Swift.
enum Refusal {
    /// Another row has the same value in a primary key or a unique column.
    static let conflicts: Set<CInt> = [
        SQLITE_CONSTRAINT | 6 << 8, SQLITE_CONSTRAINT | 8 << 8, SQLITE_CONSTRAINT | 10 << 8,
    ]
}
