// SPDX-License-Identifier: Apache-2.0

internal import CSQLite
internal import Glibc

/// One connection to an SQLite database, used by one thread at a time; closed with its last reference.
@safe
final class Database {
    /// How long to wait for a lock that somebody else holds.
    static let lockPatience: UInt64 = 5_000_000_000

    /// The path as the user gave it, for messages.
    let name: String
    let interrupter: Interrupter
    private let handle: OpaquePointer
    private let waiter: LockWaiter
    private var isClosed = false

    /// Opens `path`, which must exist, with the SQLite file layer `vfs`, nil being the usual one.
    ///
    /// Opens it read-only if the file's permissions leave nothing else.
    init(path: String, name: String, vfs: String? = nil, interrupter: Interrupter) throws(TableError) {
        self.name = name
        self.interrupter = interrupter
        waiter = LockWaiter(interrupter)
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
        // A failed open still yields a handle, which must be closed; nil only if memory ran out.
        let code = unsafe sqlite3_open_v2(path, &opened, flags, vfs)
        guard let raw = unsafe opened else { throw TableError(.internal, "out of memory opening '\(name)'") }
        unsafe handle = raw
        unsafe sqlite3_extended_result_codes(raw, 1)
        // The waiter lives as long as this object, and this object closes the connection.
        unsafe sqlite3_busy_handler(raw, LockWaiter.callback, Unmanaged.passUnretained(waiter).toOpaque())
        unsafe interrupter.attach(raw)
        guard code == SQLITE_OK else { throw error(code, "open") }
    }

    deinit {
        interrupter.detach()
        // Statements keep a reference to this object, so none is left: the connection closes for certain.
        if !isClosed { unsafe sqlite3_close_v2(handle) }
    }

    /// Closes the connection now; all of its statements must be gone, and nothing may be asked of it any more.
    func close() throws(TableError) {
        interrupter.detach()
        let code = unsafe sqlite3_close(handle)
        guard code == SQLITE_OK else { throw error(code, "close") }
        isClosed = true
    }

