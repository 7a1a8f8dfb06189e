// SPDX-License-Identifier: Apache-2.0

/// Reads RFC 4180 CSV with a header: quotes, doubled quotes, newlines inside quotes, LF or CRLF.
///
/// Strict where leniency would let a damaged delivery through: a quote inside an unquoted field, text after a closing
/// quote, a bare carriage return and a row with another number of fields than the header are errors. Only empty lines
/// at the very end are passed over.
package final class CSVReader: RecordReader {
    private enum State {
        case fieldStart
        case unquoted
        case quoted
        case afterQuote
        case afterCarriageReturn
    }

    private enum Scan {
        case needsMore
        case record
    }

    package private(set) var columns: [String] = []
    package private(set) var fields: [Field] = []
    package private(set) var line: UInt64 = 1

    private let delimiter: UInt8
    private var window = ByteWindow()
    private var isFinished = false

    // The record being scanned; offsets count from the window's start.
    private var state = State.fieldStart
    private var position = 0
    private var fieldStart = 0
    private var fieldEnd = 0
    private var isQuoted = false
    private var isEscaped = false
    private var newlines: UInt64 = 0
    private var quoteLine: UInt64 = 0
    /// Bytes and lines of the record that was handed out last; consumed by the next call.
    private var delivered = 0
    private var deliveredLines: UInt64 = 0
    /// The first of the empty lines since the last record, if there are any.
    private var emptyLine: UInt64?

    private let maximumRecordBytes: Int

    /// A reader for fields separated by `delimiter`.
    package init(
        delimiter: UInt8 = UInt8(ascii: ","),
        maximumRecordBytes: Int = RecordLimits.recordBytes
    ) {
        self.delimiter = delimiter
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
            guard case .record = try scan() else { return false }
            delivered = position
            deliveredLines = newlines + 1
            if isEmptyLine {
                if emptyLine == nil { emptyLine = line }
                continue
            } else if let emptyLine, !columns.isEmpty {
                throw TableError(.badData, "an empty line between the rows", line: emptyLine)
            }
            // Fields were cut from bytes below `position`.
            unsafe RecordText.undouble(&fields, in: window.base)
            try unsafe RecordText.check(window.base, count: delivered, fields: fields, line: line, columns: columns)
            guard !columns.isEmpty else {
                try readHeader()
                continue
            }
            guard fields.count == columns.count else { throw ragged() }
            return true
        }
    }

    /// An unquoted line without a byte in it.
    private var isEmptyLine: Bool { fields.count == 1 && fields[0].count == 0 && fields[0].start == 0 }

    private func ragged() -> TableError {
        let found = "\(fields.count) field\(fields.count == 1 ? "" : "s")"
        return TableError(.badData, "the row has \(found) where the header has \(columns.count)", line: line)
    }

    private func releaseRecord() {
        guard delivered > 0 else { return }
        window.consume(delivered)
        line += deliveredLines
        delivered = 0
        position = 0
        newlines = 0
        state = .fieldStart
        fields.removeAll(keepingCapacity: true)
    }

    private func readHeader() throws(TableError) {
        columns = try ColumnNames.check(fields.map { text(of: $0) }, line: line)
        emptyLine = nil
    }

    private func endField(at end: Int) {
        fields.append(Field(start: fieldStart, count: end - fieldStart, kind: .text, isEscaped: isEscaped))
        isEscaped = false
    }

    private func fail(_ message: String) -> TableError {
        let column = fields.count
        let name = column < columns.count ? "column \(column + 1) ('\(columns[column])')" : "column \(column + 1)"
        return TableError(.badData, "\(name): \(message)", line: line + newlines)
    }

    /// Goes on with the current record until it is complete or the bytes run out.
    private func scan() throws(TableError) -> Scan {
        // `base` is read below `end` only, and the window does not move while this runs.
        let base = unsafe window.base
        // A record and its line end are within the limit, however the bytes were cut.
        let end = min(window.count, maximumRecordBytes)
        var at = position
        defer { position = at }
        while at < end {
            switch state {
            case .fieldStart:
                isQuoted = unsafe base[at] == UInt8(ascii: "\"")
                if isQuoted {
                    at += 1
                    quoteLine = line + newlines
                }
                fieldStart = at
                state = isQuoted ? .quoted : .unquoted
            case .unquoted:
                while at < end {
                    let byte = unsafe base[at]
                    if byte == delimiter || byte == 0x0A || byte == 0x0D || byte == 0x22 { break }
                    at += 1
                }
                guard at < end else { break }
                fieldEnd = at
                if try unsafe endUnquoted(base[at], &at) { return .record }
            case .quoted:
                while at < end {
                    let byte = unsafe base[at]
                    if byte == 0x22 { break }
                    if byte == 0x0A { newlines += 1 }
                    at += 1
                }
                guard at < end else { break }
                fieldEnd = at
                at += 1
                state = .afterQuote
            case .afterQuote:
                if unsafe base[at] == 0x22 {
                    isEscaped = true
                    at += 1
                    state = .quoted
                } else if try unsafe endQuoted(base[at], &at) {
                    return .record
                }
            case .afterCarriageReturn:
                guard unsafe base[at] == 0x0A else {
                    throw fail("a carriage return without a line feed; quote the field if it belongs to the text")
                }
                at += 1
                endField(at: fieldEnd)
                return .record
            }
        }
        guard window.count <= maximumRecordBytes else { throw tooLong() }
        guard isFinished else { return .needsMore }
        return try scanEnd(at)
    }

    private func tooLong() -> TableError {
        let hint = isQuoted ? "; is the quote of line \(quoteLine) never closed?" : ""
        return TableError(.badData, "the row is longer than \(maximumRecordBytes) bytes\(hint)", line: line)
    }

    /// Takes the byte after an unquoted field; true at the end of the record.
    private func endUnquoted(_ byte: UInt8, _ at: inout Int) throws(TableError) -> Bool {
        guard byte != 0x22 else {
            throw fail("a quote inside a field that does not begin with one; quote the field and double the quote")
        }
        return try endQuoted(byte, &at)
    }

    /// Takes the byte after a complete field; true at the end of the record.
    private func endQuoted(_ byte: UInt8, _ at: inout Int) throws(TableError) -> Bool {
        switch byte {
        case delimiter:
            at += 1
            endField(at: fieldEnd)
            state = .fieldStart
            return false
        case 0x0A:
            at += 1
            endField(at: fieldEnd)
            return true
        case 0x0D:
            at += 1
            state = .afterCarriageReturn
            return false
        default:
            throw fail("text after the closing quote; a quote inside a field must be doubled")
        }
    }

    /// The bytes are at their end: what is open is a record without a line end, or an error.
    private func scanEnd(_ at: Int) throws(TableError) -> Scan {
        guard at > 0 else { return .needsMore }
        switch state {
        case .fieldStart: (fieldStart, fieldEnd) = (at, at)
        case .unquoted: fieldEnd = at
        case .afterQuote: break
        case .quoted:
            throw TableError(
                .badData,
                "the quote opened in column \(fields.count + 1) is never closed: the delivery was cut off?",
                line: quoteLine
            )
        case .afterCarriageReturn: break
        }
        endField(at: fieldEnd)
        return .record
    }
}
