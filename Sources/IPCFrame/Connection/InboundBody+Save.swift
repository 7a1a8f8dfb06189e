// SPDX-License-Identifier: Apache-2.0
internal import Glibc

// A body that goes to a file.
extension InboundBody {
    /// Writes the body to a file; blocks the calling thread while it writes.
    ///
    /// The open descriptor `file` stays the caller's. A flush that the sender asks for is an fsync.
    public func save(toDescriptor file: CInt) async throws(CallError) {
        while let piece = try await nextPiece() {
            do throws(SystemError) {
                try Self.writeAll(piece.bytes, to: file)
                if piece.isFlush, fsync(file) != 0, errno != EINVAL, errno != EROFS {
                    throw SystemError(call: "fsync", errno: errno)
                }
            } catch {
                let failure = CallError.sink(error)
                await fail(failure)
                throw failure
            }
        }
    }

    private static func writeAll(_ bytes: [UInt8], to file: CInt) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            // The buffer is the array's own, for the length of the call.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe write(file, buffer.baseAddress.map { unsafe $0 + written }, buffer.count - written)
            }
            if count < 0 {
                guard errno == EINTR else { throw SystemError(call: "write", errno: errno) }
                continue
            }
            written += count
        }
    }
}
