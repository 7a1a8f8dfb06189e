// SPDX-License-Identifier: Apache-2.0

/// A frame that breaks the rules; it ends the connection.
///
/// Names the code, the offending frame and, where one was passed, the limit.
public struct ProtocolViolation: Error, Equatable, Sendable {
    /// What kind of rule was broken.
    public let code: ErrorCode
    /// The type byte of the offending frame.
    public internal(set) var frameType: UInt8
    /// The stream of the offending frame.
    public internal(set) var stream: UInt64
    /// The limit that was passed, where one was.
    public let limit: UInt64?
    /// What was wrong, for a person.
    public let detail: String

    package init(
        _ code: ErrorCode,
        frameType: UInt8 = 0,
        stream: UInt64 = 0,
        limit: UInt64? = nil,
        detail: String
    ) {
        self.code = code
        self.frameType = frameType
        self.stream = stream
        self.limit = limit
        self.detail = detail
    }

    /// The same violation, said of the frame with this header.
    package func of(_ header: FrameHeader) -> ProtocolViolation {
        var copy = self
        copy.frameType = header.rawType
        copy.stream = header.stream
        return copy
    }

    static func malformed(_ detail: String) -> ProtocolViolation {
        ProtocolViolation(.malformedFrame, detail: detail)
    }
}

extension ProtocolViolation: CustomStringConvertible {
    /// One line, fit for a log.
    public var description: String {
        let place = stream == 0 ? "" : " on stream \(stream)"
        let bound = limit.map { " (limit \($0))" } ?? ""
        return "\(code): \(FrameType.name(of: frameType))\(place): \(detail)\(bound)"
    }
}
