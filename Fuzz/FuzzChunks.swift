// SPDX-License-Identifier: Apache-2.0

// A raw length and a zlib stream: inflating must stay inside its bounds and both libraries must say the same. The
// same bytes, compressed by each, must come back from each.

private let codecs: [ChunkCodec] = [.zlib, .isal].filter(\.isAvailable)
nonisolated(unsafe) private let inflaters = codecs.map { ChunkInflater(codec: $0) }
nonisolated(unsafe) private let deflaters = codecs.map { ChunkDeflater(codec: $0) }

/// What libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzzChunks(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzInput(start, count)
    let payload = input.rest()
    inflate(payload)
    if !payload.isEmpty { deflate(payload) }
    return 0
}

private func inflate(_ payload: [UInt8]) {
    guard let length = try? ChunkInflater.rawLength(declaredBy: payload.span, maxChunk: 65_536) else { return }
    var results: [[UInt8]?] = []
    for inflater in unsafe inflaters {
        let raw = try? inflater.inflate(payload: payload, rawLength: length)
        require(raw == nil || raw?.count == length, "\(raw?.count ?? 0) bytes were made where \(length) were declared")
        results.append(raw)
    }
    require(results.allSatisfy { $0 == results.first }, "the libraries do not agree: \(results.map { $0 != nil })")
}

private func deflate(_ raw: [UInt8]) {
    for deflater in unsafe deflaters {
        guard let payload = deflater.compress(raw, within: raw.count + raw.count / 8 + 300) else {
            fatalError("\(raw.count) bytes do not compress into a little more")
        }
        for inflater in unsafe inflaters {
            let back = try? inflater.inflate(payload: payload, rawLength: raw.count)
            require(back == raw, "other bytes come back")
        }
    }
}
