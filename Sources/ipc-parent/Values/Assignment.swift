// SPDX-License-Identifier: Apache-2.0

/// A `KEY=VALUE` from the command line.
struct Assignment: Equatable {
    let key: String
    let value: String

    init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    /// Splits at the first `=`; the value may be empty, the key may not.
    init(parsing text: String) throws(ValueError) {
        guard let equals = text.utf8.firstIndex(of: UInt8(ascii: "=")) else {
            throw ValueError("has no '='; write KEY=VALUE")
        }
        let key = text[..<equals]
        guard !key.isEmpty else { throw ValueError("has nothing before '='; write KEY=VALUE") }
        self.key = String(key)
        value = String(text[text.utf8.index(after: equals)...])
    }
}
