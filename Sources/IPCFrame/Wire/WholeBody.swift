// SPDX-License-Identifier: Apache-2.0

/// A small body that comes with the frame that opens it, in place of DATA and END (PROTOCOL.md §7.5).
///
/// A class, for most frames have none, and are copied.
package final class WholeBody: Sendable {
    /// Raw bytes at most, by this implementation; what is larger goes as chunks.
    static let maxBytes = 16 << 10

    /// The raw bytes.
    package let bytes: ArraySlice<UInt8>
    /// Of the kind that the offer names; 0 for none.
    package let digest: UInt32
    package let trailer: Trailer

    package init(_ bytes: ArraySlice<UInt8>, digest: UInt32 = 0, trailer: Trailer = Trailer()) {
        self.bytes = bytes
        self.digest = digest
        self.trailer = trailer
    }

    /// Reads the TLVs to the payload's end; nil if the body is not among them.
    static func read(_ payload: inout PayloadReader) throws(ProtocolViolation) -> WholeBody? {
        guard payload.remaining > 0 else { return nil }
        var bytes: ArraySlice<UInt8>?
        var digest: UInt32 = 0
        var trailer = Trailer()
        var seen = SeenTags(repeatable: Trailer.repeatable)
        while let (tag, value) = try payload.nextTLV() {
            try seen.insert(tag)
            var reader = value
            switch tag {
            case TLV.Tag.body: bytes = reader.rest()
            case TLV.Tag.digest: digest = try reader.uint32("digest")
            default: try trailer.read(tag, value)
            }
        }
        return bytes.map { WholeBody($0, digest: digest, trailer: trailer) }
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendTLV(TLV.Tag.body, self.bytes)
        if digest != 0 { bytes.appendTLV(TLV.Tag.digest, digest) }
        trailer.encode(into: &bytes)
    }
}

extension WholeBody: Equatable {
    package static func == (one: WholeBody, other: WholeBody) -> Bool {
        one.bytes == other.bytes && one.digest == other.digest && one.trailer == other.trailer
    }
}
