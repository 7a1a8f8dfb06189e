// SPDX-License-Identifier: Apache-2.0

/// A value on the command line that does not say what it should.
struct ValueError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, and what would be right; a sentence without its full stop.
    let description: String

    init(_ description: String) { self.description = description }
}
