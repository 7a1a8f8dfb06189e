// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

@testable import IPCFrame

/// Any JSON value whose numbers are integers, as docs/vectors have them.
enum JSON: Equatable, Decodable {
    case null
    case bool(Bool)
    case int(Int)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .int(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    init(_ value: UInt64?) { self = value.map { .string(String($0)) } ?? .null }
    init(_ value: UInt32) { self = .int(Int(value)) }
    init(_ value: UInt16) { self = .int(Int(value)) }
    init(_ bytes: [UInt8]) { self = .string(hex(bytes)) }

    init(_ code: ErrorCode) {
        self = ErrorCode.names[code].map { .string($0) } ?? .int(Int(code.rawValue))
    }
}

struct ValidVector: Decodable {
    let name: String
    let type: String
    let stream: String
    let flags: UInt8
    let fields: [String: JSON]
    let canonical: Bool
    let hex: String
}

struct InvalidVector: Decodable {
    let name: String
    let `where`: String
    let error: String
    let hex: String
}

struct ConversationVector: Decodable, CustomTestStringConvertible {
    struct Step: Decodable {
        let from: String
        let frame: String
        let hex: String
    }

    let name: String
    let tests: String
    let steps: [Step]
    let end: String

    var testDescription: String { name }
}

func vectors<Vector: Decodable>(_ file: String, _ type: Vector.Type = Vector.self) throws -> [Vector] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/vectors")
    let text = try String(contentsOf: folder.appending(path: file + ".ndjson"), encoding: .utf8)
    return try text.split(separator: "\n").map { try JSONDecoder().decode(Vector.self, from: Data($0.utf8)) }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.utf8.map { UInt8(Character(UnicodeScalar($0)).hexDigitValue ?? 0) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// A frame of any type, read and written by the code under test.
enum AnyFrame: Equatable {
    case hello(Hello)
    case welcome(Welcome)
    case reject(Reject)
    case ready
    case request(Request)
    case response(ResponseHead)
    case accept(Accept)
    case refuse(Refuse)
    case data([UInt8])
    case credit(Credit)
    case end(End)
    case error(RemoteError)
    case halt(Halt)
    case progress(Progress)
    case log(LogLine)
    case number(Number)
    case bye(Trailer)
    case arena(ArenaAnnouncement)

    init(_ header: FrameHeader, _ payload: [UInt8]) throws {
        switch header.type {
        case .hello: self = .hello(try Hello(parsing: payload))
        case .welcome: self = .welcome(try Welcome(parsing: payload))
        case .reject: self = .reject(try Reject(parsing: payload))
        case .ready:
            var reader = PayloadReader(payload)
            try reader.skipTLVs()
            self = .ready
        case .request: self = .request(try Request(parsing: payload))
        case .response: self = .response(try ResponseHead(parsing: payload))
        case .accept: self = .accept(try Accept(parsing: payload))
        case .refuse: self = .refuse(try Refuse(parsing: payload))
        case .data: self = .data(payload)
        case .credit: self = .credit(try Credit(parsing: payload))
        case .end: self = .end(try End(parsing: payload))
        case .error: self = .error(try RemoteError(parsing: payload, flags: header.flags))
        case .reset, .stop: self = .halt(try Halt(parsing: payload))
        case .progress: self = .progress(try Progress(parsing: payload, flags: header.flags))
        case .log: self = .log(try LogLine(parsing: payload))
        case .ping, .pong, .drain: self = .number(try Number(parsing: payload))
        case .bye:
            var reader = PayloadReader(payload)
            self = .bye(try Trailer(&reader, in: .bye))
        case .arena: self = .arena(try ArenaAnnouncement(parsing: payload))
        case nil: throw ProtocolViolation(.unknownFrame, detail: "no vector has such a frame")
        }
    }

    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .hello(let value): value.encode(into: &bytes)
        case .welcome(let value): value.encode(into: &bytes)
        case .reject(let value): value.encode(into: &bytes)
        case .ready: break
        case .request(let value): value.encode(into: &bytes)
        case .response(let value): value.encode(into: &bytes)
        case .accept(let value): value.encode(into: &bytes)
        case .refuse(let value): value.encode(into: &bytes)
        case .data(let value): bytes.append(contentsOf: value)
        case .credit(let value): value.encode(into: &bytes)
        case .end(let value): value.encode(into: &bytes)
        case .error(let value): value.encode(into: &bytes)
        case .halt(let value): value.encode(into: &bytes)
        case .progress(let value): value.encode(into: &bytes)
        case .log(let value): value.encode(into: &bytes)
        case .number(let value): value.encode(into: &bytes)
        case .bye(let value): value.encode(into: &bytes)
        case .arena(let value): value.encode(into: &bytes)
        }
    }
}
