// SPDX-License-Identifier: Apache-2.0

import IPCFrame

// Tables 14.1 (from READY on) and 14.2, and the layouts of REQUEST.
extension ConformanceCase {
    static let connectionRows: [ConformanceCase] = wrongWhenOpen + headers + rightWhenOpen

    private static var wrongWhenOpen: [ConformanceCase] {
        var cases = [FrameType.hello, .welcome, .reject, .ready, .arena].map { type in
            ConformanceCase("14.1 open: \(type.name) is the violation unexpectedFrame") { session in
                try session.open()
                try session.socket.write(Samples.frame(type, stream: 0))
                try session.expectViolation(.unexpectedFrame)
            }
        }
        for type: FrameType in [.hello, .ready, .ping, .pong, .drain, .bye] {
            cases.append(
                ConformanceCase("2 \(type.name) with a stream is the violation badStream") { session in
                    try session.open()
                    try session.socket.write(Samples.frame(type, stream: 1))
                    try session.expectViolation(.badStream)
                }
            )
        }
        for type: FrameType in [.ping, .pong, .drain] {
            for payload: [UInt8] in [[], [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]] {
                let name = "4 \(type.name) of \(payload.count) bytes is the violation malformedFrame"
                cases.append(
                    ConformanceCase(name) { session in
                        try session.open()
                        try session.socket.write(Session.frame(type, payload: payload))
                        try session.expectViolation(.malformedFrame)
                    }
                )
            }
        }
        cases.append(
            ConformanceCase("14.1 open: unknown, bit 7 clear is the violation unknownFrame") { session in
                try session.open()
                try session.socket.write([0, 0, 0, 0, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                try session.expectViolation(.unknownFrame)
            }
        )
        cases.append(
            ConformanceCase("14.1 preparing: REQUEST is a violation, unless READY was on its way") { session in
                let hello = try session.hello()
                let welcome = session.welcome(to: hello)
                let bytes = Session.frame(.welcome) { welcome.encode(into: &$0) }
                try session.socket.write(bytes + Samples.frame(.request, stream: 1) + Samples.frame(.end, stream: 1))
                guard let frame = try session.next(for: "READY or ERROR") else { throw Failed("the worker closed") }
                if frame.type == .ready {
                    guard let next = try session.next(for: "an answer or ERROR") else { throw Failed("it closed") }
                    if next.type == .response { return }
                    try check(next.stream == 0, "\(session.describe(next)) came")
                }
                try session.expectEndOfFile()
                try session.expectExit()
            }
        )
        return cases
    }

    private static var headers: [ConformanceCase] {
        let wrong: [(String, [UInt8], ErrorCode)] = [
            ("2 byte 7 not 0 is the violation malformedFrame", [8, 0, 0, 0, 0x30, 0, 0, 1], .malformedFrame),
            (
                "11 an announced descriptor is the violation badDescriptors", [8, 0, 0, 0, 0x30, 0, 1, 0],
                .badDescriptors
            ),
            (
                "11 255 announced descriptors are the violation badDescriptors", [8, 0, 0, 0, 0x14, 0, 255, 0],
                .badDescriptors
            ),
            (
                "3 a payload of 4 GiB is the violation frameTooLarge", [255, 255, 255, 255, 0x14, 0, 0, 0],
                .frameTooLarge
            ),
            (
                "3 a payload of 4 GiB in a frame to be ignored is the violation frameTooLarge",
                [255, 255, 255, 255, 0xF0, 0, 0, 0], .frameTooLarge
            ),
        ]
        var cases = wrong.map { name, bytes, code in
            ConformanceCase(name) { session in
                try session.open()
                // No payload: the header alone must suffice.
                try session.socket.write(bytes + [0, 0, 0, 0, 0, 0, 0, 0])
                try session.expectViolation(code)
            }
        }
        cases.append(
            ConformanceCase("3 a payload one byte above maxPayload is the violation frameTooLarge") { session in
                try session.open()
                let header = FrameHeader(.data, stream: 1, length: session.limits.maxPayload + 1)
                try session.socket.write(Session.encoded { header.encode(into: &$0) })
                try session.expectViolation(.frameTooLarge)
            }
        )
        cases.append(
            ConformanceCase("3 a payload of maxPayload bytes is no violation") { session in
                try session.open()
                var header = FrameHeader(.ping, length: session.limits.maxPayload)
                header.rawType = 0xA5
                let payload = [UInt8](repeating: 7, count: Int(header.length))
                try session.socket.write(Session.encoded { header.encode(into: &$0) } + payload)
                try session.expectUsable(nextStream: 1)
            }
        )
        return cases
    }

    private static let rightWhenOpen: [ConformanceCase] = [
        ConformanceCase("14.1 open: PING is answered by PONG, also 100 of them at once") { session in
            try session.open()
            var bytes: [UInt8] = []
            for value in UInt64(1)...100 { bytes += Session.frame(.ping) { Number(value).encode(into: &$0) } }
            try session.socket.write(bytes)
            var last: UInt64 = 0
            while last < 100 {
                let value = try Number(parsing: try session.expect(.pong).payload).value
                try check(value > last && value <= 100, "PONG \(value) came after PONG \(last)")
                last = value
            }
        },
        ConformanceCase("14.1 open: PONG does no harm") { session in
            try session.open()
            try session.socket.write(Samples.frame(.pong, stream: 0))
            try session.expectUsable(nextStream: 1)
        },
        ConformanceCase("14.1 open: unknown, bit 7 set is ignored, with a payload, flags and any stream") { session in
            try session.open()
            let bytes: [UInt8] = [5, 0, 0, 0, 0x80, 0xFF, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5]
            try session.socket.write(bytes + [0, 0, 0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            try session.expectUsable(nextStream: 1)
        },
        ConformanceCase("2 a text in place of a frame is a violation") { session in
            try session.open()
            try session.socket.write(Array("hello, world: 16\n".utf8))
            // Its length and its byte 7 are both wrong: either may be told.
            try session.expectViolation(.frameTooLarge, or: .malformedFrame)
        },
        ConformanceCase("2 undefined flags are ignored") { session in
            try session.open()
            try session.socket.write([8, 0, 0, 0, 0x30, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])
            _ = try session.skip(to: .pong)
        },
        ConformanceCase("14.1 open: ERROR on 0 ends the connection") { session in
            try session.open()
            try session.socket.write(Samples.frame(.error, stream: 0))
            try session.expectEndOfFile()
            try session.expectExit()
        },
        ConformanceCase("14.1 closing: a frame after BYE ends the connection") { session in
            try session.open()
            try session.socket.write(Samples.frame(.bye, stream: 0) + Samples.frame(.ping, stream: 0))
            while let frame = try session.next(for: "the end") {
                try check(frame.type == .bye || frame.type == .error, "\(session.describe(frame)) came after BYE")
            }
            try session.expectExit()
        },
        ConformanceCase("16 end of file when open: the worker exits") { session in
            try session.open()
            session.socket.shutdownWriting()
            try session.expectExit(orKillsItself: true)
        },
        ConformanceCase("16 end of file during a call: the worker exits") { session in
            try session.open()
            try session.request(1, Offer(size: nil))
            try session.socket.write(Array(Samples.frame(.ping, stream: 0).prefix(11)))
            session.socket.shutdownWriting()
            try session.expectExit(orKillsItself: true)
        },
    ]

    // MARK: Table 14.2

    static let streamIDs: [ConformanceCase] = {
        var cases = [UInt64(0), 2, 4_294_967_296].map { id in
            ConformanceCase("14.2 REQUEST with the id \(id) is the violation badStream") { session in
                try session.open()
                try session.socket.write(Samples.frame(.request, stream: id))
                try session.expectViolation(.badStream)
            }
        }
        for id: UInt64 in [9, 7] {
            cases.append(
                ConformanceCase("14.2 REQUEST with the id \(id) after 9 is the violation badStream") { session in
                    try session.open()
                    try session.request(9, Offer(size: nil))
                    try session.socket.write(Samples.frame(.request, stream: id))
                    try session.expectViolation(.badStream)
                }
            )
        }
        for type in Samples.streamTypes where type != .request {
            for id: UInt64 in type == .error ? [1, 2] : [0, 1, 2] {
                let name = "14.2 \(type.name) on stream \(id), which was never opened, is the violation badStream"
                cases.append(
                    ConformanceCase(name) { session in
                        try session.open()
                        try session.socket.write(Samples.frame(type, stream: id))
                        try session.expectViolation(.badStream)
                    }
                )
            }
        }
        for type in Samples.streamTypes where type != .request {
            cases.append(
                ConformanceCase("14.2 \(type.name) on a forgotten stream is ignored") { session in
                    try session.open()
                    try session.expectUsable(nextStream: 11)
                    try session.socket.write(Samples.frame(type, stream: 11))
                    try session.socket.write(Samples.frame(type, stream: 5))  // was skipped
                    try session.expectUsable(nextStream: 13)
                }
            )
        }
        cases.append(
            ConformanceCase("14.2 a call above maxStreams is refused: tooManyStreams") { session in
                try session.open { $0.capabilities.limits.maxStreams = 2 }
                for id: UInt64 in [1, 3, 5] { try session.request(id, Offer(size: nil)) }
                let refuse = try Refuse(parsing: try session.skip(to: .refuse, stream: 5).payload)
                try check(refuse.code == .tooManyStreams, "REFUSE has the code \(refuse.code)")
                try session.send(.reset, stream: 1) { Halt(code: .cancelled).encode(into: &$0) }
                _ = try session.skip(to: .error, stream: 1)
                try session.expectUsable(nextStream: 7)
            }
        )
        cases.append(
            ConformanceCase("14.2 a call after DRAIN is the violation unexpectedFrame") { session in
                try session.open()
                try session.request(1, Offer(size: nil))
                try session.socket.write(Samples.frame(.drain, stream: 0) + Samples.frame(.request, stream: 3))
                try session.expectViolation(.unexpectedFrame)
            }
        )
        return cases
    }()
}
