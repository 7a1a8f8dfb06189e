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
    /// Where the raw bytes lie, if that is the arena.
    package let place: ArenaPlace?
    /// Where the raw bytes lie, if that is a file.
    package let file: FileRange?
    /// The CRC-32 of the raw bytes, if whoever read them has computed it.
    package var crc32: UInt32?

    /// A chunk of raw bytes.
    package init(stored bytes: ArraySlice<UInt8>, isFlush: Bool = false) {
        self.rawCount = bytes.count
        self.isCompressed = false
        self.isFlush = isFlush
        self.bytes = bytes
        place = nil
        file = nil
    }

    /// A chunk whose raw bytes have been copied into the arena.
    package init(in place: ArenaPlace, isFlush: Bool = false) {
        rawCount = place.count
        isCompressed = false
        self.isFlush = isFlush
        bytes = ConnectionStateMachine.encoded { place.encode(into: &$0) }[...]
        self.place = place
        file = nil
    }

    /// A compressed chunk; `bytes` starts with the raw length.
    package init(compressed bytes: ArraySlice<UInt8>, rawCount: Int, isFlush: Bool = false) {
        self.rawCount = rawCount
        self.isCompressed = true
        self.isFlush = isFlush
        self.bytes = bytes
        place = nil
        file = nil
    }

    /// Reads a DATA frame (PROTOCOL.md §8, §10).
    init(
        flags: FrameFlags,
        payload: [UInt8],
        codec: BodyCodec,
        delivery: BodyDelivery = .inline,
        maxChunk: UInt32
    ) throws(ProtocolViolation) {
        guard !flags.contains(.file) || delivery == .descriptor, !flags.contains(.arena) || delivery == .arena else {
            throw ProtocolViolation(.unexpectedFrame, detail: "the body was not accepted with this delivery")
        }
        isFlush = flags.contains(.flush)
        isCompressed = flags.contains(.compressed)
        bytes = payload[...]
        place = flags.contains(.arena) ? try ArenaPlace(parsing: payload) : nil
        file = flags.contains(.file) ? try FileRange(parsing: payload) : nil
        if let file {
            guard !isCompressed else { throw .malformed("a compressed file") }
            rawCount = Int(file.count)
            return
        }
        if let place {
            guard !isCompressed else { throw .malformed("a compressed chunk in the arena") }
            rawCount = place.count
        } else if isCompressed {
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
    /// Slots of the arena to copy chunks into; reserved until they are sent or given back.
    package var slots = SlotSet()

    package var isEmpty: Bool { bytes == 0 || chunks == 0 }

    /// Raw bytes of the largest chunk that fits: into a slot, if there is one.
    func largestChunk(_ maxChunk: Int) -> Int {
        min(bytes, slots.isEmpty ? maxChunk : min(maxChunk, ArenaLayout.slotBytes))
    }
}
