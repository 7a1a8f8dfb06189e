// SPDX-License-Identifier: Apache-2.0
import IPCFrame

/// Takes a call's arguments one by one, so that what is left over is known to be unknown.
struct JobArguments {
    /// The words after `--` travel as arguments with this key.
    private static let positionalKey = "argv"

    private var rest: [Argument]
    private let method: String

    init(_ call: IncomingCall) {
        rest = call.arguments
        method = call.method
    }

    /// The value of `key`, which may be given once.
    mutating func take(_ key: String) throws -> String? {
        let values = rest.filter { $0.key == key }
        rest.removeAll { $0.key == key }
        guard let first = values.first else { return nil }
        guard values.count == 1 else { throw Self.wrong("the argument '\(key)' of '\(method)' is given twice") }
        guard let text = String(validating: first.value, as: UTF8.self) else {
            throw Self.wrong("the argument '\(key)' of '\(method)' is not UTF-8")
        }
        return text
    }

    /// The words after `--`, in order.
    mutating func takePositional() throws -> [String] {
        let words = rest.filter { $0.key == Self.positionalKey }
        rest.removeAll { $0.key == Self.positionalKey }
        return try words.map { word in
            guard let text = String(validating: word.value, as: UTF8.self), !text.utf8.contains(0) else {
                throw Self.wrong("a word of '\(method)' is not UTF-8, or has a zero byte")
            }
            return text
        }
    }

    /// Every argument of a call as text.
    static func texts(_ call: IncomingCall) throws -> [(key: String, value: String)] {
        try call.arguments.map { argument in
            guard argument.key != positionalKey else {
                throw wrong("the job '\(call.method)' takes no words after '--': use --arg KEY=VALUE")
            }
            guard let text = String(validating: argument.value, as: UTF8.self) else {
                throw wrong("the argument '\(argument.key)' of '\(call.method)' is not UTF-8")
            }
            return (argument.key, text)
        }
    }

    /// Fails when an argument is left that nobody took.
    func finish() throws {
        guard let first = rest.first else { return }
        throw Self.wrong("the job '\(method)' has no argument '\(first.key)'")
    }

    static func wrong(_ reason: String) -> CallFailure {
        CallFailure(.badArgument, exitCode: 64, reason: reason)
    }
}
