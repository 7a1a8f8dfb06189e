// SPDX-License-Identifier: Apache-2.0

/// What one export is asked to do.
package struct ExportOptions: Equatable, Sendable {
    /// Path of the SQLite database.
    package var database: String
    /// The table to write out.
    package var table = "stations"
    /// CSV or NDJSON.
    package var format = TableFormat.csv
    /// What separates the fields of CSV.
    package var delimiter = UInt8(ascii: ",")
    /// Whether the result is gzip.
    package var compresses = false

    /// Options for `database`, all others at their defaults.
    package init(database: String) {
        self.database = database
    }

    /// Reads the arguments of the job `export`.
    ///
    /// - Throws: ``TableError`` with code `usage` for an argument that is unknown, repeated, missing or has a value
    ///   that it cannot have.
    package init(arguments: [(key: String, value: String)]) throws(TableError) {
        let reader = try ArgumentReader(
            arguments,
            known: ["database", "table", "format", "delimiter", "compression"]
        )
        database = try reader.path("database")
        table = try reader.name("table") ?? table
        format = try reader.choice("format", [("csv", .csv), ("ndjson", .ndjson)]) ?? .csv
        delimiter = try reader.delimiter() ?? delimiter
        compresses = try reader.choice("compression", [("none", false), ("gzip", true)]) ?? false
    }
}
