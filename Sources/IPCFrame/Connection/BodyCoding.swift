// SPDX-License-Identifier: Apache-2.0

/// Turns pieces of a body that is sent into chunks, and computes its digest.
struct BodyEncoder {
    private var digest: CRC32Digest?
    private var deflater: ChunkDeflater?
    private let compresses: Bool
    private let codec: ChunkCodec?

    /// `proves`: the digest is computed here, if one is offered.
    init(_ offer: Offer, codec: ChunkCodec? = nil, proves: Bool = true) {
        self.codec = codec
        digest = proves && offer.digest == .crc32 ? CRC32Digest(codec: codec) : nil
        compresses = offer.codec == .zlib
    }

    /// One chunk of the next bytes; at most the connection's largest.
    mutating func encode(_ raw: ArraySlice<UInt8>, isFlush: Bool = false) -> Chunk {
        digest?.update(raw.span)
        guard compresses else { return Chunk(stored: raw, isFlush: isFlush) }
        let deflater = deflater ?? ChunkDeflater(codec: codec)
        self.deflater = deflater
        switch deflater.encode(raw.span) {
        case .stored: return Chunk(stored: raw, isFlush: isFlush)
        case .compressed(let bytes): return Chunk(compressed: bytes[...], rawCount: raw.count, isFlush: isFlush)
        }
    }

    /// The next bytes go another way.
    mutating func addToDigest(_ raw: ArraySlice<UInt8>) { digest?.update(raw.span) }

    /// The digest of everything, 0 if there is none; no more is encoded.
    mutating func finish() -> UInt32 {
        deflater = nil
        return digest?.value ?? 0
    }
}

/// Turns the chunks of a body that is received into its bytes, and checks its digest.
struct BodyDecoder {
    private var inflater: ChunkInflater?
    private var digest: CRC32Digest?
    private let codec: ChunkCodec?

    init(_ offer: Offer, codec: ChunkCodec? = nil) {
        self.codec = codec
        digest = offer.digest == .crc32 ? CRC32Digest(codec: codec) : nil
    }

    /// The raw bytes of the next chunk.
    mutating func decode(_ chunk: Chunk) throws(CallError) -> [UInt8] {
        let raw: [UInt8]
        if chunk.isCompressed {
            let inflater = inflater ?? ChunkInflater(codec: codec)
            self.inflater = inflater
            raw = try Self.inflate(chunk, inflater)
        } else {
            raw = Array(chunk.bytes)
        }
        if let crc32 = chunk.crc32 { digest?.append(crc32, count: raw.count) } else { digest?.update(raw) }
        return raw
    }

    static func inflate(_ chunk: Chunk, _ inflater: ChunkInflater) throws(CallError) -> [UInt8] {
        do throws(CodecError) {
            return try inflater.inflate(payload: Array(chunk.bytes), rawLength: chunk.rawCount)
        } catch {
            throw .corruptBody("\(error)")
        }
    }

    /// The next bytes came another way.
    mutating func addToDigest(_ raw: ArraySlice<UInt8>) { digest?.update(raw.span) }

    /// Compares the digest of everything with what END tells.
    mutating func check(_ end: End) throws(CallError) {
        inflater = nil
        guard let digest, digest.value != end.digest else { return }
        throw .digestMismatch(expected: end.digest, found: digest.value)
    }

    /// All of the body went another way, and `digest` is that of its bytes.
    mutating func adopt(_ digest: CRC32Digest?) { self.digest = digest }

    /// Nothing more will be decoded.
    mutating func drop() { inflater = nil }
}

extension WholeBody {
    /// With the digest that is offered.
    convenience init(_ bytes: [UInt8], as offer: Offer, trailer: Trailer = Trailer()) {
        var crc32 = offer.digest == .crc32 ? CRC32Digest() : nil
        crc32?.update(bytes)
        self.init(bytes[...], digest: crc32?.value ?? 0, trailer: trailer)
    }

    /// The bytes, if their digest is the one that was sent.
    func checked(as offer: Offer) throws(CallError) -> [UInt8] {
        let bytes = Array(bytes)
        if offer.digest == .crc32 {
            var found = CRC32Digest()
            found.update(bytes)
            guard found.value == digest else { throw .digestMismatch(expected: digest, found: found.value) }
        }
        return bytes
    }
}

extension Chunk {
    /// The same with the digest of its raw bytes.
    func proved(by raw: Span<UInt8>, _ codec: ChunkCodec?) -> Chunk {
        var digest = CRC32Digest(codec: codec)
        digest.update(raw)
        var chunk = self
        chunk.crc32 = digest.value
        return chunk
    }
}

extension CRC32Digest {
    /// The raw bytes of a chunk that is not compressed: its own digest if that is known, as it must be of one in the arena.
    mutating func update(with chunk: Chunk) {
        if let crc32 = chunk.crc32 { append(crc32, count: chunk.rawCount) } else { update(chunk.bytes.span) }
    }
}
