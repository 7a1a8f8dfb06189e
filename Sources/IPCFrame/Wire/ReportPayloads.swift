// SPDX-License-Identifier: Apache-2.0

/// ERROR: the call failed, in the answerer's words.
public struct RemoteError: Error, Equatable, Sendable {
    /// What kind of failure.
    public var code: ErrorCode
    /// The exit code that fits (sysexits(3)), or 0.
    public var exitCode: UInt16
    /// Whether the same call may succeed later.
    public var isRetryable: Bool
    /// What happened, to what, and what to do.
    public var reason: String
    /// The answerer's peak resident memory, bytes, where it told.
    public var peakRSS: UInt64?

    /// A failure to be sent or that was received.
    public init(code: ErrorCode, exitCode: UInt16 = 0, isRetryable: Bool = false, reason: String) {
        self.code = code
        self.exitCode = exitCode
        self.isRetryable = isRetryable
        self.reason = reason
    }

    package init(parsing payload: [UInt8], flags: FrameFlags) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        code = ErrorCode(rawValue: try reader.uint16("code"))
        exitCode = try reader.uint16("exitCode")
        isRetryable = flags.contains(.retryable)
        reason = try reader.string("reason")
        peakRSS = try Trailer(&reader, in: .error).peakRSS
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(code.rawValue)
        bytes.appendLittleEndian(exitCode)
        bytes.appendString(reason, limit: 16_384)
        if let peakRSS { bytes.appendTLV(TLV.Tag.peakRSS, peakRSS) }
    }
}

/// PROGRESS: how far a call is.
public struct Progress: Equatable, Sendable {
    /// Units done.
    public var completed: UInt64
    /// Units in all, where known.
    public var total: UInt64?
    /// What is counted: `rows`, `bytes`.
    public var unit: String
    /// A few words for a person.
    public var text: String
    /// Further counts: new, changed, deleted.
    public var counts: [Count]
    /// From here on the call's effects may be lasting; it is not retried.
    public var isFinal: Bool

    /// A step of progress.
    public init(
        completed: UInt64,
        total: UInt64? = nil,
        unit: String,
        text: String = "",
        counts: [Count] = [],
        isFinal: Bool = false
    ) {
        self.completed = completed
        self.total = total
        self.unit = unit
        self.text = text
        self.counts = counts
        self.isFinal = isFinal
    }

    package init(parsing payload: [UInt8], flags: FrameFlags) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        completed = try reader.uint64("completed")
        let total = try reader.uint64("total")
        self.total = total == UInt64.max ? nil : total
        unit = try reader.string("unit")
        text = try reader.string("text")
        counts = try Trailer(&reader, in: .progress).counts
        isFinal = flags.contains(.final)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(completed)
        bytes.appendLittleEndian(total ?? UInt64.max)
        bytes.appendString(unit, limit: 64)
        bytes.appendString(text, limit: 4_096)
        for count in counts.prefix(64) {
            bytes.appendCounts([Count(String(count.name.wholePrefix(256)) ?? "", count.value)])
        }
    }
}

/// How much a log line matters; the names are those of swift-log.
public enum LogLevel: UInt8, Sendable, CaseIterable {
    case trace = 0
    case debug, info, notice, warning, error, critical
}

/// LOG: one line for the log.
public struct LogLine: Equatable, Sendable {
    /// How much it matters.
    public var level: LogLevel
    /// Lines that were dropped before this one, because the queue was full.
    public var dropped: UInt32
    /// The line, without its end.
    public var text: String

    /// A line.
    public init(level: LogLevel, text: String, dropped: UInt32 = 0) {
        self.level = level
        self.text = text
        self.dropped = dropped
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        let level = try reader.byte("level")
        guard let known = LogLevel(rawValue: level) else { throw .malformed("there is no log level \(level)") }
        self.level = known
        try reader.zeros(3)
        dropped = try reader.uint32("dropped")
        text = try reader.string("text")
        try reader.finish()
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(level.rawValue)
        bytes.append(contentsOf: [0, 0, 0])
        bytes.appendLittleEndian(dropped)
        bytes.appendString(text, limit: 16_384)
    }
}

/// PING, PONG and DRAIN: one number.
package struct Number: Equatable, Sendable {
    package var value: UInt64

    package init(_ value: UInt64) {
        self.value = value
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        value = try reader.uint64("value")
        try reader.finish()
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(value)
    }
}
