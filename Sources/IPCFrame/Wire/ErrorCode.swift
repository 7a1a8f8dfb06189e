// SPDX-License-Identifier: Apache-2.0

/// Why a connection or a call ended, as a number on the wire (PROTOCOL.md §15).
///
/// Codes from `0x8000` are free for applications; an unknown code is kept as it came.
public struct ErrorCode: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// Wraps any number, known or not.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }
}

extension ErrorCode {
    /// A payload does not have its layout.
    public static let malformedFrame = ErrorCode(rawValue: 0x0001)
    /// A frame that its state forbids.
    public static let unexpectedFrame = ErrorCode(rawValue: 0x0002)
    /// A length above its limit.
    public static let frameTooLarge = ErrorCode(rawValue: 0x0003)
    /// A type that must be known and is not.
    public static let unknownFrame = ErrorCode(rawValue: 0x0004)
    /// A stream id that cannot be.
    public static let badStream = ErrorCode(rawValue: 0x0005)
    /// DATA beyond the limit that the receiver had given.
    public static let creditExceeded = ErrorCode(rawValue: 0x0006)
    /// Descriptors that were not announced or are not allowed.
    public static let badDescriptors = ErrorCode(rawValue: 0x0007)
    /// No common protocol version.
    public static let versionMismatch = ErrorCode(rawValue: 0x0008)
    /// A limit out of its range.
    public static let limitRejected = ErrorCode(rawValue: 0x0009)
    /// The peer does not read: too many control frames wait for it.
    public static let peerNotReading = ErrorCode(rawValue: 0x000A)
    /// The child could not initialise.
    public static let initialisationFailed = ErrorCode(rawValue: 0x000B)

    /// The opener, or somebody in its place, gave up.
    public static let cancelled = ErrorCode(rawValue: 0x0100)
    /// The answer to STOP, or to the end of the call.
    public static let stopped = ErrorCode(rawValue: 0x0101)
    /// Not taken: the peer is draining.
    public static let draining = ErrorCode(rawValue: 0x0102)
    /// Not taken: as many calls as allowed are open.
    public static let tooManyStreams = ErrorCode(rawValue: 0x0103)
    /// The body is larger than the receiver takes.
    public static let tooLarge = ErrorCode(rawValue: 0x0104)
    /// The receiver has no use for the body.
    public static let notWanted = ErrorCode(rawValue: 0x0105)
    /// The body's digest is wrong.
    public static let digestMismatch = ErrorCode(rawValue: 0x0106)
    /// A chunk does not inflate to what it declared.
    public static let corruptChunk = ErrorCode(rawValue: 0x0107)
    /// Announced descriptors did not arrive.
    public static let descriptorsLost = ErrorCode(rawValue: 0x0108)
    /// The sender's source of the body failed.
    public static let sourceFailed = ErrorCode(rawValue: 0x0109)
    /// The call's deadline has passed.
    public static let deadlineExceeded = ErrorCode(rawValue: 0x010A)
    /// The file that a body came as is none that may be read so, or it has become shorter.
    public static let badFile = ErrorCode(rawValue: 0x010B)

    /// The call's work failed.
    public static let failed = ErrorCode(rawValue: 0x0200)
    /// The answerer has no such method.
    public static let unknownMethod = ErrorCode(rawValue: 0x0201)
    /// An argument is missing, unknown or wrong.
    public static let badArgument = ErrorCode(rawValue: 0x0202)
    /// The input is wrong.
    public static let badData = ErrorCode(rawValue: 0x0203)
    /// Something is busy or missing for now.
    public static let unavailable = ErrorCode(rawValue: 0x0204)
    /// Not allowed.
    public static let notPermitted = ErrorCode(rawValue: 0x0205)
    /// The answerer's own fault.
    public static let `internal` = ErrorCode(rawValue: 0x0206)

    /// Every code that has a name, with that name.
    package static let names: [ErrorCode: String] = [
        .malformedFrame: "malformedFrame", .unexpectedFrame: "unexpectedFrame", .frameTooLarge: "frameTooLarge",
        .unknownFrame: "unknownFrame", .badStream: "badStream", .creditExceeded: "creditExceeded",
        .badDescriptors: "badDescriptors", .versionMismatch: "versionMismatch", .limitRejected: "limitRejected",
        .peerNotReading: "peerNotReading", .initialisationFailed: "initialisationFailed", .cancelled: "cancelled",
        .stopped: "stopped", .draining: "draining", .tooManyStreams: "tooManyStreams", .tooLarge: "tooLarge",
        .notWanted: "notWanted", .digestMismatch: "digestMismatch", .corruptChunk: "corruptChunk",
        .descriptorsLost: "descriptorsLost", .sourceFailed: "sourceFailed", .deadlineExceeded: "deadlineExceeded",
        .badFile: "badFile",
        .failed: "failed", .unknownMethod: "unknownMethod", .badArgument: "badArgument", .badData: "badData",
        .unavailable: "unavailable", .notPermitted: "notPermitted", .internal: "internal",
    ]
}

extension ErrorCode: CustomStringConvertible {
    /// The code's name, or its number where it has none.
    public var description: String {
        Self.names[self] ?? "code \(rawValue)"
    }
}
