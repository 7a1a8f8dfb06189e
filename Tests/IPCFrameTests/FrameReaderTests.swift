// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Testing

@testable import IPCFrame

/// A reader by itself, and where it puts the payloads.
@Suite struct FrameReaderTests {
    /// What came of a frame; without a payload if that has landed.
    private struct Read: Equatable {
        let header: FrameHeader
        let payload: [UInt8]?

        init(_ header: FrameHeader, _ payload: [UInt8]?) {
            self.header = header
            self.payload = payload
        }

        init(_ frame: OutboundFrame, landed: Bool) {
            self.init(frame.header, landed ? nil : Array(frame.payload))
        }
    }

    /// The body of stream 1, among frames of others.
    private static let body: [UInt8] = [1, 2, 3, 4, 5, 6]
    private static let frames = [
        OutboundFrame(.data, stream: 3, payload: [7, 8]), OutboundFrame(.data, stream: 1, payload: body[0..<1]),
        OutboundFrame(.ping, payload: [0, 1, 2, 3, 4, 5, 6, 7]), OutboundFrame(.data, stream: 1, payload: body[1..<6]),
        OutboundFrame(.data, flags: .flush, stream: 3, payload: []), OutboundFrame(.end, stream: 1, payload: [9, 9]),
    ]
    private static let wire = BareChild.bytes(of: frames)

    private static func lands(_ header: FrameHeader) -> Bool { header.type == .data && header.stream == 1 }

    private func landing() throws -> BodyLanding {
        let offer = Offer(size: UInt64(Self.body.count), codec: .none, digest: .crc32)
        var memory: [UInt8] = []
        return try #require(BodyLanding(for: offer, reusing: &memory))
    }

    /// Reads each part when it has been written, until nothing is left of it.
    private func read(_ parts: [ArraySlice<UInt8>], to landing: BodyLanding) throws -> [Read] {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        defer { for file in fds { close(file) } }
        var reader = FrameReader()
        var reads: [Read] = []
        parts: for part in parts {
            let bytes = Array(part)
            #expect(unsafe write(fds[1], bytes, bytes.count) == bytes.count)
            while true {
                switch reader.next(from: fds[0], admit: { _ in true }, landing: { Self.lands($0) ? landing : nil }) {
                case .frame(let header, let payload): reads.append(Read(header, payload))
                case .landed(let header): reads.append(Read(header, nil))
                case .wouldBlock: continue parts
                case let other:
                    Issue.record("\(other)")
                    return reads
                }
            }
        }
        return reads
    }

    private func expectAll(of parts: [ArraySlice<UInt8>]) throws {
        let landing = try landing()
        let wanted = Self.frames.map { Read($0, landed: Self.lands($0.header)) }
        #expect(try read(parts, to: landing) == wanted)
        var digest = CRC32Digest()
        digest.update(Self.body)
        #expect(landing.digest?.value == digest.value)
        #expect(landing.take() == Self.body)
    }

    @Test("Payloads land in their order, wherever the bytes are torn, and no others do", arguments: 0..<wire.count)
    func landsTorn(at cut: Int) throws {
        try expectAll(of: cut == 0 ? [Self.wire[...]] : [Self.wire[..<cut], Self.wire[cut...]])
    }

    @Test func landsByteByByte() throws {
        try expectAll(of: Self.wire.indices.map { Self.wire[$0...$0] })
    }
}
