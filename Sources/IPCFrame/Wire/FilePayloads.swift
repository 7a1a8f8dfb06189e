// SPDX-License-Identifier: Apache-2.0

/// DATA with flag FILE: where in the file whose descriptor comes with the frame a body lies.
package struct FileRange: Equatable, Sendable {
    /// Where the body begins.
    package let offset: UInt64
    /// Raw bytes of the body; at least one.
    package let count: UInt64

    /// Bytes on the wire.
    package static let byteCount = 16

    /// The end of the largest file that there can be.
    private static let largestEnd = UInt64(Int64.max)

    /// Nil when no file reaches so far, or for no bytes at all.
    package init?(offset: UInt64, count: UInt64) {
        let (end, isBeyond) = offset.addingReportingOverflow(count)
        guard count > 0, !isBeyond, end <= Self.largestEnd else { return nil }
        self.offset = offset
        self.count = count
    }

    package init(parsing payload: [UInt8]) throws(ProtocolViolation) {
        var reader = PayloadReader(payload)
        let offset = try reader.uint64("offset")
        let count = try reader.uint64("length")
        try reader.finish()
        guard let range = FileRange(offset: offset, count: count) else {
            throw .malformed("\(count) bytes from offset \(offset) of a file")
        }
        self = range
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(offset)
        bytes.appendLittleEndian(count)
    }
}
