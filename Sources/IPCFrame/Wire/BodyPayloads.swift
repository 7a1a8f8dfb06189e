// SPDX-License-Identifier: Apache-2.0

/// ACCEPT: send the offered body, up to `limit`.
package struct Accept: Equatable, Sendable {
    package var limit: UInt64
    package var delivery: BodyDelivery

    package init(limit: UInt64, delivery: BodyDelivery = .inline) {
        self.limit = limit
        self.delivery = delivery
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        limit = try reader.uint64("limit")
        let delivery = try reader.byte("delivery")
        guard let known = BodyDelivery(rawValue: delivery) else {
            throw .malformed("delivery \(delivery) was not offered")
        }
        self.delivery = known
        try reader.zeros(7)
        try reader.finish()
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(limit)
        bytes.append(delivery.rawValue)
        bytes.append(contentsOf: [UInt8](repeating: 0, count: 7))
    }
}

/// REFUSE: why a body, and with it the call, is not taken.
package struct Refuse: Equatable, Sendable {
    package var code: ErrorCode
    package var limit: UInt64
    package var reason: String

    package init(code: ErrorCode, limit: UInt64 = 0, reason: String) {
        self.code = code
        self.limit = limit
        self.reason = reason
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        code = ErrorCode(rawValue: try reader.uint16("code"))
        limit = try reader.uint64("limit")
        reason = try reader.string("reason")
        try reader.finish()
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(code.rawValue)
        bytes.appendLittleEndian(limit)
        bytes.appendString(reason, limit: Halt.maxReason)
    }
}

/// CREDIT: absolute raw offsets of a body.
package struct Credit: Equatable, Sendable {
    package var consumed: UInt64
    package var limit: UInt64

    package init(consumed: UInt64, limit: UInt64) {
        self.consumed = consumed
        self.limit = limit
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        consumed = try reader.uint64("consumed")
        limit = try reader.uint64("limit")
        try reader.finish()
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(consumed)
        bytes.appendLittleEndian(limit)
    }
}

/// RESET and STOP: a code and a reason.
package struct Halt: Equatable, Sendable {
    package var code: ErrorCode
    package var reason: String

    /// Bytes of a reason in a frame that overtakes: many of them must fit into the bound of what may wait.
    static let maxReason = 1_024

    package init(code: ErrorCode, reason: String = "") {
        self.code = code
        self.reason = reason
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        code = ErrorCode(rawValue: try reader.uint16("code"))
        reason = try reader.string("reason")
        try reader.finish()
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(code.rawValue)
        bytes.appendString(reason, limit: Self.maxReason)
    }
}

/// END: the body is complete.
package struct End: Equatable, Sendable {
    package var total: UInt64
    package var digestKind: BodyDigest
    package var digest: UInt32
    package var trailer: Trailer

    package init(total: UInt64, digestKind: BodyDigest, digest: UInt32, trailer: Trailer) {
        self.total = total
        self.digestKind = digestKind
        self.digest = digest
        self.trailer = trailer
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        total = try reader.uint64("total")
        let kind = try reader.byte("digest")
        guard let known = BodyDigest(rawValue: kind) else { throw .malformed("digest \(kind) was not offered") }
        digestKind = known
        try reader.zeros(3)
        digest = try reader.uint32("value")
        trailer = try Trailer(&reader, in: .end)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(total)
        bytes.append(digestKind.rawValue)
        bytes.append(contentsOf: [0, 0, 0])
        bytes.appendLittleEndian(digest)
        trailer.encode(into: &bytes)
    }
}
