// SPDX-License-Identifier: Apache-2.0
import IPCFrame

/// Takes a call's arguments one by one, so that what is left over is known to be unknown.
struct JobArguments {
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

    /// Everything that is left, in order.
    mutating func takeAll() -> [Argument] {
        defer { rest = [] }
        return rest
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
