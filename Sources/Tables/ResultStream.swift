// SPDX-License-Identifier: Apache-2.0

/// The difference as NDJSON, one line a change, in the order of the key.
///
///     {"change":"new","key":"8","after":{"id":"8","name":"Å"}}
///     {"change":"changed","key":"9","before":{"id":"9","name":"A"},"after":{"id":"9","name":"B"}}
///     {"change":"deleted","key":"10","before":{"id":"10","name":"C"}}
///
/// With `changes=keys` a line ends after the key. Numbers are JSON numbers where the table's column has numbers, NULL
/// is `null`, and a blob, which only `before` can have, is a string in SQL's notation, `x'00ff'`.
final class ResultStream {
    private let rows: Statement
    private let changes: ImportOptions.Changes
    /// Nil if every row of `rows` is a new row.
    private let difference: Difference?
    private let key: Int
    /// `"name":` for each column.
    private let labels: [[UInt8]]
    private var writer = JSONWriter()
    private var isAtEnd = false

    /// The changes that a comparison has found, or all of the delivery as new rows if there was nothing to compare.
    init(_ staging: Staging, difference: Difference?, changes: ImportOptions.Changes, in database: Database)
        throws(TableError)
    {
        self.changes = changes
        self.difference = difference
        key = staging.key
        labels = staging.schema.columns.map { column in
            var label = JSONWriter()
            label.string(column.name)
            label.raw(":")
            return label.bytes
        }
        rows =
            if let difference {
                try difference.changes()
            } else {
                try database.prepare("SELECT * FROM \(Staging.table) ORDER BY c\(staging.key)")
            }
    }

    /// At most `limit` bytes more of the result, cut anywhere; nil at the end.
    func next(upTo limit: Int) throws(TableError) -> [UInt8]? {
        precondition(limit > 0, "asking for no bytes would never end")
        while !isAtEnd, writer.bytes.count < limit {
            if try rows.step() { writeLine() } else { isAtEnd = true }
        }
        return writer.bytes.isEmpty ? nil : writer.take(upTo: limit)
    }

    private func writeLine() {
        guard let difference else {
            writer.raw("{\"change\":\"new\",\"key\":")
            writer.value(rows, key)
            if changes == .full {
                writer.raw(",\"after\":")
                writer.object(labels, rows) { $0 }
            }
            writer.raw("}\n")
            return
        }
        let change = difference.change(rows)
        switch change.kind {
        case .new: writer.raw("{\"change\":\"new\",\"key\":")
        case .changed: writer.raw("{\"change\":\"changed\",\"key\":")
        case .deleted: writer.raw("{\"change\":\"deleted\",\"key\":")
        }
        writer.value(rows, 2)
        if changes == .full {
            if change.kind != .new {
                writer.raw(",\"before\":")
                writer.object(labels, rows) { change.before($0) }
            }
            if change.kind != .deleted {
                writer.raw(",\"after\":")
                writer.object(labels, rows) { change.keepsNull($0) ? change.before($0) : change.after($0) }
            }
        }
        writer.raw("}\n")
    }
}
