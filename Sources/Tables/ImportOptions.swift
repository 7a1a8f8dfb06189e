// SPDX-License-Identifier: Apache-2.0

/// What one import is asked to do.
package struct ImportOptions: Equatable, Sendable {
    /// How much of the difference the result carries.
    package enum Changes: String, Sendable, CaseIterable {
        /// Every line with its rows, before and after.
        case full
        /// Every line with its kind and key only.
        case keys
        /// No lines at all; the counts remain.
        case none
    }

    /// How many rows a delivery may delete.
    package enum DeletionLimit: Equatable, Sendable {
        /// Nothing was asked: 20 % of a table that has at least 100 rows.
        case unstated
        /// At most this many rows.
        case rows(UInt64)
        /// At most this share of the table, in millionths.
        case share(millionths: UInt64)
    }

    /// Path of the SQLite database.
    package var database: String
    /// The table to bring up to date.
    package var table = "stations"
    /// The column that tells rows apart.
    package var key = "id"
    /// CSV or NDJSON; by content if not stated.
    package var format: TableFormat?
    /// What separates the fields of CSV.
    package var delimiter = UInt8(ascii: ",")
    /// Whether the body must be gzip; if false, gzip is recognised by its magic bytes all the same.
    package var requiresGzip = false
    /// Whether the bytes are ISO 8859-1 rather than UTF-8.
    package var isLatin1 = false
    /// False is a dry run: the difference is returned and nothing is changed or created.
    package var applies = true
    /// How much of the difference the result carries.
    package var changes = Changes.full
    /// How many rows a delivery may delete.
    package var maxDeleted = DeletionLimit.unstated
    /// The exact number of rows that the delivery must have.
    package var rows: UInt64?

    /// Options for `database`, all others at their defaults.
    package init(database: String) {
        self.database = database
    }

    /// Reads the arguments of the job `import`.
    ///
    /// - Throws: ``TableError`` with code `usage` for an argument that is unknown, repeated, missing or has a value
    ///   that it cannot have.
    package init(arguments: [(key: String, value: String)]) throws(TableError) {
        let reader = try ArgumentReader(
            arguments,
            known: [
                "database", "table", "key", "format", "delimiter", "compression", "encoding", "apply", "changes",
                "max-deleted", "rows",
            ]
        )
        database = try reader.path("database")
        table = try reader.name("table") ?? table
        key = try reader.name("key") ?? key
        format = try reader.choice("format", [("csv", .csv), ("ndjson", .ndjson)])
        delimiter = try reader.delimiter() ?? delimiter
        requiresGzip = try reader.choice("compression", [("gzip", true)]) ?? false
        isLatin1 = try reader.choice("encoding", [("utf-8", false), ("latin-1", true)]) ?? false
        applies = try reader.choice("apply", [("true", true), ("false", false)]) ?? true
        changes = try reader.choice("changes", Changes.allCases.map { ($0.rawValue, $0) }) ?? .full
        maxDeleted = try reader.deletionLimit() ?? .unstated
        rows = try reader.count("rows")
    }
}

/// The text formats of a table.
package enum TableFormat: String, Sendable, CaseIterable {
    /// RFC 4180, with a header.
    case csv
    /// One flat JSON object a line.
    case ndjson
}
