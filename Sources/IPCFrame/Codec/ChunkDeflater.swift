// SPDX-License-Identifier: Apache-2.0

import CLinux
import CZlib

/// How a chunk travels.
package enum EncodedChunk: Equatable, Sendable {
    /// As it is: DATA without COMPRESSED.
    case stored
    /// The payload of DATA with COMPRESSED: the raw length and the zlib stream.
    case compressed([UInt8])
}

/// Compresses the chunks of one body, one after the other.
///
/// Belongs to one sender; it has no locks.
package final class ChunkDeflater {
    private let library: any DeflatingLibrary
    private var policy = CompressionPolicy()
    /// Deflated into, then copied from in its exact size: queued payloads hold no spare room.
    private var scratch: [UInt8] = []

    /// With the library in force, unless another is named.
    package init(codec: ChunkCodec? = nil) {
        switch codec ?? .current {
        case .zlib: library = ZlibDeflater()
        case .isal: library = ISALDeflater()
        }
    }

    /// The next chunk of the body, compressed where that is worth it.
    package func encode(_ raw: Span<UInt8>) -> EncodedChunk {
        guard policy.shouldTry(rawCount: raw.count) else { return .stored }
        let payload = compress(raw, within: CompressionPolicy.largestPayload(forRaw: raw.count))
        policy.tried(compressed: payload != nil)
        return payload.map(EncodedChunk.compressed) ?? .stored
    }

    package func encode(_ raw: [UInt8]) -> EncodedChunk {
        encode(raw.span)
    }

    package func compress(_ raw: [UInt8], within capacity: Int) -> [UInt8]? {
        compress(raw.span, within: capacity)
    }

    /// The raw length and the zlib stream, or nil when they do not fit into `capacity` bytes.
    package func compress(_ raw: Span<UInt8>, within capacity: Int) -> [UInt8]? {
        let prefix = 4
        guard raw.count <= Int(UInt32.max), capacity > prefix else { return nil }
        if scratch.count < capacity { scratch = [UInt8](repeating: 0, count: capacity) }
        let size = unsafe raw.withUnsafeBufferPointer { input in
            unsafe scratch.withUnsafeMutableBufferPointer { output in
                // `scratch` has at least `capacity` bytes: what follows the prefix is what the stream may fill.
                let room = unsafe UnsafeMutableBufferPointer(rebasing: output[prefix..<capacity])
                return unsafe library.deflate(input, into: room)
            }
        }
        guard let size else { return nil }
        var payload: [UInt8] = []
        payload.reserveCapacity(prefix + size)
        payload.appendLittleEndian(UInt32(raw.count))
        payload.append(contentsOf: scratch[prefix..<prefix + size])
        return payload
    }
}

/// What a library does for ``ChunkDeflater``.
private protocol DeflatingLibrary: AnyObject {
    /// Deflates into `output`; gives the stream's bytes, or nil when they do not fit.
    func deflate(_ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>) -> Int?
}

/// zlib's deflate, level 1, its state kept from chunk to chunk.
@safe private final class ZlibDeflater: DeflatingLibrary {
    // zlib keeps the address of its stream: it must not move, so it lives on the heap.
    private let stream: UnsafeMutablePointer<z_stream>

    init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let result = unsafe deflateInit_(stream, 1, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
        precondition(result == Z_OK, "zlib refuses to start: no memory (\(result))")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// The size of the stream written to `output`, or nil when it does not fit.
    func deflate(_ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>) -> Int? {
        unsafe deflateReset(stream)
        // zlib's `next_in` is not const in C, and is only read.
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.next_out = output.baseAddress
        unsafe stream.pointee.avail_out = UInt32(output.count)
        guard unsafe CZlib.deflate(stream, Z_FINISH) == Z_STREAM_END else { return nil }
        return unsafe output.count - Int(stream.pointee.avail_out)
    }
}

/// ISA-L's deflate, level 1.
@safe private final class ISALDeflater: DeflatingLibrary {
    private let state: OpaquePointer

    init() {
        precondition(clinux_isal_load() == 0, "ISA-L is asked for and cannot be loaded")
        guard let made = unsafe clinux_isal_deflater_make() else { fatalError("no memory for ISA-L's deflate") }
        unsafe state = made
    }

    deinit {
        unsafe clinux_isal_deflater_free(state)
    }

    /// The size of the stream written to `output`, or nil when it does not fit.
    func deflate(_ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>) -> Int? {
        let size = unsafe clinux_isal_deflate(
            state,
            input.baseAddress,
            UInt32(input.count),
            output.baseAddress,
            UInt32(output.count)
        )
        return size < 0 ? nil : Int(size)
    }
}
