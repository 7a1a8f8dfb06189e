// SPDX-License-Identifier: Apache-2.0

import IPCFrame

// PROTOCOL.md §7.5: bodies that come with the frame that offers them.
extension ConformanceCase {
    static let whole: [ConformanceCase] = wholeRequests + wrongWholeRequests

    /// A case for workers that take such bodies; others have nothing to show.
    private static func whenOffered(
        _ name: String,
        _ body: @escaping @Sendable (Session) throws -> Void
    ) -> ConformanceCase {
        ConformanceCase("7.5 \(name)", needing: Capabilities.whole, body)
    }

    private static func send(
        _ session: Session,
        _ body: [UInt8],
        as offer: Offer,
        digest: UInt32 = 0,
        trailer: Trailer = Trailer(),
        rest: (inout [UInt8]) -> Void = { _ in }
    ) throws {
        let whole = WholeBody(body[...], digest: digest, trailer: trailer)
        try session.send(.request, stream: 1) { bytes in
            Request(method: "echo", offer: offer, whole: whole).encode(into: &bytes)
            rest(&bytes)
        }
    }

    private static let wholeRequests: [ConformanceCase] =
        [0, 1, 64, 5_000, 60_000].map { size in
            whenOffered("a body of \(size) bytes comes with its REQUEST") { session in
                let body = Samples.random(size)
                var digest = CRC32Digest()
                digest.update(body)
                let trailer = Trailer(counts: [Count("rows", 3)], values: [Argument("note", "a test")])
                let offer = Offer(size: UInt64(size), digest: .crc32)
                try send(session, body, as: offer, digest: digest.value, trailer: trailer)
                try check(try session.answer(1) == body, "the echo has other bytes")
                try session.expectUsable(nextStream: 3)
            }
        } + [
            whenOffered("a body may still come behind its REQUEST") { session in
                let body = Samples.random(1_000)
                try session.request(1, Offer(size: 1_000), body: body)
                try check(try session.answer(1) == body, "the echo has other bytes")
                try session.expectUsable(nextStream: 3)
            },
            whenOffered("a body that is offered as compressed comes as it is") { session in
                let body = Samples.text(2_000)
                try send(session, body, as: Offer(size: UInt64(body.count), codec: .zlib))
                try check(try session.answer(1) == body, "the echo has other bytes")
                try session.expectUsable(nextStream: 3)
            },
            whenOffered("a wrong digest fails its call alone") { session in
                try send(session, [1, 2, 3], as: Offer(size: 3, digest: .crc32), digest: 1)
                try session.expectFailure(1, .digestMismatch)
                try session.expectUsable(nextStream: 3)
            },
            ConformanceCase("7.5 a body in a REQUEST is ignored where it was not agreed upon") { session in
                try session.open()
                try send(session, [1, 2, 3], as: Offer(size: 2))
                try session.socket.write(
                    Session.frame(.data, stream: 1, payload: [7, 8]) + Session.end(1, [7, 8], Offer(size: 2))
                )
                try check(try session.answer(1) == [7, 8], "the echo is not what DATA had")
                try session.expectUsable(nextStream: 3)
            },
        ]

    private static var wrongWholeRequests: [ConformanceCase] {
        let wrong: [(String, Offer, Int)] = [
            ("has more bytes than its offer", Offer(size: 2), 3),
            ("has fewer bytes than its offer", Offer(size: 4), 3),
            ("is offered without a size", Offer(size: nil), 3),
            ("is offered with HOLD", Offer(size: 3, isHeld: true), 3),
        ]
        return wrong.map { name, offer, count in
            whenOffered("a body that \(name) is the violation malformedFrame") { session in
                try send(session, Samples.random(count), as: offer)
                try session.expectViolation(.malformedFrame)
            }
        } + [
            whenOffered("a second body in a REQUEST is the violation malformedFrame") { session in
                try send(session, [1, 2, 3], as: Offer(size: 3)) { bytes in
                    WholeBody([1, 2, 3]).encode(into: &bytes)
                }
                try session.expectViolation(.malformedFrame)
            },
            whenOffered("a digest that is too short is the violation malformedFrame") { session in
                let offer = Offer(size: 0, digest: .crc32)
                // The tag `digest`, of two bytes.
                try send(session, [], as: offer) { $0 += [0x26, 0, 2, 0, 0, 0, 1, 2] }
                try session.expectViolation(.malformedFrame)
            },
        ]
    }
}
