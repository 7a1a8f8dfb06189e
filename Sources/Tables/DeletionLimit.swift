// SPDX-License-Identifier: Apache-2.0

extension ImportOptions.DeletionLimit {
    /// Refuses to delete more of a table than the limit allows.
    func check(deleted: UInt64, of rows: UInt64, table: String) throws(TableError) {
        let isOver: Bool
        let limit: String
        switch self {
        case .unstated:
            isOver = rows >= 100 && Self.exceeds(deleted, of: rows, millionths: 200_000)
            limit = "20%, the default"
        case .rows(let most):
            isOver = deleted > most
            limit = "max-deleted=\(most)"
        case .share(let millionths):
            isOver = Self.exceeds(deleted, of: rows, millionths: millionths)
            limit = "max-deleted=\(Self.percent(millionths))"
        }
        guard isOver else { return }
        throw TableError(
            .badData,
            "the delivery would delete \(deleted) of the \(rows) rows of the table '\(table)', more than \(limit); "
                + "nothing was changed; if the delivery is right, say max-deleted=\(deleted)"
        )
    }

    private static func exceeds(_ deleted: UInt64, of rows: UInt64, millionths: UInt64) -> Bool {
        let left = deleted.multipliedFullWidth(by: 1_000_000)
        let right = rows.multipliedFullWidth(by: millionths)
        return (left.high, left.low) > (right.high, right.low)
    }

    private static func percent(_ millionths: UInt64) -> String {
        var fraction = String(millionths % 10_000)
        fraction = String(repeating: "0", count: 4 - fraction.utf8.count) + fraction
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(millionths / 10_000)\(fraction.isEmpty ? "" : "." + fraction)%"
    }
}
