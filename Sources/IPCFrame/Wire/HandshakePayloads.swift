// SPDX-License-Identifier: Apache-2.0

/// The limits that both ends of a connection keep (PROTOCOL.md §3).
public struct ConnectionLimits: Equatable, Sendable {
    /// Raw bytes of one chunk; 4,096 to 1,048,576.
    public var maxChunk: UInt32 = 262_144
    /// Calls open at once in each direction; 1 to 65,536.
    public var maxStreams: UInt32 = 128
    /// Raw bytes of a body that may be sent without ACCEPT; 0 to 1,048,576.
    public var initialCredit: UInt32 = 65_536

    /// The defaults of the protocol.
    public init() {}

    /// Bytes of payload that one frame may have once the handshake is over.
    package var maxPayload: UInt32 { max(maxChunk, 65_536) + 1_024 }

    /// Bytes of payload that a handshake frame may have.
    package static let maxHandshakePayload: UInt32 = 4_096
    /// Bytes of the whole payload of REQUEST and RESPONSE.
    package static let maxArguments = 65_536
    /// Descriptors that one frame may carry.
    package static let maxDescriptors: UInt8 = 8

    /// The first limit that is out of its range, told for a person.
    package var fault: String? { faultAndBound?.fault }

    /// The first limit that is out of its range, and the bound that it passes.
    var faultAndBound: (fault: String, bound: UInt64)? {
        Self.fault("maxChunk", maxChunk, Self.maxChunkRange)
            ?? Self.fault("maxStreams", maxStreams, Self.maxStreamsRange)
            ?? Self.fault("initialCredit", initialCredit, Self.initialCreditRange)
    }

    private static func fault(
        _ name: String,
        _ value: UInt32,
        _ range: ClosedRange<UInt32>
    ) -> (fault: String, bound: UInt64)? {
        guard !range.contains(value) else { return nil }
        let bound = value < range.lowerBound ? range.lowerBound : range.upperBound
        return ("\(name) \(value) is not in \(range.lowerBound)...\(range.upperBound)", UInt64(bound))
    }

    static let maxChunkRange: ClosedRange<UInt32> = 4_096...1_048_576
    static let maxStreamsRange: ClosedRange<UInt32> = 1...65_536
    static let initialCreditRange: ClosedRange<UInt32> = 0...1_048_576

    func lowered(to other: ConnectionLimits) -> ConnectionLimits {
        var result = self
        result.maxChunk = min(maxChunk, other.maxChunk)
        result.maxStreams = min(maxStreams, other.maxStreams)
        result.initialCredit = min(initialCredit, other.initialCredit)
        return result
    }
}

/// What one end can do and is, as HELLO states it and WELCOME puts it in force.
package struct Capabilities: Equatable, Sendable {
    package var limits = ConnectionLimits()
    /// Bit n: codec n.
    package var codecs: UInt32 = 0x3
    /// Bit n: digest n.
    package var digests: UInt32 = 0x3
    /// Bit 0: ``arena``, bit 1: ``descriptor``, bit 2: ``whole``.
    package var features: UInt64 = 0
    package var name = ""
    package var pid: UInt32 = 0

    /// The feature of delivery by arena.
    package static let arena: UInt64 = 1
    /// The feature of delivery by descriptor.
    package static let descriptor: UInt64 = 2
    /// The feature of small bodies that come with the frame that opens them.
    package static let whole: UInt64 = 4

    package init() {}

    init(_ payload: inout PayloadReader) throws(ProtocolViolation) {
        var seen = SeenTags()
        while let (tag, value) = try payload.nextTLV() {
            try seen.insert(tag)
            var reader = value
            switch tag {
            case TLV.Tag.maxChunk: limits.maxChunk = try reader.uint32("maxChunk")
            case TLV.Tag.maxStreams: limits.maxStreams = try reader.uint32("maxStreams")
            case TLV.Tag.initialCredit: limits.initialCredit = try reader.uint32("initialCredit")
            case TLV.Tag.codecs: codecs = try reader.uint32("codecs") | 1
            case TLV.Tag.digests: digests = try reader.uint32("digests") | 1
            case TLV.Tag.features: features = try reader.uint64("features")
            case TLV.Tag.name:
                guard reader.remaining <= 256 else { throw .malformed("a name of \(reader.remaining) bytes") }
                name = try reader.text(reader.remaining, "name")
            case TLV.Tag.pid: pid = try reader.uint32("pid")
            default: continue
            }
        }
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.appendTLV(TLV.Tag.maxChunk, limits.maxChunk)
        bytes.appendTLV(TLV.Tag.maxStreams, limits.maxStreams)
        bytes.appendTLV(TLV.Tag.initialCredit, limits.initialCredit)
        bytes.appendTLV(TLV.Tag.codecs, codecs)
        bytes.appendTLV(TLV.Tag.digests, digests)
        bytes.appendTLV(TLV.Tag.features, features)
        bytes.appendTLV(TLV.Tag.name, Array(name.wholePrefix(256)))
        bytes.appendTLV(TLV.Tag.pid, pid)
        bytes.appendTLV(TLV.Tag.grease, [])
    }
}

/// HELLO: the child's first frame.
package struct Hello: Equatable, Sendable {
    /// Bytes that cannot be text.
    package static let magic: [UInt8] = [0xFF, 0x49, 0x50, 0x43, 0x46, 0x0D, 0x0A, 0x00]

    package var minVersion: UInt16
    package var maxVersion: UInt16
    package var capabilities: Capabilities

    package init(minVersion: UInt16 = 1, maxVersion: UInt16 = 1, capabilities: Capabilities) {
        self.minVersion = minVersion
        self.maxVersion = maxVersion
        self.capabilities = capabilities
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        guard try reader.bytes(8, "magic") == Self.magic else {
            throw .malformed("the magic bytes are wrong: this is no IPCFrame child")
        }
        minVersion = try reader.uint16("minVersion")
        maxVersion = try reader.uint16("maxVersion")
        capabilities = try Capabilities(&reader)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(contentsOf: Self.magic)
        bytes.appendLittleEndian(minVersion)
        bytes.appendLittleEndian(maxVersion)
        capabilities.encode(into: &bytes)
    }
}

/// WELCOME: the version and the limits in force.
package struct Welcome: Equatable, Sendable {
    package var version: UInt16
    package var capabilities: Capabilities

    package init(version: UInt16, capabilities: Capabilities) {
        self.version = version
        self.capabilities = capabilities
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        version = try reader.uint16("version")
        capabilities = try Capabilities(&reader)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(version)
        capabilities.encode(into: &bytes)
    }
}

/// REJECT: why there will be no connection.
package struct Reject: Equatable, Sendable {
    package var code: ErrorCode
    package var minVersion: UInt16
    package var maxVersion: UInt16
    package var limit: UInt64
    package var reason: String

    package init(code: ErrorCode, minVersion: UInt16, maxVersion: UInt16, limit: UInt64, reason: String) {
        self.code = code
        self.minVersion = minVersion
        self.maxVersion = maxVersion
        self.limit = limit
        self.reason = reason
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        code = ErrorCode(rawValue: try reader.uint16("code"))
        minVersion = try reader.uint16("minVersion")
        maxVersion = try reader.uint16("maxVersion")
        limit = try reader.uint64("limit")
        reason = try reader.string("reason")
        try reader.skipTLVs()
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(code.rawValue)
        bytes.appendLittleEndian(minVersion)
        bytes.appendLittleEndian(maxVersion)
        bytes.appendLittleEndian(limit)
        bytes.appendString(reason)
    }
}
