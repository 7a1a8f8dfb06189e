// SPDX-License-Identifier: Apache-2.0

import IPCFrame

// PROTOCOL.md §7.3 and the answerer's rows of table 14.3.
extension ConformanceCase {
    static let endings: [ConformanceCase] = [
        ConformanceCase("7.3 RESET before the body is complete: ERROR cancelled, and the connection stays usable") {
            session in
            try session.open()
            try session.request(1, Offer(size: nil))
            try session.send(.reset, stream: 1) { Halt(code: .cancelled, reason: "a test").encode(into: &$0) }
            try session.expectCancelled(1)
            try session.expectUsable(nextStream: 3)
        },
        ConformanceCase("7.3 RESET when the request is complete: ERROR cancelled, and the connection stays usable") {
            session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.send(.reset, stream: 1) { Halt(code: .cancelled).encode(into: &$0) }
            try session.expectCancelled(1)
            try session.expectUsable(nextStream: 3)
        },
        ConformanceCase("7.3 RESET while the response moves: what waited of it is not sent, then ERROR cancelled") {
            session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.send(.accept, stream: 1) { Accept(limit: 10).encode(into: &$0) }
            _ = try session.skip(to: .data, stream: 1)
            try session.send(.reset, stream: 1) { Halt(code: .deadlineExceeded).encode(into: &$0) }
            try session.expectCancelled(1)
            try session.expectUsable(nextStream: 3)
        },
        ConformanceCase("7.3 RESET with an application's code cancels too") { session in
            try session.open()
            try session.request(1, Offer(size: nil))
            let code = ErrorCode(rawValue: 0x8123)
            try session.send(.reset, stream: 1) { Halt(code: code).encode(into: &$0) }
            try session.expectCancelled(1)
            try session.expectUsable(nextStream: 3)
        },
        ConformanceCase("7.3 fifty calls are cancelled as soon as they are opened") { session in
            try session.open()
            for id in stride(from: UInt64(1), to: 100, by: 2) {
                try session.request(id, Offer(size: nil))
                try session.send(.reset, stream: id) { Halt(code: .cancelled).encode(into: &$0) }
            }
            try session.expectUsable(nextStream: 101)
        },
        ConformanceCase("7.3 an ERROR ends the call: the body that still comes is dropped until its END") { session in
            try session.open()
            try session.request(1, Offer(size: 4), method: "no such method")
            _ = try session.skip(to: .error, stream: 1)
            try session.socket.write(Session.frame(.data, stream: 1, payload: [1, 2, 3, 4]))
            try session.socket.write(Session.end(1, [1, 2, 3, 4], Offer(size: 4)))
            try session.expectUsable(nextStream: 3)
        },
        ConformanceCase("7.3 an ERROR ends the call: an offered body is answered by RESET stopped") { session in
            try session.open()
            try session.request(1, Offer(size: 1 << 40), method: "no such method")
            _ = try session.skip(to: .error, stream: 1)
            try session.send(.reset, stream: 1) { Halt(code: .stopped).encode(into: &$0) }
            try session.expectUsable(nextStream: 3)
        },
        ConformanceCase("7.1 REFUSE of the response forgets the call") { session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.send(.refuse, stream: 1) { Refuse(code: .tooLarge, limit: 9, reason: "").encode(into: &$0) }
            try session.expectUsable(nextStream: 3)
            try session.socket.write(Samples.frame(.credit, stream: 1))
            try session.expectUsable(nextStream: 5)
        },
        ConformanceCase("7.3 STOP of the response is answered by RESET stopped") { session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.send(.stop, stream: 1) { Halt(code: .notWanted).encode(into: &$0) }
            try session.expectStopped(1)
            try session.expectUsable(nextStream: 3)
        },
        ConformanceCase("7.2 the final CREDIT ends a response: the call is forgotten") { session in
            try session.open { $0.capabilities.limits.maxStreams = 1 }
            try session.requestLargeEcho(1)
            try session.send(.accept, stream: 1) { Accept(limit: 100_000).encode(into: &$0) }
            _ = try session.skip(to: .end, stream: 1)
            try session.send(.credit, stream: 1) { Credit(consumed: 100_000, limit: 100_000).encode(into: &$0) }
            try session.expectUsable(nextStream: 3)
        },
    ]

