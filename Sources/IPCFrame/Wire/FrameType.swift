// SPDX-License-Identifier: Apache-2.0

/// The types of frames of protocol version 1 (PROTOCOL.md §2.1).
package enum FrameType: UInt8, CaseIterable, Sendable {
    case hello = 0x01
    case welcome = 0x02
    case reject = 0x03
    case ready = 0x04
    case request = 0x10
    case response = 0x11
    case accept = 0x12
    case refuse = 0x13
    case data = 0x14
    case credit = 0x15
    case end = 0x16
    case error = 0x17
    case reset = 0x18
    case stop = 0x19
    case progress = 0x20
    case log = 0x21
    case ping = 0x30
    case pong = 0x31
    case drain = 0x32
    case bye = 0x33
    case arena = 0x40

    /// The name that PROTOCOL.md uses.
    package var name: String {
        switch self {
        case .hello: "HELLO"
        case .welcome: "WELCOME"
        case .reject: "REJECT"
        case .ready: "READY"
        case .request: "REQUEST"
        case .response: "RESPONSE"
        case .accept: "ACCEPT"
        case .refuse: "REFUSE"
        case .data: "DATA"
        case .credit: "CREDIT"
        case .end: "END"
        case .error: "ERROR"
        case .reset: "RESET"
        case .stop: "STOP"
        case .progress: "PROGRESS"
        case .log: "LOG"
        case .ping: "PING"
        case .pong: "PONG"
        case .drain: "DRAIN"
        case .bye: "BYE"
        case .arena: "ARENA"
        }
    }

    /// A readable name for any type byte, known or not.
    package static func name(of rawType: UInt8) -> String {
        FrameType(rawValue: rawType)?.name ?? "type 0x" + hex(rawType)
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }
}

/// Flags of a frame header; what a bit means depends on the frame's type.
package struct FrameFlags: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// DATA: the chunk is a zlib stream.
    package static let compressed = FrameFlags(rawValue: 1)
    /// DATA: report consumption as soon as this chunk has been taken.
    package static let flush = FrameFlags(rawValue: 2)
    /// DATA: the chunk lies in the arena.
    package static let arena = FrameFlags(rawValue: 4)
    /// DATA: the body is the descriptor that comes with this frame.
    package static let file = FrameFlags(rawValue: 8)
    /// ERROR: the same call may succeed later.
    package static let retryable = FrameFlags(rawValue: 1)
    /// PROGRESS: from here on the call must not be retried.
    package static let final = FrameFlags(rawValue: 1)
}
