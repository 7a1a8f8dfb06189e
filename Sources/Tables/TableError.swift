// SPDX-License-Identifier: Apache-2.0

/// Why an import or an export could not be done, fit for a log line and for an exit code.
package struct TableError: Error, Equatable, Sendable {
    /// The broad kind of failure; its raw value is the exit code that belongs to it (sysexits where one fits).
    package enum Code: Int32, Sendable {
        /// An argument that does not exist, or a value that it cannot have.
        case usage = 64
        /// The delivery, or what it would do to the table, is not acceptable.
        case badData = 65
        /// What should be read is not there or cannot be read.
        case noInput = 66
        /// Something failed that no input can explain.
        case `internal` = 70
        /// The database, or a temporary file, cannot be written: directory missing, disk full, I/O error.
        case cantCreate = 73
        /// The database is locked, or changed underneath: the same again may succeed.
        case tryAgain = 75
        /// The file permissions forbid it.
        case noPermission = 77
        /// The file named as the database is not one, is damaged, or cannot serve.
        case config = 78
        /// Somebody called `interrupt()`.
        case cancelled = 130
    }

    /// The broad kind of failure; switch on this.
    package let code: Code

    /// The line of the delivery concerned, counted from 1, when one is.
    package let line: UInt64?

    /// What happened, to what, and what to do, without the line.
    package let message: String

    /// Creates an error of a kind.
    package init(_ code: Code, _ message: String, line: UInt64? = nil) {
        self.code = code
        self.line = line
        self.message = message
    }

    /// The sysexits code for the process that gives up because of this.
    package var exitCode: Int32 { code.rawValue }
}

extension TableError: CustomStringConvertible {
    /// One line, fit for a log.
    package var description: String {
        guard let line else { return message }
        return "line \(line): \(message)"
    }
}
