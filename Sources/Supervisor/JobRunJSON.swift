// SPDX-License-Identifier: Apache-2.0

/// A JSON object whose members keep the order in which they were first set.
package struct JSONObject: Sendable, Equatable {
    private var members: [(key: String, value: JSONValue)] = []

    /// An object without members.
    package init() {}

    /// Sets a member; one that is there already keeps its place.
    package subscript(key: String) -> JSONValue {
        get { members.first { $0.key == key }?.value ?? .null }
        set {
            if let index = members.firstIndex(where: { $0.key == key }) {
                members[index].value = newValue
            } else {
                members.append((key, newValue))
            }
        }
    }

    /// The object as JSON, on one line.
    package var text: String {
        var text = "{"
        for (index, member) in members.enumerated() {
            if index > 0 { text += "," }
            JSONValue.string(member.key).write(to: &text)
            text += ":"
            member.value.write(to: &text)
        }
        return text + "}"
    }

    package static func == (left: Self, right: Self) -> Bool { left.text == right.text }
}

/// A value inside a ``JSONObject``.
package enum JSONValue: Sendable, Equatable {
    case null
    case number(UInt64)
    case integer(Int64)
    case string(String)
    case object(JSONObject)
    case array([JSONValue])

    /// A length of time in seconds, to the millisecond.
    case seconds(Duration)

    /// A number, or null for none.
    package static func optional(_ value: Int32?) -> JSONValue { value.map { .integer(Int64($0)) } ?? .null }

    func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .number(let value): text += String(value)
        case .integer(let value): text += String(value)
        case .string(let value): Self.write(value, to: &text)
        case .object(let value): text += value.text
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .seconds(let duration):
            let milliseconds =
                max(0, duration.components.seconds) * 1_000
                + max(0, duration.components.attoseconds) / 1_000_000_000_000_000
            let fraction = String(milliseconds % 1_000)
            text += "\(milliseconds / 1_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
        }
    }

    private static func write(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

/// Times as text.
package enum Timestamp {
    /// A time in UTC to the millisecond, as in `2026-02-28T09:05:00.250Z`.
    package static func rfc3339(nanoseconds: Int64) -> String {
        let (milliseconds, _) = floored(nanoseconds, by: 1_000_000)
        let (seconds, fraction) = floored(milliseconds, by: 1_000)
        let (days, second) = floored(seconds, by: 86_400)
        let (year, month, day) = date(daysSince1970: days)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
            + "T\(padded(second / 3_600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
            + ".\(padded(fraction, 3))Z"
    }

    /// The Gregorian date of a day; a year is taken to begin in March, so that the leap day is its last.
    private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floored(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func floored(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
