// SPDX-License-Identifier: Apache-2.0

/// A cursor over one payload.
///
/// Every read checks that the bytes are there.
struct PayloadReader {
    private let bytes: [UInt8]
    private var offset = 0
    private var end: Int

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        end = bytes.count
    }

    var remaining: Int { end - offset }

    private mutating func advance(_ count: Int, _ field: StaticString) throws(ProtocolViolation) -> Int {
        guard remaining >= count else {
            throw .malformed("the payload ends inside its field '\(field)'")
        }
        defer { offset += count }
        return offset
    }

    mutating func byte(_ field: StaticString) throws(ProtocolViolation) -> UInt8 {
        bytes[try advance(1, field)]
    }

    mutating func uint16(_ field: StaticString) throws(ProtocolViolation) -> UInt16 {
        let start = try advance(2, field)
        return bytes.span.littleEndian16(at: start)
    }

    mutating func uint32(_ field: StaticString) throws(ProtocolViolation) -> UInt32 {
        let start = try advance(4, field)
        return bytes.span.littleEndian32(at: start)
    }

    mutating func uint64(_ field: StaticString) throws(ProtocolViolation) -> UInt64 {
        let start = try advance(8, field)
        return bytes.span.littleEndian64(at: start)
    }

    mutating func bytes(_ count: Int, _ field: StaticString) throws(ProtocolViolation) -> [UInt8] {
        let start = try advance(count, field)
        return Array(bytes[start..<start + count])
    }

    /// All that is left, without a copy.
    mutating func rest() -> ArraySlice<UInt8> {
        defer { offset = end }
        return bytes[offset..<end]
    }

    mutating func zeros(_ count: Int) throws(ProtocolViolation) {
        let start = try advance(count, "zero")
        guard bytes[start..<start + count].allSatisfy({ $0 == 0 }) else {
            throw .malformed("a reserved byte is not 0")
        }
    }

    mutating func string(_ field: StaticString) throws(ProtocolViolation) -> String {
        let count = Int(try uint16(field))
        return try text(count, field)
    }

    mutating func text(_ count: Int, _ field: StaticString) throws(ProtocolViolation) -> String {
        let start = try advance(count, field)
        do {
            return String(copying: try UTF8Span(validating: bytes.span.extracting(start..<start + count)))
        } catch {
            throw .malformed("the field '\(field)' is not UTF-8")
        }
    }

    /// The next of the TLVs that fill the payload to its end: its tag, and a reader of its value.
    mutating func nextTLV() throws(ProtocolViolation) -> (tag: UInt16, value: PayloadReader)? {
        guard remaining > 0 else { return nil }
        let tag = try uint16("tag")
        let count = try uint32("TLV length")
        guard UInt64(count) <= UInt64(remaining) else {
            throw .malformed("a TLV declares \(count) bytes where \(remaining) are left")
        }
        var value = self
        value.end = offset + Int(count)
        offset = value.end
        return (tag, value)
    }

    /// TLVs to the payload's end, none of which means anything here.
    mutating func skipTLVs() throws(ProtocolViolation) {
        while try nextTLV() != nil {}
    }

    /// Call when the layout is complete and no TLVs may follow.
    func finish() throws(ProtocolViolation) {
        guard remaining == 0 else { throw .malformed("\(remaining) bytes after the end of the payload's layout") }
    }
}

/// Tag, length, value: how payloads grow without a new version.
enum TLV {
    /// Tags that PROTOCOL.md §4 defines.
    enum Tag {
        static let maxChunk: UInt16 = 0x0001
        static let maxStreams: UInt16 = 0x0002
        static let initialCredit: UInt16 = 0x0003
        static let codecs: UInt16 = 0x0004
        static let digests: UInt16 = 0x0005
        static let features: UInt16 = 0x0006
        static let name: UInt16 = 0x0007
        static let pid: UInt16 = 0x0008
        static let peakRSS: UInt16 = 0x0020
        static let cpuTime: UInt16 = 0x0021
        static let exitCode: UInt16 = 0x0022
        static let count: UInt16 = 0x0023
        static let value: UInt16 = 0x0024
        static let body: UInt16 = 0x0025
        static let digest: UInt16 = 0x0026
        /// Every tag with a meaning, as a set of ``bit(_:)``.
        static let known: UInt64 = 0x7F_0000_01FE

        /// The tag's place in a set of tags; none for one that has no meaning yet.
        static func bit(_ tag: UInt16) -> UInt64 { tag < 64 ? 1 << UInt64(tag) : 0 }

        /// Means nothing; keeps receivers honest (the idea is RFC 8701's).
        static let grease: UInt16 = 0xFF2A
    }
}

/// The tags that a payload has had, of which each may come once, save those that may be repeated.
struct SeenTags {
    private var seen: UInt64 = 0
    private let repeatable: UInt64

    /// A set of ``TLV/Tag/bit(_:)``.
    init(repeatable: UInt64 = 0) { self.repeatable = repeatable }

    mutating func insert(_ tag: UInt16) throws(ProtocolViolation) {
        let bit = TLV.Tag.bit(tag) & TLV.Tag.known & ~repeatable
        guard seen & bit == 0 else { throw .malformed("the tag \(tag) is there twice") }
        seen |= bit
    }
}

extension String {
    /// The first `limit` bytes of UTF-8, or fewer: no character is cut in two.
    func wholePrefix(_ limit: Int) -> Substring.UTF8View {
        var end = utf8.index(utf8.startIndex, offsetBy: limit, limitedBy: utf8.endIndex) ?? utf8.endIndex
        // A byte 10xxxxxx continues the character before it.
        while end != utf8.endIndex, end != utf8.startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return self[..<end].utf8
    }
}

extension [UInt8] {
    /// Appends a string with its u16 length; what is longer than `limit` bytes is cut at a character.
    mutating func appendString(_ text: String, limit: Int = Int(UInt16.max)) {
        guard text.utf8.count > limit else {
            appendLittleEndian(UInt16(text.utf8.count))
            append(contentsOf: text.utf8)
            return
        }
        let bytes = text.wholePrefix(limit)
        appendLittleEndian(UInt16(bytes.count))
        append(contentsOf: bytes)
    }

    mutating func appendTLV(_ tag: UInt16, _ value: some Collection<UInt8>) {
        appendTLVHeader(tag, count: value.count)
        append(contentsOf: value)
    }

    mutating func appendTLV<Value: FixedWidthInteger & UnsignedInteger>(_ tag: UInt16, _ value: Value) {
        appendTLVHeader(tag, count: Value.bitWidth / 8)
        appendLittleEndian(value)
    }

    private mutating func appendTLVHeader(_ tag: UInt16, count: Int) {
        let header = UInt64(tag) | UInt64(UInt32(count)) << 16
        // The first six bytes of the number's own, for the length of the call.
        unsafe Swift.withUnsafeBytes(of: header.littleEndian) { unsafe append(contentsOf: $0.prefix(6)) }
    }
}
