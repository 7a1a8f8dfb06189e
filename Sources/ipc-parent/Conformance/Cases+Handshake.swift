// SPDX-License-Identifier: Apache-2.0

import IPCFrame

// PROTOCOL.md §5 and the first rows of table 14.1.
extension ConformanceCase {
    static let handshake: [ConformanceCase] = [
        ConformanceCase("5 HELLO comes first, states a range with version 1, and limits in their ranges") { session in
            let hello = try session.hello()
            try check(hello.minVersion <= 1 && hello.maxVersion >= 1, "HELLO does not offer version 1")
            try check(hello.minVersion <= hello.maxVersion, "HELLO's range of versions is empty")
            let fault = hello.capabilities.limits.fault
            try check(fault == nil, "HELLO: \(fault ?? "")")
        },
        ConformanceCase("5 READY follows WELCOME; DRAIN and BYE end the connection in order, with exit code 0") {
            session in
            try session.open()
            try session.close()
        },
        ConformanceCase("5 WELCOME without TLVs means the defaults") { session in
            try session.hello()
            try session.send(.welcome) { $0 += [1, 0] }
            try session.expect(.ready)
        },
        ConformanceCase("4 TLVs of WELCOME that are unknown, or longer than their layout, do no harm") { session in
            try session.hello()
            try session.send(.welcome) { bytes in
                bytes += [1, 0, 0x77, 0x77, 3, 0, 0, 0, 1, 2, 3, 0xFF, 0xFF, 0, 0, 0, 0]
                bytes += [8, 0, 6, 0, 0, 0, 1, 0, 0, 0, 9, 9, 0x77, 0x77, 0, 0, 0, 0]
            }
            try session.expect(.ready)
        },
        ConformanceCase("5 the smallest limits are obeyed") { session in
            try session.open { welcome in
                welcome.capabilities.limits.maxChunk = 4_096
                welcome.capabilities.limits.initialCredit = 0
                welcome.capabilities.codecs = 1
                welcome.capabilities.digests = 1
            }
            let body = Samples.text(10_000)
            try session.request(1, Offer(size: 10_000))
            let accept = try session.skip(to: .accept, stream: 1)
            try session.expectEchoInSmallChunks(body, limit: try Accept(parsing: accept.payload).limit)
        },
        ConformanceCase("5 REJECT: the worker exits with 78") { session in
            try session.hello()
            try session.socket.write(Samples.frame(.reject, stream: 0))
            try session.expectEndOfFile()
            try session.expectExit(78)
        },
        ConformanceCase("12 PING is answered as soon as WELCOME has come") { session in
            let hello = try session.hello()
            let welcome = session.welcome(to: hello)
            let bytes = Session.frame(.welcome) { welcome.encode(into: &$0) }
            try session.socket.write(bytes + Session.frame(.ping) { Number(5).encode(into: &$0) })
            let pong = try session.skip(to: .pong)
            try check(try Number(parsing: pong.payload).value == 5, "PONG has another value than PING")
        },
        ConformanceCase("2 a handshake that comes byte by byte is understood") { session in
            let hello = try session.hello()
            let welcome = session.welcome(to: hello)
            for byte in Session.frame(.welcome, { welcome.encode(into: &$0) }) { try session.socket.write([byte]) }
            try session.expect(.ready)
            for byte in Session.frame(.ping, { Number(1).encode(into: &$0) }) { try session.socket.write([byte]) }
            _ = try session.skip(to: .pong)
        },
        ConformanceCase("16 end of file before WELCOME: the worker exits") { session in
            try session.hello()
            session.socket.shutdownWriting()
            try session.expectEndOfFile()
            try session.expectExit(orKillsItself: true)
        },
        ConformanceCase("16 end of file in the middle of WELCOME: the worker exits") { session in
            try session.hello()
            try session.socket.write(Array(Samples.frame(.welcome, stream: 0).prefix(20)))
            session.socket.shutdownWriting()
            try session.expectEndOfFile()
            try session.expectExit(orKillsItself: true)
        },
    ]

    static let handshakeViolations: [ConformanceCase] = rowsBeforeWelcome + layoutsOfWelcome + limitsOfWelcome

