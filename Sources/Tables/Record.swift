// SPDX-License-Identifier: Apache-2.0

/// What a field of a record is, before the table's column gives it a type.
package enum FieldKind: UInt8, Sendable {
    /// A string; every field of CSV is one.
    case text
    /// A JSON number, kept as its text.
    case number
    /// JSON's `true`.
    case `true`
    /// JSON's `false`.
    case `false`
    /// JSON's `null`.
    case null
}

/// Where a field lies in its record, and what it is.
package struct Field: Sendable {
    /// First byte, counted from the record's first.
    package var start: Int
    /// Bytes.
    package var count: Int
    /// What the bytes mean.
    package var kind: FieldKind
    /// Whether the bytes still hold doubled quotes or escapes.
    var isEscaped: Bool

    init(start: Int, count: Int, kind: FieldKind, isEscaped: Bool = false) {
        self.start = start
        self.count = count
        self.kind = kind
        self.isEscaped = isEscaped
    }
}

/// Cuts bytes into the records of a table; knows no file, no clock and no database.
///
/// The fields of a record stay readable until the next call of `next` or `feed`. After an error the reader is done.
package protocol RecordReader: AnyObject {
    /// The names of the columns; empty until the header, or the first object, was read.
    var columns: [String] { get }
    /// The fields of the current record, in the order of `columns`.
    var fields: [Field] { get }
    /// The line on which the current record begins, counted from 1.
    var line: UInt64 { get }
    /// Takes custody of more bytes.
    func feed(_ bytes: Span<UInt8>)
    /// Says that no more bytes will come.
    func finish()
    /// Moves to the next record; false means that more bytes are needed, or, after `finish`, that there are none.
    func next() throws(TableError) -> Bool
    /// The first byte of the current record, which the fields count from. Valid as long as the fields are.
    @unsafe var recordBase: UnsafePointer<UInt8> { get }
}

extension RecordReader {
    /// The bytes of a field of the current record.
    package func bytes(of field: Field) -> [UInt8] {
        // The reader made the field from bytes that it holds.
        unsafe Array(UnsafeBufferPointer(start: recordBase + field.start, count: field.count))
    }

    /// The text of a field of the current record; readers let only valid UTF-8 through.
    package func text(of field: Field) -> String {
        String(decoding: bytes(of: field), as: UTF8.self)
    }
}

/// Bounds on what a reader holds in memory.
package enum RecordLimits {
    /// The most bytes that one record may have, its line end among them.
    package static let recordBytes = 16 << 20
    /// The most columns: SQLite's own limit less the ones that staging adds.
    package static let columns = 1_990
}
