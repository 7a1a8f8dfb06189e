// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import IPCFrame

// PROTOCOL.md §10.1: a region that is not what it must be, and chunks in one that is.
extension ConformanceCase {
    static let arena: [ConformanceCase] = regions + places + deliveries

    /// Seals of memfd_create(2): SEAL, SHRINK, GROW, WRITE.
    private static let (seal, shrink, grow, write) = (CInt(1), CInt(2), CInt(4), CInt(8))
    private static let right = seal | shrink | grow

    /// A case for workers that offer the arena; others have nothing to show.
    private static func whenOffered(
        _ name: String,
        _ body: @escaping @Sendable (Session) throws -> Void
    ) -> ConformanceCase {
        ConformanceCase("10.1 \(name)", needing: Capabilities.arena, body)
    }

    private static func announcement(descriptors: UInt8) -> [UInt8] {
        var header = FrameHeader(.arena, descriptors: descriptors, stream: 0)
        let payload = Session.encoded { ArenaAnnouncement().encode(into: &$0) }
        header.length = UInt32(payload.count)
        return Session.encoded { header.encode(into: &$0) } + payload
    }

    private static var regions: [ConformanceCase] {
        let wrong: [(String, @Sendable () -> CInt)] = [
            ("is not sealed against shrinking", { clinux_memfd_create(ArenaLayout.byteCount, seal | grow) }),
            ("is not sealed against growing", { clinux_memfd_create(ArenaLayout.byteCount, seal | shrink) }),
            ("can be sealed further", { clinux_memfd_create(ArenaLayout.byteCount, shrink | grow) }),
            ("is sealed against writing", { clinux_memfd_create(ArenaLayout.byteCount, right | write) }),
            ("is a page too small", { clinux_memfd_create(ArenaLayout.byteCount - 4_096, right) }),
            ("is a page too large", { clinux_memfd_create(ArenaLayout.byteCount + 4_096, right) }),
            ("is no memory file", { unsafe open("/dev/null", O_RDWR | O_CLOEXEC) }),
        ]
        var cases = wrong.map { name, make in
            whenOffered("a region that \(name) is the violation badDescriptors") { session in
                let file = make()
                try check(file >= 0, "cannot make the region")
                defer { _ = Glibc.close(file) }
                try session.send(announcement(descriptors: 1), withDescriptor: file)
                try session.expectViolation(.badDescriptors)
            }
        }
        cases.append(
            whenOffered("ARENA without a descriptor is the violation badDescriptors") { session in
                try session.socket.write(announcement(descriptors: 0))
                try session.expectViolation(.badDescriptors)
            }
        )
        cases.append(
            whenOffered("ARENA whose descriptor does not come is the violation badDescriptors") { session in
                try session.socket.write(announcement(descriptors: 1))
                try session.expectViolation(.badDescriptors)
            }
        )
        cases.append(
            whenOffered("a second ARENA is the violation unexpectedFrame") { session in
                let region = try Region(session)
                try session.send(announcement(descriptors: 1), withDescriptor: region.file)
                try session.expectViolation(.unexpectedFrame)
            }
        )
        return cases
    }

    private static var places: [ConformanceCase] {
        let wrong: [(String, [UInt32], FrameFlags, ErrorCode)] = [
            ("in a slot out of range", [16, 0, 1], .arena, .malformedFrame),
            ("that ends behind its slot", [0, 1, 262_144], .arena, .malformedFrame),
            ("whose offset and length pass 32 bits", [0, .max, 2], .arena, .malformedFrame),
            ("of no bytes", [0, 0, 0], .arena, .malformedFrame),
            ("that is compressed", [0, 0, 5], [.arena, .compressed], .malformedFrame),
        ]
        return wrong.map { name, fields, flags, code in
            whenOffered("a chunk in the arena \(name) is the violation \(code)") { session in
                let region = try Region(session)
                defer { region.close() }
                try session.request(1, Offer(size: nil, delivery: .arena))
                _ = try session.skip(to: .accept, stream: 1)
                try session.send(.data, flags: flags, stream: 1) { bytes in
                    for field in fields { bytes.appendLittleEndian(field) }
                }
                try session.expectViolation(code)
            }
        }
    }

