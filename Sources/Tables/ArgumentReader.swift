// SPDX-License-Identifier: Apache-2.0

/// Turns a job's arguments, which are strings, into values, and says what is wrong with those that cannot be.
struct ArgumentReader {
    private let values: [String: String]

    init(_ arguments: [(key: String, value: String)], known: [String]) throws(TableError) {
        var values: [String: String] = [:]
        for (key, value) in arguments {
            guard known.contains(key) else {
                throw TableError(
                    .usage,
                    "unknown argument '\(key)'; it takes \(known.joined(separator: ", "))"
                )
            }
            guard values.updateValue(value, forKey: key) == nil else {
                throw TableError(.usage, "argument '\(key)' is given twice")
            }
        }
        self.values = values
    }

    private func invalid(_ name: String, _ value: String, expected: String) -> TableError {
        TableError(.usage, "\(name)='\(value)' is not valid; expected \(expected)")
    }

    func path(_ name: String) throws(TableError) -> String {
        guard let value = values[name] else {
            throw TableError(.usage, "argument '\(name)' is missing: the path of the SQLite database")
        }
        guard !value.isEmpty, !value.utf8.contains(0) else {
            throw invalid(name, value, expected: "a path")
        }
        return value
    }

    func name(_ name: String) throws(TableError) -> String? {
        guard let value = values[name] else { return nil }
        guard !value.isEmpty, !value.utf8.contains(0) else {
            throw invalid(name, value, expected: "a name that is not empty")
        }
        return value
    }

    func choice<Value>(_ name: String, _ choices: [(String, Value)]) throws(TableError) -> Value? {
        guard let value = values[name] else { return nil }
        for (text, choice) in choices where text == value { return choice }
        throw invalid(name, value, expected: choices.map(\.0).joined(separator: " or "))
    }

    func count(_ name: String) throws(TableError) -> UInt64? {
        guard let value = values[name] else { return nil }
        guard let count = Self.digits(value) else {
            throw invalid(name, value, expected: "a number of rows")
        }
        return count
    }

    func delimiter() throws(TableError) -> UInt8? {
        guard let value = values["delimiter"] else { return nil }
        if value == "tab" || value == "\\t" { return UInt8(ascii: "\t") }
        let bytes = Array(value.utf8)
        guard bytes.count == 1, bytes[0] == 9 || (0x20...0x7E).contains(bytes[0]), bytes[0] != UInt8(ascii: "\"") else {
            throw invalid("delimiter", value, expected: "one ASCII character that is not a quote, or tab")
        }
        return bytes[0]
    }

    func deletionLimit() throws(TableError) -> ImportOptions.DeletionLimit? {
        guard let value = values["max-deleted"] else { return nil }
        let failure = invalid("max-deleted", value, expected: "a number of rows, or a share such as 20% or 0.5%")
        guard value.hasSuffix("%") else {
            guard let rows = Self.digits(value) else { throw failure }
            return .rows(rows)
        }
        let parts = value.dropLast().split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? String(parts[1]) : "0"
        guard
            let whole = parts.first.flatMap({ Self.digits(String($0)) }), whole <= 100, fraction.utf8.count <= 4,
            let part = Self.digits(fraction + String(repeating: "0", count: 4 - fraction.utf8.count)),
            !fraction.isEmpty, whole * 10_000 + part <= 1_000_000
        else { throw failure }
        return .share(millionths: whole * 10_000 + part)
    }

    private static func digits(_ text: String) -> UInt64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(text)
    }
}
