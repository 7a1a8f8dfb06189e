// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// A descriptor that is closed, if it is ours, when nobody reads it any more.
final class OpenFile: Sendable {
    let descriptor: CInt
    private let isOwner: Bool

    init(_ descriptor: CInt, isOwner: Bool) {
        self.descriptor = descriptor
        self.isOwner = isOwner
    }

    deinit {
        if isOwner { _ = close(descriptor) }
    }
}

/// A body that is a part of a file, so that the file itself can be sent.
struct FilePart: Sendable {
    let file: OpenFile
    let range: FileRange
    /// All of the file: its receiver sees no more of it than it is meant to.
    let isWhole: Bool

    /// The file once more, for the receiver: read-only, and with an offset and flags that are not the caller's.
    ///
    /// Nil where it cannot be had: then the bytes are sent.
    func reopened() -> PassedDescriptor? {
        let file = clinux_file_reopen(file.descriptor)
        return file >= 0 ? PassedDescriptor(adopting: file) : nil
    }
}

/// A body that has come as a part of a file, in the hands of its reader.
struct ReceivedFile: Sendable {
    /// Bytes of a piece.
    static let pieceBytes = 256 << 10

    private let descriptor: PassedDescriptor
    private let range: FileRange
    /// The sender waits to hear that all of it has been consumed.
    private let isFlush: Bool
    /// Raw bytes that were read.
    private var position: UInt64 = 0

    init(_ descriptor: PassedDescriptor, _ range: FileRange, isFlush: Bool) {
        self.descriptor = descriptor
        self.range = range
        self.isFlush = isFlush
    }

    var isAtEnd: Bool { position == range.count }

    /// Whether the piece that was read last is one to flush.
    var isFlushDue: Bool { isFlush && isAtEnd }

    /// Whether it is a file that may be read so; before anything else, and not on the reactor: it may wait for a disk.
    func check() throws(CallError) {
        let result = descriptor.withRawValue { clinux_file_check($0, range.offset, range.count) }
        switch result {
        case 0: break
        case -EPERM: throw .badFile("it can be written through its descriptor and is not sealed")
        case -ERANGE: throw .badFile("it does not have \(range.count) bytes from offset \(range.offset) on")
        default: throw .badFile("it is no regular file that can be read")
        }
    }

    /// The next bytes, at least one; call only before the end.
    mutating func next() throws(CallError) -> [UInt8] {
        let wanted = Int(min(UInt64(Self.pieceBytes), range.count - position))
        let start = off_t(range.offset + position)
        while true {
            var failure: CInt = 0
            // pread fills what it says it has filled.
            let piece = descriptor.withRawValue { file in
                unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
                    let result = unsafe pread(file, buffer.baseAddress, wanted, start)
                    count = max(0, result)
                    if result < 0 { failure = errno }
                }
            }
            if failure == EINTR { continue }
            guard failure == 0 else { throw .badFile("\(SystemError(call: "pread", errno: failure))") }
            guard !piece.isEmpty else {
                throw .badFile("it became shorter while it was read: it ends after \(position) of \(range.count) bytes")
            }
            position += UInt64(piece.count)
            return piece
        }
    }
}
