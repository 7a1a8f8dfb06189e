// SPDX-License-Identifier: Apache-2.0

internal import CZlib

/// Makes gzip of the bytes that it is given.
@safe
final class GzipWriter {
    // At a fixed address: zlib keeps a pointer back to it.
    private let stream: UnsafeMutablePointer<z_stream>
    private var isOpen = false
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    init() throws(TableError) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // 16 asks for gzip; 8 is zlib's usual memory level.
        let code = unsafe deflateInit2_(
            stream,
            6,
            Z_DEFLATED,
            15 + 16,
            8,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            CInt(MemoryLayout<z_stream>.size)
        )
        guard code == Z_OK else { throw TableError(.internal, "zlib cannot start (\(code))") }
        isOpen = true
    }

    deinit {
        if isOpen { unsafe deflateEnd(stream) }
        unsafe stream.deallocate()
    }

    /// Appends to `output` what comes out for `input`; with `isEnd`, all that is left.
    func write(_ input: [UInt8], isEnd: Bool, to output: inout [UInt8]) {
        // zlib reads and writes within the two buffers, which outlive the calls; it does not write to its input.
        unsafe input.withUnsafeBufferPointer { source in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(source.count)
            var written = 0
            repeat {
                unsafe buffer.withUnsafeMutableBufferPointer { target in
                    unsafe stream.pointee.next_out = target.baseAddress
                    unsafe stream.pointee.avail_out = UInt32(target.count)
                    // Cannot fail: the stream is open, and there is room.
                    _ = unsafe deflate(stream, isEnd ? Z_FINISH : Z_NO_FLUSH)
                    written = unsafe target.count - Int(stream.pointee.avail_out)
                }
                output.append(contentsOf: buffer[..<written])
            } while written == buffer.count
        }
    }
}
