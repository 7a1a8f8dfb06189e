// SPDX-License-Identifier: Apache-2.0

import CSQLite
import Glibc
import Testing

@testable import Tables

/// A directory of a test's own.
final class Scratch: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/tables-test-XXXXXX".utf8CString)
        let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress.unsafelyUnwrapped) }
        path = unsafe String(cString: try #require(made))
    }

    /// Removes the directory with everything in it.
    func remove() {
        for name in names { unsafe unlink(file(name)) }
        unsafe rmdir(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// What lies in the directory, sorted.
    var names: [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        let descriptor = unsafe open(file(name), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o644)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }
}

/// All bytes of a file.
func contents(of path: String) throws -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0, "\(path)")
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = unsafe read(descriptor, &buffer, buffer.count)
        try #require(count >= 0)
        if count == 0 { return bytes }
        bytes += buffer[..<count]
    }
}

/// A file of the directory `Samples`.
func sample(_ name: String) throws -> [UInt8] {
    let package = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return try contents(of: "/\(package)/Samples/\(name)")
}

/// A plain connection, as any other program would have one.
@safe
final class Connection {
    private let handle: OpaquePointer

    init(_ path: String) throws {
        var opened: OpaquePointer?
        let code = unsafe sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil)
        try #require(code == SQLITE_OK)
        // Opened, hence not nil.
        unsafe handle = opened.unsafelyUnwrapped
    }

    deinit { unsafe sqlite3_close_v2(handle) }

    func run(_ sql: String) throws {
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        try #require(code == SQLITE_OK, "\(sql): \(unsafe String(cString: sqlite3_errmsg(handle)))")
    }

    /// The rows, each value as SQLite's `quote` shows it: `'text'`, `1`, `1.0`, `NULL`.
    func rows(_ table: String, order: String = "1") throws -> [[String]] {
        let columns = try query("SELECT name FROM pragma_table_info('\(table)')").map { $0[0] }
        let list = columns.map { "quote(\"\($0)\")" }.joined(separator: ", ")
        return try query("SELECT \(list) FROM \"\(table)\" ORDER BY \(order)")
    }

    func query(_ sql: String) throws -> [[String]] {
        var statement: OpaquePointer?
        try #require(unsafe sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK, "\(sql)")
        defer { unsafe sqlite3_finalize(statement) }
        var rows: [[String]] = []
        while unsafe sqlite3_step(statement) == SQLITE_ROW {
            let count = unsafe sqlite3_column_count(statement)
            rows.append(
                (0..<count).map { column in
                    unsafe sqlite3_column_text(statement, column).map { unsafe String(cString: $0) } ?? ""
                }
            )
        }
        return rows
    }
}

/// What an import did.
struct Outcome: Equatable {
    var counts: ChangeCounts
    var lines: [String]
    var notes: [String]
}

/// Imports `delivery` in one go, with arguments as on the command line (`key=value`).
@discardableResult
func deliver(_ delivery: some Sequence<UInt8>, to database: String, _ arguments: String...) throws(TableError)
    -> Outcome
{
    let job = TableImport(options: try options(database, arguments))
    try job.feed(Array(delivery))
    try job.finishInput()
    return try complete(job)
}

/// The end of an import whose delivery is complete.
func complete(_ job: TableImport) throws(TableError) -> Outcome {
    try job.begin()
    var result: [UInt8] = []
    while let bytes = try job.nextResult(upTo: 1000) {
        #expect(bytes.count <= 1000 && !bytes.isEmpty)
        result += bytes
    }
    try job.commit()
    let lines = String(decoding: result, as: UTF8.self).split(separator: "\n").map(String.init)
    return Outcome(counts: job.summary, lines: lines, notes: job.notes)
}

func options(_ database: String, _ arguments: [String]) throws(TableError) -> ImportOptions {
    var pairs = [(key: "database", value: database)]
    for argument in arguments {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        pairs.append((key: String(parts[0]), value: String(parts[1])))
    }
    return try ImportOptions(arguments: pairs)
}

/// The error of an import that must fail.
func refusal(_ delivery: some Sequence<UInt8>, to database: String, _ arguments: String...) -> TableError? {
    do throws(TableError) {
        let job = TableImport(options: try options(database, arguments))
        try job.feed(Array(delivery))
        try job.finishInput()
        _ = try complete(job)
        return nil
    } catch {
        return error
    }
}

/// Small, seeded, and the same everywhere (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// Runs `body` on a thread of its own: the test's may all be blocked.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    // The thread takes over the reference that is retained for it here.
    let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    let code = unsafe pthread_create(
        &thread,
        nil,
        { context in
            if let context = unsafe context { unsafe Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        },
        box
    )
    #expect(code == 0)
    pthread_detach(thread)
}