    private static let deliveries: [ConformanceCase] = [
        whenOffered("a body comes from the arena, and its slots are freed by CREDIT") { session in
            let region = try Region(session)
            defer { region.close() }
            let body = Samples.random(100_000)
            let offer = Offer(size: UInt64(body.count), delivery: .arena, digest: .crc32)
            try session.request(1, offer)
            let accept = try Accept(parsing: try session.skip(to: .accept, stream: 1).payload)
            try check(accept.delivery == .arena, "ACCEPT does not take the offered delivery")
            try region.write(body, toSlot: 3)
            try session.send(.data, flags: .arena, stream: 1) { bytes in
                ArenaPlace(slot: 3, count: body.count).encode(into: &bytes)
            }
            let credit = try Credit(parsing: try session.skip(to: .credit, stream: 1).payload)
            try check(credit.consumed == UInt64(body.count), "CREDIT does not free the slot: \(credit.consumed)")
            try session.socket.write(Session.end(1, body, offer))
            try check(try session.answer(1) == body, "the echo has other bytes")
            try session.expectUsable(nextStream: 3)
        },
        whenOffered("an answer that is accepted inline comes inline") { session in
            let region = try Region(session)
            defer { region.close() }
            let body = Samples.random(100_000)
            try session.request(1, Offer(size: UInt64(body.count)))
            let accept = try Accept(parsing: try session.skip(to: .accept, stream: 1).payload)
            try check(accept.delivery == .inline, "ACCEPT names a delivery that was not offered")
            try session.send(.data, stream: 1) { $0 = body }
            try session.socket.write(Session.end(1, body, Offer(size: nil)))
            try check(try session.answer(1) == body, "the echo has other bytes")
        },
        whenOffered("an answer that is accepted by arena comes through the worker's slots") { session in
            let region = try Region(session)
            defer { region.close() }
            let body = Samples.random(250_000)
            try session.request(1, Offer(size: UInt64(body.count)))
            _ = try session.skip(to: .accept, stream: 1)
            try session.send(.data, stream: 1) { $0 = body }
            try session.socket.write(Session.end(1, body, Offer(size: nil)))
            let offer = try ResponseHead(parsing: try session.skip(to: .response, stream: 1).payload).offer
            guard offer.delivery == .arena else { return }
            try session.send(.accept, stream: 1) { Accept(limit: 1 << 30, delivery: .arena).encode(into: &$0) }
            try check(try region.answer(session, 1) == body, "the echo has other bytes")
            try session.send(.credit, stream: 1) { bytes in
                Credit(consumed: UInt64(body.count), limit: 1 << 30).encode(into: &bytes)
            }
            try session.expectUsable(nextStream: 3)
        },
        whenOffered("changes behind the worker's back harm that call alone") { session in
            let region = try Region(session)
            defer { region.close() }
            let body = Samples.random(200_000)
            let offer = Offer(size: UInt64(body.count), delivery: .arena, digest: .crc32)
            try session.request(1, offer)
            _ = try session.skip(to: .accept, stream: 1)
            try region.write(body.map { $0 ^ 1 }, toSlot: 0)
            try session.send(.data, flags: .arena, stream: 1) { bytes in
                ArenaPlace(slot: 0, count: body.count).encode(into: &bytes)
            }
            try session.socket.write(Session.end(1, body, offer))
            try session.expectFailure(1, .digestMismatch)
            try session.expectUsable(nextStream: 3)
        },
    ]

    /// A region that is right, and that the worker has been told of.
    private struct Region {
        let file: CInt

        init(_ session: Session) throws {
            file = clinux_arena_create(ArenaLayout.byteCount)
            try check(file >= 0, "cannot make the region")
            try session.send(announcement(descriptors: 1), withDescriptor: file)
        }

        func write(_ bytes: [UInt8], toSlot slot: Int) throws {
            let count = unsafe pwrite(file, bytes, bytes.count, off_t(slot * ArenaLayout.slotBytes))
            try check(count == bytes.count, "pwrite: \(systemText(errno))")
        }

        /// The rest of an answer whose chunks may lie in the worker's half.
        func answer(_ session: Session, _ stream: UInt64) throws -> [UInt8] {
            var body: [UInt8] = []
            while let frame = try session.next(for: "the answer by arena") {
                guard frame.type == .data else {
                    try check(frame.type == .end, "\(session.describe(frame)) came instead of the answer")
                    return body
                }
                guard frame.header.flags.contains(.arena) else {
                    body += frame.payload
                    continue
                }
                let place = try ArenaPlace(parsing: frame.payload)
                var bytes = [UInt8](repeating: 0, count: place.count)
                let start = ArenaLayout.byteCount / 2 + place.slot * ArenaLayout.slotBytes + place.offset
                // The array has as many bytes as are read.
                let count = unsafe pread(file, &bytes, bytes.count, off_t(start))
                try check(count == bytes.count, "pread: \(systemText(errno))")
                body += bytes
            }
            throw Failed("the worker closed in its answer")
        }

        func close() { _ = Glibc.close(file) }
    }
}
