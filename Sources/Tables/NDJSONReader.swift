// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Reads one flat JSON object a line.
///
/// The first object names the columns; every other has the same, in any order.
/// Strings are decoded with all their escapes. A number is kept as its text. `true`, `false` and `null` keep their
/// kind; see ``TableImport`` for what becomes of them. Objects and arrays as values are refused. Lines that hold
/// white space only are passed over.
package final class NDJSONReader: RecordReader {
    package private(set) var columns: [String] = []
    package private(set) var fields: [Field] = []
    package private(set) var line: UInt64 = 0

    private var window = ByteWindow()
    private var isFinished = false
    /// Bytes already searched for the end of the line.
    private var searched = 0
    private var delivered = 0
    private var parser = JSONObjectParser()

    private let maximumRecordBytes: Int

    /// A reader that has seen nothing yet.
    package init(maximumRecordBytes: Int = RecordLimits.recordBytes) {
        self.maximumRecordBytes = maximumRecordBytes
    }

    @unsafe package var recordBase: UnsafePointer<UInt8> { unsafe UnsafePointer(window.base) }

    package func feed(_ bytes: Span<UInt8>) {
        releaseRecord()
        window.append(bytes)
    }

    package func finish() { isFinished = true }

    package func next() throws(TableError) -> Bool {
        while true {
            releaseRecord()
            guard let length = try lineLength() else { return false }
            line += 1
            guard try readObject(length) else {
                delivered = min(length + 1, window.count)
                continue
            }
            delivered = min(length + 1, window.count)
            return true
        }
    }

    private func releaseRecord() {
        guard delivered > 0 else { return }
        window.consume(delivered)
        delivered = 0
        searched = 0
    }

    /// The bytes of the line that comes next, without its line feed.
    private func lineLength() throws(TableError) -> Int? {
        // A line and its line feed are within the limit, however the bytes were cut.
        let end = min(window.count, maximumRecordBytes)
        // Both stay within the window's bytes.
        if let found = unsafe memchr(window.base + searched, 0x0A, end - searched) {
            return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(window.base)
        }
        searched = end
        guard window.count <= maximumRecordBytes else {
            throw TableError(.badData, "the line is longer than \(maximumRecordBytes) bytes", line: line + 1)
        }
        return isFinished && end > 0 ? end : nil
    }

    /// Reads the line as an object; false if there is only white space.
    private func readObject(_ length: Int) throws(TableError) -> Bool {
        // The parser reads and writes below `length`, which is within the window.
        let base = unsafe window.base
        guard unsafe parser.begin(base, count: length, line: line) else { return false }
        if columns.isEmpty {
            try readFirst()
        } else {
            try readNext()
        }
        unsafe try RecordText.check(base, count: length, fields: fields, line: line, columns: columns)
        return true
    }

    private func readFirst() throws(TableError) {
        var names: [String] = []
        while let member = try parser.nextMember() {
            try checkName(member.name)
            names.append(text(of: member.name))
            fields.append(member.value)
        }
        guard !names.isEmpty else { throw TableError(.badData, "the first object has no members", line: line) }
        columns = try ColumnNames.check(names, line: line)
        index = ColumnIndex(columns)
    }

    private var index = ColumnIndex([])
    /// For each column, the line that gave it last.
    private var seen: [UInt64] = []

    private func readNext() throws(TableError) {
        if seen.isEmpty { seen = Array(repeating: 0, count: columns.count) }
        var count = 0
        while let member = try parser.nextMember() {
            // The member lies within the line.
            let name = unsafe UnsafeBufferPointer(start: recordBase + member.name.start, count: member.name.count)
            guard let column = unsafe index.column(name, expected: count) else {
                try checkName(member.name)
                throw TableError(
                    .badData,
                    "the object has a member '\(text(of: member.name))' that the first object has not",
                    line: line
                )
            }
            guard seen[column] != line else {
                throw TableError(.badData, "the object has the member '\(columns[column])' twice", line: line)
            }
            seen[column] = line
            fields[column] = member.value
            count += 1
        }
        guard count == columns.count else {
            let missing = columns.indices.first { seen[$0] != line }.map { columns[$0] } ?? ""
            throw TableError(
                .badData,
                "the object lacks the member '\(missing)', which the first object has",
                line: line
            )
        }
    }

    private func checkName(_ name: Field) throws(TableError) {
        unsafe try RecordText.check(
            recordBase + name.start,
            count: name.count,
            fields: [Field(start: 0, count: name.count, kind: .text)],
            line: line,
            columns: []
        )
    }
}

/// Finds a column by the bytes of its name.
private struct ColumnIndex {
    private var names: [[UInt8]]
    private var positions: [[UInt8]: Int] = [:]

    init(_ columns: [String]) {
        names = columns.map { Array($0.utf8) }
        for (position, name) in names.enumerated() { positions[name] = position }
    }

    /// The position of a column; `expected` is tried first, for objects mostly come in one order.
    @unsafe func column(_ name: UnsafeBufferPointer<UInt8>, expected: Int) -> Int? {
        if expected < names.count, unsafe names[expected].elementsEqual(name) { return expected }
        return unsafe positions[Array(name)]
    }
}
