// SPDX-License-Identifier: Apache-2.0

/// One DATA frame's worth of a body.
package struct Chunk: Sendable {
    /// Raw (uncompressed) bytes.
    package let rawCount: Int
    /// Whether ``bytes`` are `rawLength u32` and a zlib stream, rather than the raw bytes themselves.
    package let isCompressed: Bool
    /// The sender wants to hear as soon as this chunk, and all before it, has been consumed.
    package let isFlush: Bool
    /// The DATA frame's payload.
    package let bytes: ArraySlice<UInt8>

    /// A chunk of raw bytes.
    package init(stored bytes: ArraySlice<UInt8>, isFlush: Bool = false) {
        self.rawCount = bytes.count
        self.isCompressed = false
        self.isFlush = isFlush
        self.bytes = bytes
    }

    /// A compressed chunk; `bytes` starts with the raw length.
    package init(compressed bytes: ArraySlice<UInt8>, rawCount: Int, isFlush: Bool = false) {
        self.rawCount = rawCount
        self.isCompressed = true
        self.isFlush = isFlush
        self.bytes = bytes
    }

    /// Reads a DATA frame (PROTOCOL.md §8).
    init(flags: FrameFlags, payload: [UInt8], codec: BodyCodec, maxChunk: UInt32) throws(ProtocolViolation) {
        guard flags.isDisjoint(with: [.arena, .file]) else {
            throw ProtocolViolation(.unexpectedFrame, detail: "this delivery was not negotiated")
        }
        isFlush = flags.contains(.flush)
        isCompressed = flags.contains(.compressed)
        bytes = payload[...]
        if isCompressed {
            guard codec == .zlib else { throw .malformed("a compressed chunk of a body that was offered without") }
            guard payload.count > 4 else { throw .malformed("a compressed chunk of \(payload.count) bytes") }
            rawCount = Int(payload.span.littleEndian32(at: 0))
            guard rawCount > 0 else { throw .malformed("a compressed chunk that declares no bytes") }
        } else {
            rawCount = payload.count
            guard rawCount > 0 || isFlush else { throw .malformed("a chunk of no bytes without FLUSH") }
        }
        guard rawCount <= Int(maxChunk) else {
            throw ProtocolViolation(
                .frameTooLarge,
                limit: UInt64(maxChunk),
                detail: "a chunk of \(rawCount) raw bytes"
            )
        }
    }
}

/// How much of a body may be handed over at once: chunks, and raw bytes in all of them together.
package struct SendRoom: Equatable, Sendable {
    package var bytes = 0
    package var chunks = 0

    package var isEmpty: Bool { bytes == 0 || chunks == 0 }
}