    private static var rowsBeforeWelcome: [ConformanceCase] {
        let types: [FrameType] = [.hello, .ready, .ping, .pong, .drain, .bye, .arena]
        var cases = (types.map { ($0, UInt64(0)) } + Samples.streamTypes.map { ($0, 1) }).map { type, stream in
            ConformanceCase("14.1 awaitingWelcome: \(type.name) is the violation unexpectedFrame") { session in
                try session.hello()
                try session.socket.write(Samples.frame(type, stream: stream))
                try session.expectViolation(.unexpectedFrame)
            }
        }
        cases.append(
            ConformanceCase("14.1 awaitingWelcome: ERROR on 0 ends the connection") { session in
                try session.hello()
                try session.socket.write(Samples.frame(.error, stream: 0))
                try session.expectEndOfFile()
                try session.expectExit()
            }
        )
        cases.append(
            ConformanceCase("14.1 awaitingWelcome: unknown, bit 7 set is ignored") { session in
                let hello = try session.hello()
                let welcome = session.welcome(to: hello)
                try session.socket.write([3, 0, 0, 0, 0xC5, 0xFF, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3])
                try session.send(.welcome) { welcome.encode(into: &$0) }
                try session.expect(.ready)
            }
        )
        cases.append(
            ConformanceCase("14.1 awaitingWelcome: unknown, bit 7 clear is the violation unknownFrame") { session in
                try session.hello()
                try session.socket.write([0, 0, 0, 0, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                try session.expectViolation(.unknownFrame)
            }
        )
        return cases
    }

    private static var layoutsOfWelcome: [ConformanceCase] {
        let wrong: [(String, [UInt8])] = [
            ("no bytes", []), ("half a version", [1]), ("half a TLV", [1, 0, 4, 0, 9]),
            ("a TLV that ends behind the payload", [1, 0, 1, 0, 9, 0, 0, 0, 1]),
            ("a limit that is there twice", [1, 0, 2, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 4, 0, 0, 0, 1, 0, 0, 0]),
            ("a name of 257 bytes", [1, 0, 7, 0, 1, 1, 0, 0] + [UInt8](repeating: 110, count: 257)),
            ("a name that is not UTF-8", [1, 0, 7, 0, 1, 0, 0, 0, 0xFF]),
            ("a maxChunk of three bytes", [1, 0, 1, 0, 3, 0, 0, 0, 0, 0x10, 0]),
        ]
        var cases = wrong.map { name, payload in
            ConformanceCase("4 WELCOME with \(name) is the violation malformedFrame") { session in
                try session.hello()
                try session.socket.write(Session.frame(.welcome, payload: payload))
                try session.expectViolation(.malformedFrame)
            }
        }
        for length: UInt32 in [4_097, 263_168, .max] {
            cases.append(
                ConformanceCase("3 WELCOME of \(length) bytes is the violation frameTooLarge") { session in
                    try session.hello()
                    let header = FrameHeader(.welcome, length: length)
                    // Nothing follows: the header alone must suffice.
                    try session.socket.write(Session.encoded { header.encode(into: &$0) })
                    try session.expectViolation(.frameTooLarge)
                }
            )
        }
        return cases
    }

    private static var limitsOfWelcome: [ConformanceCase] {
        let wrong: [(String, @Sendable (inout Welcome, Hello) -> Void)] = [
            ("version 0", { welcome, _ in welcome.version = 0 }),
            ("a version above HELLO's", { welcome, hello in welcome.version = hello.maxVersion + 1 }),
            ("maxChunk 4095", { welcome, _ in welcome.capabilities.limits.maxChunk = 4_095 }),
            ("maxChunk above HELLO's", { $0.capabilities.limits.maxChunk = $1.capabilities.limits.maxChunk + 1 }),
            ("maxStreams 0", { welcome, _ in welcome.capabilities.limits.maxStreams = 0 }),
            ("maxStreams above HELLO's", { $0.capabilities.limits.maxStreams = $1.capabilities.limits.maxStreams + 1 }),
            (
                "initialCredit above HELLO's",
                { $0.capabilities.limits.initialCredit = $1.capabilities.limits.initialCredit + 1 }
            ),
            ("a codec that HELLO has not", { $0.capabilities.codecs = $1.capabilities.codecs | 1 << 31 }),
            ("a digest that HELLO has not", { $0.capabilities.digests = $1.capabilities.digests | 1 << 31 }),
            ("a feature that HELLO has not", { $0.capabilities.features = $1.capabilities.features | 1 << 63 }),
        ]
        return wrong.map { name, change in
            ConformanceCase("5 WELCOME with \(name) is the violation limitRejected") { session in
                let hello = try session.hello()
                var welcome = session.welcome(to: hello)
                change(&welcome, hello)
                try session.send(.welcome) { welcome.encode(into: &$0) }
                try session.expectViolation(.limitRejected)
            }
        }
    }
}

extension Session {
    /// With no initial credit: RESPONSE waits for ACCEPT, and its chunks keep to 4,096 bytes.
    fileprivate func expectEchoInSmallChunks(_ body: [UInt8], limit: UInt64) throws {
        var rest = body[...]
        var answer: [UInt8] = []
        var limit = limit
        var isAnswered = false
        while answer.count < body.count {
            while let end = rest.indices.first.map({ min($0 + 4_096, body.count) }), limit >= UInt64(end) {
                try socket.write(Session.frame(.data, stream: 1, payload: Array(rest[..<end])))
                rest = rest[end...]
                if rest.isEmpty { try socket.write(Session.end(1, body, Offer(size: nil))) }
            }
            guard let frame = try next(for: "the echo") else { throw Failed("the worker closed during the echo") }
            switch frame.type {
            case .response:
                let offer = try ResponseHead(parsing: frame.payload).offer
                try check(offer.codec == .none && offer.digest == .none, "the offer names what is not in force (§5)")
                isAnswered = true
                try send(.accept, stream: 1) { Accept(limit: UInt64(body.count)).encode(into: &$0) }
            case .credit: limit = max(limit, try Credit(parsing: frame.payload).limit)
            case .accept: continue
            case .data:
                try check(isAnswered, "DATA came before RESPONSE")
                try check(
                    frame.payload.count <= 4_096,
                    "a chunk of \(frame.payload.count) bytes is above maxChunk (§3)"
                )
                answer += frame.payload
            default: throw Failed("\(describe(frame)) came during the echo")
            }
        }
        try check(answer == body, "other bytes came back")
    }
}
