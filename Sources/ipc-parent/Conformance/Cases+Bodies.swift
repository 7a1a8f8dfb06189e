// SPDX-License-Identifier: Apache-2.0

import IPCFrame

// PROTOCOL.md §§7.1, 7.2, 8 and 9: bodies that move as they should, and credit to the byte.
extension ConformanceCase {
    static let bodies: [ConformanceCase] = {
        let sizes = [0, 1, 2, 65_535, 65_536, 65_537, 262_144, 262_145, 1_048_577, 5_000_000]
        var cases = sizes.flatMap { size in
            [
                ConformanceCase("7.1 a body of \(size) bytes, of known size") { session in
                    try session.echo { $0.body = Samples.random(size)[...] }
                },
                ConformanceCase("7.1 a body of \(size) bytes, of unknown size, in zlib chunks") { session in
                    try session.echo {
                        $0.body = Samples.text(size)[...]
                        $0.isKnownSize = false
                        $0.codec = .zlib
                    }
                },
            ]
        }
        cases += [
            ConformanceCase("7.1 a held body waits for ACCEPT, however small it is") { session in
                try session.echo {
                    $0.body = [1, 2, 3]
                    $0.isHeld = true
                }
            },
            ConformanceCase("7.1 a held body of no bytes waits for ACCEPT") { session in
                try session.echo { $0.isHeld = true }
            },
            ConformanceCase("8 chunks of one byte") { session in
                try session.echo {
                    $0.body = Samples.random(300)[...]
                    $0.chunkSize = 1
                }
            },
            ConformanceCase("8 stored chunks in a body offered with zlib") { session in
                try session.echo {
                    $0.body = Samples.random(1_000_000)[...]
                    $0.codec = .zlib
                }
            },
            ConformanceCase("9 a body without digest") { session in
                try session.echo {
                    $0.body = Samples.random(100_000)[...]
                    $0.digest = .none
                }
            },
            ConformanceCase("7.2 FLUSH: CREDIT comes as soon as the chunk has been consumed") { session in
                try session.echo {
                    $0.body = Samples.random(100_000)[...]
                    $0.isKnownSize = false
                    $0.chunkSize = 9_999
                    $0.flushes = true
                }
            },
            ConformanceCase("7.2 FLUSH of a body at once: CREDIT comes for it too") { session in
                try session.open()
                try session.request(1, Offer(size: 9))
                let chunk = Session.frame(.data, flags: .flush, stream: 1, payload: [1, 2, 3])
                try session.socket.write(chunk)
                let credit = try Credit(parsing: try session.skip(to: .credit, stream: 1).payload)
                try check(credit.consumed == 3, "CREDIT says that \(credit.consumed) bytes were consumed, not 3")
            },
            ConformanceCase("12 twenty calls at once, each with a body above every window") { session in
                let parent = GoodParent(session)
                try parent.open()
                let bodies = (0..<20).map { Samples.random(300_000, seed: UInt64($0)) }
                let calls = try bodies.map { try parent.start(GoodParent.Call($0)) }
                for (body, call) in zip(bodies, calls) {
                    try check(try parent.finish(call) == body, "other bytes came back on stream \(call)")
                }
                try parent.close()
            },
            ConformanceCase("12 pings are answered while bodies move") { session in
                let parent = GoodParent(session)
                try parent.open()
                let call = try parent.start(GoodParent.Call(Samples.random(2_000_000)))
                for value in UInt64(1)...20 {
                    parent.ping(value)
                    try parent.awaitPongs(Int(value))
                }
                _ = try parent.finish(call)
                try parent.close()
            },
            ConformanceCase("7 three hundred calls, one after the other, on one connection") { session in
                let parent = GoodParent(session)
                try parent.open()
                for number in 0..<300 {
                    try parent.echo(GoodParent.Call(Samples.random(number * 3)), "call \(number)")
                }
                try parent.close()
            },
        ]
        return cases
    }()

