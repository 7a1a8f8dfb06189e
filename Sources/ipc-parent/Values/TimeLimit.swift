// SPDX-License-Identifier: Apache-2.0

/// A length of time that may be switched off.
struct TimeLimit: Equatable {
    static let none = TimeLimit(nil)

    let duration: Duration?

    init(_ duration: Duration?) { self.duration = duration }

    init(parsing text: String) throws { duration = try Duration.parsedLimit(text) }
}
