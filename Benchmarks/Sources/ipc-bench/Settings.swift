// SPDX-License-Identifier: Apache-2.0
import IPCFrame

/// KEY=VALUE arguments.
struct Settings: Sendable {
    private var values: [String: String] = [:]

    init(_ arguments: some Sequence<String>) {
        for argument in arguments {
            guard let mark = argument.firstIndex(of: "=") else { continue }
            values[String(argument[..<mark])] = String(argument[argument.index(after: mark)...])
        }
    }

    subscript(key: String) -> String? { values[key] }

    func number(_ key: String, _ otherwise: Int) -> Int { values[key].flatMap { Int($0) } ?? otherwise }
}

/// How the calls of a workload are made: `codec=none|zlib`, `digest=none|crc32`, `executor=connection|default` (where
/// the caller's code runs, and a body's source), `handlers=reactor|thread` (where the child's does), `mode=async|blocking`
/// (both ends), `worker=async|blocking`, `delivery=inline|arena|auto`.
///
/// What is compressed has sources and handlers on threads.
///
/// What this program does not have yet is skipped, not measured as something else.
struct Variant {
    let options: CallOptions
    /// Where the source of a body runs.
    let source: Placement
    /// Where the child's code does.
    let handlers: Placement
    /// Both ends block.
    let isBlocking: Bool
    /// The child does.
    let hasBlockingWorker: Bool

    init(_ settings: Settings) throws(Skip) {
        var options = CallOptions()
        options.codec = try Self.choose("codec", settings, ["none": .none, "zlib": .zlib])
        options.digest = try Self.choose("digest", settings, ["none": .none, "crc32": .crc32])
        options.delivery = try Self.choose("delivery", settings, ["inline": .inline, "arena": .arena, "auto": .auto])
        self.options = options
        let source: Placement = try Self.choose("executor", settings, ["connection": .onReactor, "default": .onThread])
        let handlers: Placement = try Self.choose("handlers", settings, ["reactor": .onReactor, "thread": .onThread])
        self.source = options.codec == .none ? source : .onThread
        self.handlers = options.codec == .none ? handlers : .onThread
        isBlocking = try Self.choose("mode", settings, ["async": false, "blocking": true])
        hasBlockingWorker = try Self.choose("worker", settings, ["async": false, "blocking": true])
    }

    /// The first value of the list is the default.
    private static func choose<Value>(
        _ key: String,
        _ settings: Settings,
        _ values: KeyValuePairs<String, Value>
    ) throws(Skip) -> Value {
        let name = settings[key] ?? values[0].key
        guard let value = values.first(where: { $0.key == name })?.value else {
            throw Skip("there is no '\(key)=\(name)' here")
        }
        return value
    }
}

/// Something that this program does not measure.
struct Skip: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Text for a line of JSON.
enum JSONText {
    static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case " "..."~": result.unicodeScalars.append(scalar)
            default: result += scalar.value < 0x20 ? " " : String(scalar)
            }
        }
    }

    /// Three decimals.
    static func number(_ value: Double) -> String { "\((value * 1_000).rounded() / 1_000)" }
}