    static let credit: [ConformanceCase] = [
        ConformanceCase("7.1 REQUEST with a body above initialCredit gets ACCEPT with a limit") { session in
            try session.open()
            try session.request(1, Offer(size: 100_000))
            let accept = try Accept(parsing: try session.skip(to: .accept, stream: 1).payload)
            try check(accept.limit > 0, "ACCEPT has the limit 0")
        },
        ConformanceCase("7.2 the response keeps to the limit, to the byte, as it grows") { session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.send(.accept, stream: 1) { Accept(limit: 10).encode(into: &$0) }
            try session.expectBytes(1, upTo: 10)
            for limit: UInt64 in [11, 11, 5, 1_000, 70_000] {
                try session.send(.credit, stream: 1) { Credit(consumed: 10, limit: limit).encode(into: &$0) }
                try session.expectBytes(1, upTo: max(11, limit))
            }
        },
        ConformanceCase("7.2 ACCEPT with the limit 0 sends nothing before CREDIT") { session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.send(.accept, stream: 1) { Accept(limit: 0).encode(into: &$0) }
            try session.expectBytes(1, upTo: 0)
            try session.send(.credit, stream: 1) { Credit(consumed: 0, limit: 3).encode(into: &$0) }
            try session.expectBytes(1, upTo: 3)
        },
        ConformanceCase("7.2 CREDIT for more than was sent is the violation malformedFrame") { session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.send(.accept, stream: 1) { Accept(limit: 10).encode(into: &$0) }
            try session.expectBytes(1, upTo: 10)
            try session.send(.credit, stream: 1) { Credit(consumed: 11, limit: 20).encode(into: &$0) }
            try session.expectViolation(.malformedFrame)
        },
        ConformanceCase("7.2 a chunk that passes the limit of a body at once is creditExceeded") { session in
            try session.open()
            try session.request(1, Offer(size: 3))
            try session.socket.write(Session.frame(.data, stream: 1, payload: [1, 2, 3, 4]))
            try session.expectViolation(.creditExceeded)
        },
        ConformanceCase("7.2 a chunk that passes the limit of ACCEPT is creditExceeded") { session in
            try session.open()
            try session.request(1, Offer(size: 5, isHeld: true))
            let limit = try Accept(parsing: try session.skip(to: .accept, stream: 1).payload).limit
            var left = limit + 1
            // The worker may raise the limit of a body that is larger; of this one it cannot need more than 5.
            try check(limit <= 1 << 30, "the limit of a body of 5 bytes is \(limit)")
            while left > 0 {
                let count = min(left, 200_000)
                try session.socket.write(
                    Session.frame(.data, stream: 1, payload: [UInt8](repeating: 1, count: Int(count)))
                )
                left -= count
            }
            try session.expectViolation(.creditExceeded)
        },
    ]
}

extension Session {
    /// One call to echo by a parent that keeps the rules, and the end of the connection.
    fileprivate func echo(_ change: (inout GoodParent.Call) -> Void) throws {
        let parent = GoodParent(self)
        try parent.open()
        var call = GoodParent.Call([])
        change(&call)
        try parent.echo(call, "echo")
        try parent.close()
    }

    /// Opens an echo of 100,000 bytes and sends all of them; returns when RESPONSE is there and waits for a verdict.
    func requestLargeEcho(_ stream: UInt64) throws {
        let body = Samples.random(100_000)
        let offer = Offer(size: 100_000)
        try request(stream, offer)
        var limit: UInt64 = 0
        var sent = 0
        var isAnswered = false
        while sent < body.count || !isAnswered {
            guard let frame = try next(for: "RESPONSE of a large echo") else { throw Failed("the worker closed") }
            switch frame.type {
            case .accept: limit = try Accept(parsing: frame.payload).limit
            case .credit: limit = max(limit, try Credit(parsing: frame.payload).limit)
            case .response:
                isAnswered = true
                let offer = try ResponseHead(parsing: frame.payload).offer
                let isAtOnce = offer.isSentAtOnce(initialCredit: limits.initialCredit)
                try check(!isAtOnce, "the offer of the echo is that of another size")
            default: throw Failed("\(describe(frame)) came")
            }
            while sent < body.count, UInt64(sent) < limit {
                let end = min(body.count, Int(clamping: limit), sent + 50_000)
                try socket.write(Self.frame(.data, stream: stream, payload: Array(body[sent..<end])))
                sent = end
                if sent == body.count { try socket.write(Self.end(stream, body, offer)) }
            }
        }
    }

    /// Exactly the bytes up to `limit` must come, and no more though the worker has more: a ping tells that it is done.
    fileprivate func expectBytes(_ stream: UInt64, upTo limit: UInt64) throws {
        while received < limit {
            let frame = try skip(to: .data, stream: stream)
            received += UInt64(frame.payload.count)
        }
        try check(received == limit, "\(received) bytes came, with a limit of \(limit) (§7.2)")
        try sendPing()
        while true {
            guard let frame = try next(for: "PONG") else { throw Failed("the worker closed") }
            try check(frame.type != .data, "DATA came beyond the limit \(limit) (§7.2)")
            if frame.type == .pong { return }
        }
    }
}
