// SPDX-License-Identifier: Apache-2.0

/// A named number: how many rows were new, say.
public struct Count: Equatable, Sendable {
    /// What was counted.
    public var name: String
    /// How many.
    public var value: UInt64

    /// A count of something.
    public init(_ name: String, _ value: UInt64) {
        self.name = name
        self.value = value
    }
}

/// What is known only at the end of a body: counts, an exit code, what the worker has used.
public struct Trailer: Equatable, Sendable {
    /// The exit code of a program that the call ran.
    public var exitCode: UInt32?
    /// The answerer's peak resident memory, bytes (VmHWM of /proc/self/status).
    public var peakRSS: UInt64?
    /// The answerer's processor time, user and system, microseconds.
    public var cpuMicroseconds: UInt64?
    /// What was counted, in order.
    public var counts: [Count]
    /// Whatever else the answerer tells.
    public var values: [Argument]

    /// An empty trailer, or one with counts and values.
    public init(counts: [Count] = [], values: [Argument] = [], exitCode: UInt32? = nil) {
        self.counts = counts
        self.values = values
        self.exitCode = exitCode
    }

    /// The end of a call whose work failed though its body is whole: the exit code, not 0, and why, for a person.
    public init(exitCode: UInt32, reason: String) {
        self.init(values: [Argument(Self.reasonKey, reason)], exitCode: exitCode)
    }

    private static let reasonKey = "reason"

    /// Why the work failed, if ``exitCode`` says that it did and the answerer says why.
    public var reason: String? {
        guard let exitCode, exitCode != 0 else { return nil }
        return values.last { $0.key == Self.reasonKey }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    /// Reads the TLVs to the payload's end; tags that do not belong to a frame of `type` are ignored.
    init(_ payload: inout PayloadReader, in type: FrameType) throws(ProtocolViolation) {
        self.init()
        let tags = Self.tags(of: type)
        var seen = SeenTags(repeatable: Self.repeatable)
        while let (tag, value) = try payload.nextTLV() {
            try seen.insert(tag)
            if TLV.Tag.bit(tag) & tags != 0 { try read(tag, value) }
        }
    }

    /// Tags that may come more than once.
    static let repeatable = TLV.Tag.bit(TLV.Tag.count) | TLV.Tag.bit(TLV.Tag.value)

    /// Takes one TLV, if it is one of a trailer's.
    mutating func read(_ tag: UInt16, _ value: PayloadReader) throws(ProtocolViolation) {
        var reader = value
        switch tag {
        case TLV.Tag.peakRSS: peakRSS = try reader.uint64("peakRSS")
        case TLV.Tag.cpuTime: cpuMicroseconds = try reader.uint64("cpuTime")
        case TLV.Tag.exitCode: exitCode = try reader.uint32("exitCode")
        case TLV.Tag.count: counts.append(Count(try reader.string("count"), try reader.uint64("count")))
        case TLV.Tag.value:
            let key = try reader.string("value")
            values.append(Argument(key, try reader.bytes(reader.remaining, "value")))
        default: break
        }
    }

    private static func tags(of type: FrameType) -> UInt64 {
        let usage = TLV.Tag.bit(TLV.Tag.peakRSS) | TLV.Tag.bit(TLV.Tag.cpuTime)
        let counts = TLV.Tag.bit(TLV.Tag.count)
        switch type {
        case .end: return usage | counts | TLV.Tag.bit(TLV.Tag.exitCode) | TLV.Tag.bit(TLV.Tag.value)
        case .error, .bye: return usage
        case .progress: return counts
        default: return 0
        }
    }

    func encode(into bytes: inout [UInt8]) {
        if let peakRSS { bytes.appendTLV(TLV.Tag.peakRSS, peakRSS) }
        if let cpuMicroseconds { bytes.appendTLV(TLV.Tag.cpuTime, cpuMicroseconds) }
        if let exitCode { bytes.appendTLV(TLV.Tag.exitCode, exitCode) }
        bytes.appendCounts(counts)
        for value in values {
            var field: [UInt8] = []
            field.appendString(value.key)
            field.append(contentsOf: value.value)
            bytes.appendTLV(TLV.Tag.value, field)
        }
    }

    /// Whether there is nothing in it that could be long.
    var isShort: Bool { counts.isEmpty && values.isEmpty }

    /// Bytes that the trailer takes in END.
    package var encodedCount: Int {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes.count
    }
}

extension [UInt8] {
    mutating func appendCounts(_ counts: [Count]) {
        for count in counts {
            var field: [UInt8] = []
            field.appendString(count.name)
            field.appendLittleEndian(count.value)
            appendTLV(TLV.Tag.count, field)
        }
    }
}
