// SPDX-License-Identifier: Apache-2.0

import CLinux
import CZlib
import Glibc

/// Inflates the chunks of one body, one after the other.
///
/// Belongs to one receiver; it has no locks. Exactly the declared number of bytes is made, whatever the stream holds: nothing can grow beyond it.
package final class ChunkInflater {
    private let library: any InflatingLibrary

    /// With the library in force, unless another is named.
    package init(codec: ChunkCodec? = nil) {
        switch codec ?? .current {
        case .zlib: library = ZlibInflater()
        case .isal: library = ISALInflater()
        }
    }

    /// The raw length that the payload of a DATA frame with COMPRESSED declares, checked against the limit.
    package static func rawLength(
        declaredBy payload: Span<UInt8>,
        maxChunk: UInt32
    ) throws(ProtocolViolation) -> Int {
        guard payload.count >= 4 else {
            throw .malformed("a compressed chunk of \(payload.count) bytes has no raw length")
        }
        let length = payload.littleEndian32(at: 0)
        guard length > 0 else { throw .malformed("a compressed chunk declares 0 raw bytes") }
        guard length <= maxChunk else {
            throw ProtocolViolation(
                .frameTooLarge,
                limit: UInt64(maxChunk),
                detail: "a compressed chunk declares \(length) raw bytes"
            )
        }
        return Int(length)
    }

    /// The raw bytes of a DATA payload with COMPRESSED whose raw length has been checked.
    package func inflate(payload: [UInt8], rawLength: Int) throws(CodecError) -> [UInt8] {
        guard payload.count >= 4 else { throw .tooShort }
        return try inflate(payload.span.extracting(4..<payload.count), rawLength: rawLength)
    }

    /// The raw bytes of one complete zlib stream that holds exactly `rawLength` of them.
    package func inflate(_ stream: Span<UInt8>, rawLength: Int) throws(CodecError) -> [UInt8] {
        precondition(rawLength > 0, "the raw length of a chunk must have been checked")
        guard stream.count >= 2 else { throw .tooShort }
        guard Self.hasRightHeader(stream) else { throw .damaged }
        var failure: CodecError?
        let raw = unsafe stream.withUnsafeBufferPointer { input in
            unsafe [UInt8](unsafeUninitializedCapacity: rawLength) { output, count in
                // Both write only inside the bounds of `output`, and fill all of it when they report no failure.
                failure = unsafe library.inflate(input, into: output, count: rawLength)
                count = failure == nil ? rawLength : 0
            }
        }
        if let failure { throw failure }
        return raw
    }

    /// RFC 1950 §2.2: method 8, a window of at most 32 KiB, a right check, and no preset dictionary.
    ///
    /// Looked at here, so that both libraries take and refuse the same.
    private static func hasRightHeader(_ stream: Span<UInt8>) -> Bool {
        let (cmf, flg) = (stream[0], stream[1])
        return cmf & 0x0F == 8 && cmf >> 4 <= 7 && flg & 0x20 == 0 && (UInt16(cmf) << 8 | UInt16(flg)) % 31 == 0
    }
}

/// What a library does for ``ChunkInflater``.
private protocol InflatingLibrary: AnyObject {
    /// Inflates into `output` exactly `count` bytes, or says what is wrong.
    func inflate(
        _ input: UnsafeBufferPointer<UInt8>,
        into output: UnsafeMutableBufferPointer<UInt8>,
        count: Int
    ) -> CodecError?
}

/// zlib's inflate, its state kept from chunk to chunk.
@safe private final class ZlibInflater: InflatingLibrary {
    // zlib keeps the address of its stream: it must not move, so it lives on the heap.
    private let stream: UnsafeMutablePointer<z_stream>

    init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let result = unsafe inflateInit_(stream, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
        precondition(result == Z_OK, "zlib refuses to start: no memory (\(result))")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    func inflate(
        _ input: UnsafeBufferPointer<UInt8>,
        into output: UnsafeMutableBufferPointer<UInt8>,
        count: Int
    ) -> CodecError? {
        unsafe inflateReset(stream)
        // zlib's `next_in` is not const in C, and is only read.
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.next_out = output.baseAddress
        unsafe stream.pointee.avail_out = UInt32(count)
        switch unsafe CZlib.inflate(stream, Z_FINISH) {
        case Z_STREAM_END:
            if unsafe stream.pointee.avail_out > 0 { return .tooShort }
            return unsafe stream.pointee.avail_in > 0 ? .trailingBytes : nil
        case Z_OK, Z_BUF_ERROR:
            return isCutOff() ? .tooShort : .tooLong
        default:
            return .damaged
        }
    }

    /// Whether the stream ended for want of input: with one byte more of room it still makes nothing.
    private func isCutOff() -> Bool {
        guard unsafe stream.pointee.avail_out == 0 else { return true }
        var spare: UInt8 = 0
        return unsafe withUnsafeMutablePointer(to: &spare) { room in
            unsafe stream.pointee.next_out = room
            unsafe stream.pointee.avail_out = 1
            unsafe _ = CZlib.inflate(stream, Z_FINISH)
            return unsafe stream.pointee.avail_out == 1
        }
    }
}

/// ISA-L's inflate.
@safe private final class ISALInflater: InflatingLibrary {
    private let state: OpaquePointer

    init() {
        precondition(clinux_isal_load() == 0, "ISA-L is asked for and cannot be loaded")
        guard let made = unsafe clinux_isal_inflater_make() else { fatalError("no memory for ISA-L's inflate") }
        unsafe state = made
    }

    deinit {
        unsafe clinux_isal_inflater_free(state)
    }

    func inflate(
        _ input: UnsafeBufferPointer<UInt8>,
        into output: UnsafeMutableBufferPointer<UInt8>,
        count: Int
    ) -> CodecError? {
        switch unsafe clinux_isal_inflate(
            state,
            input.baseAddress,
            UInt32(input.count),
            output.baseAddress,
            UInt32(count)
        )
        {
        case 0: nil
        case -ENODATA: .tooShort
        case -ENOSPC: .tooLong
        case -E2BIG: .trailingBytes
        default: .damaged
        }
    }
}
