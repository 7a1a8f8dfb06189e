// SPDX-License-Identifier: Apache-2.0

/// The 16 bytes before every payload (PROTOCOL.md §2).
///
///     0               4       5       6        7       8                 16
///     +---------------+-------+-------+--------+-------+-----------------+
///     | length u32    | type  | flags | descr. | zero  | stream u64      |
///     +---------------+-------+-------+--------+-------+-----------------+
package struct FrameHeader: Equatable, Sendable {
    /// Bytes that a header occupies on the wire.
    package static let byteCount = 16

    /// Bytes of payload that follow.
    package var length: UInt32
    /// The type as it came; ``type`` is nil for one that is not known.
    package var rawType: UInt8
    package var flags: FrameFlags
    /// File descriptors that come with the frame's first byte.
    package var descriptors: UInt8
    package var stream: UInt64

    package init(
        _ type: FrameType,
        flags: FrameFlags = [],
        descriptors: UInt8 = 0,
        stream: UInt64 = 0,
        length: UInt32 = 0
    ) {
        self.length = length
        self.rawType = type.rawValue
        self.flags = flags
        self.descriptors = descriptors
        self.stream = stream
    }

    package var type: FrameType? { FrameType(rawValue: rawType) }

    /// Parses the header at `offset` of `bytes`.
    ///
    /// - Precondition: 16 bytes are there.
    /// - Throws: a violation when the zero byte is not zero; whatever depends on the connection's state is its to check.
    package init(parsing bytes: Span<UInt8>, at offset: Int = 0) throws(ProtocolViolation) {
        precondition(bytes.count - offset >= Self.byteCount, "a whole header must have been read")
        length = bytes.littleEndian32(at: offset)
        rawType = bytes[offset + 4]
        flags = FrameFlags(rawValue: bytes[offset + 5])
        descriptors = bytes[offset + 6]
        stream = bytes.littleEndian64(at: offset + 8)
        guard bytes[offset + 7] == 0 else {
            throw ProtocolViolation.malformed("byte 7 of the header is \(bytes[offset + 7]), not 0\(textHint)").of(self)
        }
    }

    /// Most often a header that cannot be is the beginning of a text that was printed to the socket.
    var textHint: String {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
        guard bytes.allSatisfy({ ($0 >= 0x20 && $0 < 0x7F) || (9...13).contains($0) }) else { return "" }
        let text = String(decoding: bytes.map { max($0, 0x20) }, as: UTF8.self)
        return " (the bytes are the text '\(text)': was it printed to the socket?)"
    }

    /// The header's 16 bytes as two numbers, each of which goes out with its least byte first.
    var words: (UInt64, UInt64) {
        let kind = UInt64(rawType) | UInt64(flags.rawValue) << 8 | UInt64(descriptors) << 16
        return (UInt64(length) | kind << 32, stream)
    }

    /// Appends the header's 16 bytes.
    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(words.0)
        bytes.appendLittleEndian(words.1)
    }
}

extension Span<UInt8> {
    func littleEndian16(at offset: Int) -> UInt16 { UInt16(littleEndian: number(at: offset)) }
    func littleEndian32(at offset: Int) -> UInt32 { UInt32(littleEndian: number(at: offset)) }
    func littleEndian64(at offset: Int) -> UInt64 { UInt64(littleEndian: number(at: offset)) }

    private func number<Value: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> Value {
        let size = MemoryLayout<Value>.size
        precondition(offset >= 0 && offset <= count - size, "a number lies within the bytes")
        return unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self)
    }
}

extension [UInt8] {
    /// Appends a number's bytes, the least first.
    package mutating func appendLittleEndian<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
        // The bytes are the value's own, for the length of the call.
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }
}
