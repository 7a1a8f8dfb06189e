// SPDX-License-Identifier: Apache-2.0

import IPCFrame

// PROTOCOL.md §§4 and 6: what a REQUEST may be.
extension ConformanceCase {
    static let requestLayouts: [ConformanceCase] =
        malformedRequests + [
            ConformanceCase("3 a REQUEST of 65,537 bytes is the violation frameTooLarge") { session in
                try session.open()
                try session.requestOf(65_537)
                try session.expectViolation(.frameTooLarge)
            },
            ConformanceCase("3 a REQUEST of 65,536 bytes is no violation") { session in
                try session.open()
                try session.requestOf(65_536)
                try session.expectUsable(nextStream: 3)
            },
            ConformanceCase("4 TLVs of REQUEST that are unknown do no harm, nor do undefined flags of the offer") {
                session in
                try session.open()
                let offer: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0, 0, 0, 0]
                let rest: [UInt8] = [4, 0] + Array("echo".utf8) + [0, 0, 0x01, 0x40, 2, 0, 0, 0, 1, 2]
                let payload = [UInt8](repeating: 0xFF, count: 8) + offer + rest
                let bytes = Session.frame(.request, stream: 1, payload: payload)
                try session.socket.write(bytes + Session.end(1, [], Offer(size: 0)))
                try check(try session.answer(1).isEmpty, "the echo of nothing is not empty")
            },
            ConformanceCase("6 an unknown method is answered by ERROR unknownMethod, and the connection stays usable") {
                session in
                try session.open()
                try session.request(1, Offer(size: 3), body: [1, 2, 3], method: "no such method ✗")
                let frame = try session.skip(to: .error, stream: 1)
                let error = try RemoteError(parsing: frame.payload, flags: frame.header.flags)
                try check(error.code == .unknownMethod, "ERROR has the code \(error.code)")
                try check(!error.reason.isEmpty, "ERROR has no reason")
                try session.expectUsable(nextStream: 3)
            },
            ConformanceCase(
                "6 arguments may be any bytes under any key, repeated: the call is answered, or badArgument"
            ) {
                session in
                try session.open()
                let arguments = [
                    Argument("", []), Argument("größe", [0, 255]), Argument("größe", Samples.random(30_000)),
                ]
                let request = Request(method: "echo", arguments: arguments, offer: Offer(size: 0))
                let bytes = Session.frame(.request, stream: 1) { request.encode(into: &$0) }
                try session.socket.write(bytes + Session.end(1, [], request.offer))
                guard let frame = try session.next(for: "an answer") else { throw Failed("the worker closed") }
                if frame.type == .error, frame.stream == 1 {
                    let error = try RemoteError(parsing: frame.payload, flags: frame.header.flags)
                    try check(error.code == .badArgument, "ERROR has the code \(error.code)")
                } else {
                    try check(frame.type == .response, "\(session.describe(frame)) came")
                }
                try session.expectUsable(nextStream: 3)
            },
            ConformanceCase("6 ids may skip, up to the largest odd one") { session in
                try session.open()
                try session.expectUsable(nextStream: 1_000_001)
                try session.expectUsable(nextStream: UInt64.max)
            },
        ]

    private static var malformedRequests: [ConformanceCase] {
        let noDeadline = [UInt8](repeating: 0xFF, count: 8)
        let offer = [UInt8](repeating: 0, count: 16)
        func offered(_ index: Int, _ value: UInt8) -> [UInt8] {
            var bytes = offer
            bytes[index] = value
            return noDeadline + bytes + [4, 0] + Array("echo".utf8) + [0, 0]
        }
        let echo = noDeadline + offer + [4, 0] + Array("echo".utf8)
        let wrong: [(String, [UInt8])] = [
            ("no bytes", []), ("a deadline only", noDeadline), ("half an offer", noDeadline + offer.prefix(9)),
            ("no method", noDeadline + offer), ("an empty method", noDeadline + offer + [0, 0, 0, 0]),
            ("a method of 257 bytes", noDeadline + offer + [1, 1] + [UInt8](repeating: 109, count: 257) + [0, 0]),
            ("a method that is not UTF-8", noDeadline + offer + [2, 0, 0xC3, 0x28, 0, 0]),
            ("a method of overlong UTF-8", noDeadline + offer + [2, 0, 0xC0, 0xAF, 0, 0]),
            ("no arguments where their count belongs", echo), ("fewer arguments than counted", echo + [1, 0]),
            ("an argument of 4 GiB", echo + [1, 0, 1, 0, 107, 255, 255, 255, 255]),
            ("a key that is not UTF-8", echo + [1, 0, 1, 0, 0x80, 0, 0, 0, 0]),
            ("half a TLV", echo + [0, 0, 1, 0x40, 0]), ("an unknown codec", offered(8, 2)),
            ("codec 255", offered(8, 255)), ("a delivery that is not in force", offered(9, 1)),
            ("an unknown delivery", offered(9, 3)), ("an unknown digest", offered(10, 2)),
            ("a reserved byte in its offer", offered(15, 1)),
        ]
        var cases = wrong.map { name, payload in
            ConformanceCase("6 REQUEST with \(name) is the violation malformedFrame") { session in
                try session.open()
                try session.socket.write(Session.frame(.request, stream: 1, payload: payload))
                try session.expectViolation(.malformedFrame)
            }
        }
        cases.append(
            ConformanceCase("5 REQUEST with a codec that WELCOME did not put in force is malformedFrame") { session in
                try session.open { $0.capabilities.codecs = 1 }
                try session.request(1, Offer(size: 1, codec: .zlib))
                try session.expectViolation(.malformedFrame)
            }
        )
        return cases
    }
}

extension Session {
    /// A REQUEST whose whole payload has `count` bytes.
    fileprivate func requestOf(_ count: Int) throws {
        let empty = Request(method: "echo", arguments: [Argument("k", [])], offer: Offer(size: 0))
        let overhead = Self.encoded { empty.encode(into: &$0) }.count
        let value = [UInt8](repeating: 120, count: count - overhead)
        let request = Request(method: "echo", arguments: [Argument("k", value)], offer: Offer(size: 0))
        let bytes = Self.frame(.request, stream: 1) { request.encode(into: &$0) }
        try socket.write(bytes + Self.end(1, [], request.offer))
    }
}