    // MARK: The half that the worker sends

    private struct SendRow {
        let state: String
        let prepare: @Sendable (Session) throws -> Void
        let wrong: [FrameType]
        let ignored: [FrameType]
    }

    private static let sendStates = [
        SendRow(
            state: "idle or offered",
            prepare: { try $0.request(1, Offer(size: nil)) },
            wrong: [.credit],
            ignored: []
        ),
        SendRow(state: "offered", prepare: { try $0.requestLargeEcho(1) }, wrong: [.credit], ignored: []),
        SendRow(
            state: "sending",
            prepare: { session in
                try session.requestLargeEcho(1)
                try session.send(.accept, stream: 1) { Accept(limit: 10).encode(into: &$0) }
                _ = try session.skip(to: .data, stream: 1)
            },
            wrong: [.accept],
            ignored: [.credit]
        ),
        SendRow(
            state: "untaken",
            prepare: { session in
                try session.requestLargeEcho(1)
                try session.send(.accept, stream: 1) { Accept(limit: 100_000).encode(into: &$0) }
                _ = try session.skip(to: .end, stream: 1)
            },
            wrong: [.accept],
            ignored: [.credit]
        ),
    ]

    static let sendRows: [ConformanceCase] = sendStates.flatMap { row in
        row.wrong.map { type in
            ConformanceCase("14.3 answerer, \(row.state): \(type.name) is the violation unexpectedFrame") { session in
                try session.open()
                try row.prepare(session)
                try session.socket.write(Samples.frame(type, stream: 1))
                try session.expectViolation(.unexpectedFrame)
            }
        }
            + row.ignored.map { type in
                ConformanceCase("14.3 answerer, \(row.state): \(type.name) of 0 changes nothing") { session in
                    try session.open()
                    try row.prepare(session)
                    try session.socket.write(Samples.frame(type, stream: 1))
                    try session.expectUsable(nextStream: 3)
                }
            }
            + [FrameType.stop, .refuse].filter { _ in row.state == "sending" || row.state == "untaken" }.map { type in
                ConformanceCase("14.3 answerer, \(row.state): \(type.name) ends the body") { session in
                    try session.open { $0.capabilities.limits.maxStreams = 1 }
                    try row.prepare(session)
                    try session.socket.write(Samples.frame(type, stream: 1))
                    if row.state == "sending", type == .stop { try session.expectStopped(1) }
                    try session.expectUsable(nextStream: 3)
                }
            }
    }

    // MARK: The half that the worker receives

