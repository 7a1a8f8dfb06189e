// SPDX-License-Identifier: Apache-2.0

/// One named value of a request or a response: ordered, any bytes.
public struct Argument: Equatable, Sendable {
    /// The name, UTF-8.
    public var key: String
    /// The value, any bytes.
    public var value: [UInt8]

    /// A value of bytes.
    public init(_ key: String, _ value: [UInt8]) {
        self.key = key
        self.value = value
    }

    /// A value of text.
    public init(_ key: String, _ value: String) {
        self.init(key, Array(value.utf8))
    }
}

/// How a body's chunks are coded.
public enum BodyCodec: UInt8, Sendable {
    case none = 0
    case zlib = 1
}

/// What proves at its end that a body is whole.
public enum BodyDigest: UInt8, Sendable {
    case none = 0
    /// CRC-32 of RFC 1952 over the raw bytes.
    case crc32 = 1
}

/// How a body's bytes travel.
package enum BodyDelivery: UInt8, Sendable {
    case inline = 0
    case arena = 1
    case descriptor = 2
}

/// What a sender says of a body before it sends it (PROTOCOL.md §4).
package struct Offer: Equatable, Sendable {
    package static let unknownSize = UInt64.max

    /// Raw bytes; nil when unknown.
    package var size: UInt64?
    package var codec: BodyCodec
    package var delivery: BodyDelivery
    package var digest: BodyDigest
    /// Nothing is sent before ACCEPT, however small the body is.
    package var isHeld: Bool

    package init(
        size: UInt64?,
        codec: BodyCodec = .none,
        delivery: BodyDelivery = .inline,
        digest: BodyDigest = .none,
        isHeld: Bool = false
    ) {
        self.size = size
        self.codec = codec
        self.delivery = delivery
        self.digest = digest
        self.isHeld = isHeld
    }

    /// Whether the body is sent without waiting for a verdict.
    package func isSentAtOnce(initialCredit: UInt32) -> Bool {
        guard let size, !isHeld else { return false }
        return size <= UInt64(initialCredit)
    }

    init(_ reader: inout PayloadReader) throws(ProtocolViolation) {
        let size = try reader.uint64("size")
        self.size = size == Self.unknownSize ? nil : size
        let codec = try reader.byte("codec")
        guard let known = BodyCodec(rawValue: codec) else { throw .malformed("codec \(codec) is not in force") }
        self.codec = known
        let delivery = try reader.byte("delivery")
        guard let known = BodyDelivery(rawValue: delivery) else {
            throw .malformed("delivery \(delivery) is not in force")
        }
        self.delivery = known
        let digest = try reader.byte("digest")
        guard let known = BodyDigest(rawValue: digest) else { throw .malformed("digest \(digest) is not in force") }
        self.digest = known
        isHeld = try reader.byte("flags") & 1 != 0
        try reader.zeros(4)
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(size ?? Self.unknownSize)
        // A byte each, the first the least, and four of zero.
        let kinds = UInt64(codec.rawValue) | UInt64(delivery.rawValue) << 8 | UInt64(digest.rawValue) << 16
        bytes.appendLittleEndian(kinds | (isHeld ? 1 << 24 : 0))
    }
}

/// REQUEST: opens a call.
package struct Request: Equatable, Sendable {
    /// Milliseconds that remain; nil: no deadline.
    package var deadline: UInt64?
    package var offer: Offer
    package var method: String
    package var arguments: [Argument]
    /// The whole body, where it comes with the frame.
    package var whole: WholeBody?

    package init(
        method: String,
        arguments: [Argument] = [],
        deadline: UInt64? = nil,
        offer: Offer,
        whole: WholeBody? = nil
    ) {
        self.deadline = deadline
        self.offer = offer
        self.method = method
        self.arguments = arguments
        self.whole = whole
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        let deadline = try reader.uint64("deadline")
        self.deadline = deadline == UInt64.max ? nil : deadline
        offer = try Offer(&reader)
        method = try reader.string("method")
        guard (1...256).contains(method.utf8.count) else {
            throw .malformed("the method's name has \(method.utf8.count) bytes, not 1 to 256")
        }
        arguments = try reader.arguments()
        whole = try WholeBody.read(&reader)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(deadline ?? UInt64.max)
        offer.encode(into: &bytes)
        bytes.appendString(method)
        bytes.appendArguments(arguments)
        whole?.encode(into: &bytes)
    }
}

/// RESPONSE: precedes the response body.
package struct ResponseHead: Equatable, Sendable {
    package var offer: Offer
    package var arguments: [Argument]
    /// The whole body, where it comes with the frame.
    package var whole: WholeBody?

    package init(offer: Offer, arguments: [Argument] = [], whole: WholeBody? = nil) {
        self.offer = offer
        self.arguments = arguments
        self.whole = whole
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        offer = try Offer(&reader)
        arguments = try reader.arguments()
        whole = try WholeBody.read(&reader)
    }

    package func encode(into bytes: inout [UInt8]) {
        offer.encode(into: &bytes)
        bytes.appendArguments(arguments)
        whole?.encode(into: &bytes)
    }
}

extension PayloadReader {
    mutating func arguments() throws(ProtocolViolation) -> [Argument] {
        let count = Int(try uint16("argument count"))
        // Each takes six bytes at least: what cannot be there is not reserved.
        guard count * 6 <= remaining else { throw .malformed("\(count) arguments in \(remaining) bytes") }
        var result: [Argument] = []
        result.reserveCapacity(count)
        for _ in 0..<count {
            let key = try string("argument key")
            let length = try uint32("argument length")
            guard UInt64(length) <= UInt64(remaining) else {
                throw .malformed("argument '\(key)' declares \(length) bytes where \(remaining) are left")
            }
            result.append(Argument(key, try bytes(Int(length), "argument value")))
        }
        return result
    }
}

extension [UInt8] {
    mutating func appendArguments(_ arguments: [Argument]) {
        appendLittleEndian(UInt16(arguments.count))
        for argument in arguments {
            appendString(argument.key)
            appendLittleEndian(UInt32(argument.value.count))
            append(contentsOf: argument.value)
        }
    }
}