    /// Runs statements that yield nothing.
    func execute(_ sql: String) throws(TableError) {
        waiter.restart()
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(code, "run") }
    }

    /// The first column of the first row of a statement that SQLite does not itself wait for locks with.
    func textWaiting(_ sql: String) throws(TableError) -> String? {
        let deadline = LockWaiter.now() + Self.lockPatience
        while true {
            do throws(TableError) {
                return try text(sql)
            } catch  where error.code == .tryAgain && LockWaiter.now() < deadline && !interrupter.isInterrupted {
                usleep(2_000)
            }
        }
    }

    /// Compiles one statement.
    func prepare(_ sql: String) throws(TableError) -> Statement {
        waiter.restart()
        var statement: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let raw = unsafe statement else { throw error(code, "prepare") }
        return unsafe Statement(raw, database: self)
    }

    /// The first column of the first row, as text.
    func text(_ sql: String) throws(TableError) -> String? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.string(0) : nil
    }

    /// Whether the file's permissions allow reading only.
    var isReadOnly: Bool { unsafe sqlite3_db_readonly(handle, "main") == 1 }

    /// Whether a transaction is open.
    var isInTransaction: Bool { unsafe sqlite3_get_autocommit(handle) == 0 }

    /// Makes lock waits give up at once, or as patiently as usual.
    func setPatient(_ isPatient: Bool) { waiter.isPatient = isPatient }

    /// Writes what the transaction has changed so far, uncommitted, so that a full disk shows before the commit.
    func flush() throws(TableError) {
        let code = unsafe sqlite3_db_cacheflush(handle)
        guard code == SQLITE_OK else { throw error(code, "write") }
    }

    /// Moves what the write-ahead log holds into the database; false if somebody's reading prevents it for now.
    func checkpoint() -> Bool {
        unsafe sqlite3_wal_checkpoint_v2(handle, "main", SQLITE_CHECKPOINT_TRUNCATE, nil, nil) == SQLITE_OK
    }

    /// The collation of a column, and whether it may not be NULL.
    func metadata(table: String, column: String) throws(TableError) -> (collation: String, isNotNull: Bool) {
        var collation: UnsafePointer<CChar>?
        var notNull: CInt = 0
        let code = unsafe sqlite3_table_column_metadata(
            handle,
            "main",
            table,
            column,
            nil,
            &collation,
            &notNull,
            nil,
            nil
        )
        guard code == SQLITE_OK else { throw error(code, "describe") }
        // SQLite owns the string; it is copied here.
        return (unsafe collation.map { unsafe String(cString: $0) } ?? "BINARY", notNull != 0)
    }

    /// What SQLite said last.
    var lastMessage: String { unsafe String(cString: sqlite3_errmsg(handle)) }

    /// The result code's meaning for whoever asked for the work.
    func error(_ code: CInt, _ doing: StaticString) -> TableError {
        if interrupter.isInterrupted { return TableError(.cancelled, "cancelled; nothing was changed") }
        let message = lastMessage
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL, SQLITE_SCHEMA:
            return TableError(
                .tryAgain,
                "the database '\(name)' was locked by somebody else for 5 seconds; try again later"
            )
        case SQLITE_NOTADB:
            return TableError(.config, "'\(name)' is not an SQLite database (or an encrypted one)")
        case SQLITE_CORRUPT:
            return TableError(.config, "the database '\(name)' is damaged: \(message)")
        case SQLITE_FULL:
            return TableError(
                .cantCreate,
                "no space left for '\(name)' or for temporary files in \(Self.temporaryPlace)"
            )
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH:
            return TableError(
                .noPermission,
                "the database '\(name)' or its directory may not be written, "
                    + "which a write-ahead log needs also for reading: \(message)"
            )
        case SQLITE_CANTOPEN, SQLITE_IOERR:
            let cause = unsafe sqlite3_system_errno(handle)
            let why = cause == 0 ? message : unsafe "\(message): \(String(cString: strerror(cause)))"
            let isDenied = cause == EACCES || cause == EPERM
            return TableError(
                isDenied ? .noPermission : .cantCreate,
                "cannot \(doing) the database '\(name)' or a temporary file in \(Self.temporaryPlace): \(why)"
            )
        case SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_TOOBIG:
            return TableError(.badData, "the database '\(name)' refuses a row: \(message)")
        case SQLITE_ERROR where message.hasPrefix("no such collation"):
            return TableError(.config, "the database '\(name)' needs what is not built in: \(message)")
        default:
            return TableError(.internal, "cannot \(doing) a statement on '\(name)': \(message) (\(code))")
        }
    }

    /// Where SQLite puts its temporary files.
    private static var temporaryPlace: String {
        for name in ["SQLITE_TMPDIR", "TMPDIR"] {
            // The environment is not changed by this process once its threads run.
            if let value = unsafe getenv(name) { return unsafe String(cString: value) }
        }
        return "/var/tmp"
    }

    /// A name as SQL takes it: quoted, quotes doubled.
    static func quote(_ name: String) -> String {
        var quoted = "\""
        for character in name.unicodeScalars {
            if character == "\"" { quoted.unicodeScalars.append("\"") }
            quoted.unicodeScalars.append(character)
        }
        return quoted + "\""
    }
}

/// Waits for locks: up to 5 seconds in small steps, less if somebody interrupts.
private final class LockWaiter {
    private let interrupter: Interrupter
    private var deadline: UInt64 = 0
    var isPatient = true

    init(_ interrupter: Interrupter) { self.interrupter = interrupter }

    func restart() { deadline = Self.now() + Database.lockPatience }

    static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private func shouldWait() -> Bool {
        guard isPatient, !interrupter.isInterrupted, Self.now() < deadline else { return false }
        usleep(2_000)
        return true
    }

    static let callback: @convention(c) (UnsafeMutableRawPointer?, CInt) -> CInt = { context, _ in
        guard let context = unsafe context else { return 0 }
        // The connection passes back the waiter that its owner keeps.
        return unsafe Unmanaged<LockWaiter>.fromOpaque(context).takeUnretainedValue().shouldWait() ? 1 : 0
    }
}