    static let receiveRows: [ConformanceCase] = {
        var cases = [FrameType.response, .error, .progress, .log].map { type in
            ConformanceCase("14.3 answerer, any: \(type.name) is the violation unexpectedFrame") { session in
                try session.open()
                try session.request(1, Offer(size: nil))
                try session.socket.write(Samples.frame(type, stream: 1))
                try session.expectViolation(.unexpectedFrame)
            }
        }
        for type: FrameType in [.data, .end] {
            cases.append(
                ConformanceCase("14.3 answerer, taking: \(type.name) is the violation unexpectedFrame") { session in
                    try session.open()
                    try session.requestLargeEcho(1)
                    try session.socket.write(Samples.frame(type, stream: 1))
                    try session.expectViolation(.unexpectedFrame)
                }
            )
            cases.append(
                ConformanceCase("14.3 answerer, offered: \(type.name) is a violation, unless ACCEPT was quicker") {
                    session in
                    try session.open()
                    let request = Request(method: "echo", offer: Offer(size: 1 << 40))
                    let bytes = Session.frame(.request, stream: 1) { request.encode(into: &$0) }
                    try session.socket.write(bytes + Samples.frame(type, stream: 1))
                    guard type == .data else {
                        return try session.expectViolation(.unexpectedFrame, or: .malformedFrame)
                    }
                    try session.sendPing()
                    // ACCEPT may also have been on its way when the violation was found.
                    while let frame = try session.next(for: "PONG or ERROR") {
                        if frame.type == .pong { return }
                        guard frame.type == .error, frame.stream == 0 else { continue }
                        let error = try RemoteError(parsing: frame.payload, flags: [])
                        return try check(error.code == .unexpectedFrame, "ERROR has the code \(error.code)")
                    }
                    throw Failed("the worker closed without a word")
                }
            )
        }
        let ends: [(String, End)] = [
            ("a total above what came", End(total: 4, digestKind: .crc32, digest: 0, trailer: Trailer())),
            ("a total below what came", End(total: 2, digestKind: .crc32, digest: 0, trailer: Trailer())),
            ("another digest than offered", End(total: 3, digestKind: .none, digest: 0, trailer: Trailer())),
        ]
        cases += ends.map { name, end in
            ConformanceCase("9 END with \(name) is the violation malformedFrame") { session in
                try session.open()
                try session.request(1, Offer(size: 3, digest: .crc32))
                try session.socket.write(Session.frame(.data, stream: 1, payload: [1, 2, 3]))
                try session.send(.end, stream: 1) { end.encode(into: &$0) }
                try session.expectViolation(.malformedFrame)
            }
        }
        cases.append(
            ConformanceCase("9 END before the offered size is the violation malformedFrame") { session in
                try session.open()
                let offer = Offer(size: 9)
                try session.request(1, offer)
                try session.socket.write(Session.frame(.data, stream: 1, payload: [1]) + Session.end(1, [1], offer))
                try session.expectViolation(.malformedFrame)
            }
        )
        cases.append(
            ConformanceCase("9 a wrong digest is an error of the call: digestMismatch") { session in
                try session.open()
                try session.request(1, Offer(size: 3, digest: .crc32))
                let end = End(total: 3, digestKind: .crc32, digest: 0xBAD, trailer: Trailer())
                try session.socket.write(Session.frame(.data, stream: 1, payload: [1, 2, 3]))
                try session.send(.end, stream: 1) { end.encode(into: &$0) }
                try session.expectFailure(1, .digestMismatch)
                try session.expectUsable(nextStream: 3)
            }
        )
        return cases
    }()
}

extension Session {
    /// ERROR must end the call; what had been on its way may come before it.
    func expectFailure(_ stream: UInt64, _ code: ErrorCode) throws {
        while true {
            guard let frame = try next(for: "ERROR on stream \(stream)") else { throw Failed("the worker closed") }
            guard frame.type == .error else {
                try check(frame.type != .end || frame.stream != stream, "END came where ERROR '\(code)' belongs")
                try acceptIfOffered(frame)
                continue
            }
            try check(frame.stream == stream, "\(describe(frame)) came")
            let error = try RemoteError(parsing: frame.payload, flags: frame.header.flags)
            return try check(error.code == code, "ERROR has the code '\(error.code)', not '\(code)'")
        }
    }

    private func acceptIfOffered(_ frame: RawFrame) throws {
        guard frame.type == .response else { return }
        let offer = try ResponseHead(parsing: frame.payload).offer
        guard !offer.isSentAtOnce(initialCredit: limits.initialCredit) else { return }
        try send(.accept, stream: frame.stream) { Accept(limit: 1 << 30).encode(into: &$0) }
    }

    fileprivate func expectCancelled(_ stream: UInt64) throws {
        let frame = try skip(to: .error, stream: stream)
        let error = try RemoteError(parsing: frame.payload, flags: frame.header.flags)
        try check(error.code == .cancelled, "ERROR has the code '\(error.code)', not 'cancelled'")
    }

    fileprivate func expectStopped(_ stream: UInt64) throws {
        let frame = try skip(to: .reset, stream: stream)
        let reset = try Halt(parsing: frame.payload)
        try check(reset.code == .stopped, "RESET has the code '\(reset.code)', not 'stopped'")
    }
}
