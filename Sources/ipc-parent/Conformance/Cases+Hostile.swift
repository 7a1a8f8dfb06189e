// SPDX-License-Identifier: Apache-2.0

import Glibc
import IPCFrame

// PROTOCOL.md §§8, 10 to 13: chunks that are not what they say, a parent that does not read, garbage, and the end.
extension ConformanceCase {
    static let chunks: [ConformanceCase] = violatingChunks + corruptChunks

    private static var violatingChunks: [ConformanceCase] {
        let packed = compressedText()
        let wrong: [(String, FrameFlags, [UInt8], ErrorCode)] = [
            ("8 DATA of no bytes without FLUSH", [], [], .malformedFrame),
            ("8 a compressed chunk of no bytes at all", .compressed, [], .malformedFrame),
            ("8 a compressed chunk with half a raw length", .compressed, [1, 0, 0], .malformedFrame),
            ("8 a compressed chunk without a stream", .compressed, [1, 0, 0, 0], .malformedFrame),
            (
                "8 a compressed chunk that declares 0 bytes", .compressed, [0, 0, 0, 0] + packed.dropFirst(4),
                .malformedFrame
            ),
            (
                "8 a compressed chunk that declares 4 GiB", .compressed, [255, 255, 255, 255] + packed.dropFirst(4),
                .frameTooLarge
            ),
            (
                "8 a compressed chunk that declares one byte more than maxChunk", .compressed,
                [1, 0, 4, 0] + packed.dropFirst(4), .frameTooLarge
            ),
            ("8 a stored chunk above maxChunk", [], [UInt8](repeating: 1, count: 262_145), .frameTooLarge),
            ("10 DATA with ARENA", .arena, [UInt8](repeating: 0, count: 12), .unexpectedFrame),
            ("10 DATA with FILE", .file, [UInt8](repeating: 0, count: 16), .unexpectedFrame),
        ]
        var cases = wrong.map { name, flags, payload, code in
            ConformanceCase("\(name) is the violation \(code)") { session in
                try session.open()
                try session.request(1, Offer(size: 1 << 40, codec: .zlib))
                _ = try session.skip(to: .accept, stream: 1)
                try session.socket.write(Session.frame(.data, flags: flags, stream: 1, payload: payload))
                try session.expectViolation(code)
            }
        }
        cases.append(
            ConformanceCase("8 a compressed chunk of a body offered without codec is malformedFrame") { session in
                try session.open()
                try session.request(1, Offer(size: 4_000))
                try session.socket.write(
                    Session.frame(.data, flags: .compressed, stream: 1, payload: compressedText())
                )
                try session.expectViolation(.malformedFrame)
            }
        )
        return cases
    }

    private static var corruptChunks: [ConformanceCase] {
        let packed = compressedText()
        func declaring(_ count: UInt32) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + packed.dropFirst(4)
        }
        let wrong: [(String, [UInt8])] = [
            ("inflates to one byte more than it declares", declaring(3_999)),
            ("inflates to one byte less than it declares", declaring(4_001)),
            ("declares one byte and holds 4,000", declaring(1)), ("is followed by a byte", packed + [0]),
            ("is followed by another stream", packed + packed.dropFirst(4)),
            ("lacks its last byte", packed.dropLast(1)),
            ("lacks its checksum", packed.dropLast(4)),
            ("is cut in the middle", Array(packed.prefix(packed.count / 2))),
            ("has a wrong checksum", packed.dropLast(1) + [(packed.last ?? 0) ^ 1]),
            ("is garbage", [100, 0, 0, 0] + Samples.random(300)),
            ("has a wrong header", Array(packed.prefix(4)) + [0x78, 0x02] + packed.dropFirst(6)),
            ("names a preset dictionary", Array(packed.prefix(4)) + [0x78, 0xBB] + packed.dropFirst(6)),
        ]
        return wrong.map { name, payload in
            ConformanceCase("8 a chunk that \(name) is an error of the call: corruptChunk") { session in
                try session.open()
                let offer = Offer(size: nil, codec: .zlib)
                try session.request(1, offer)
                _ = try session.skip(to: .accept, stream: 1)
                try session.socket.write(Session.frame(.data, flags: .compressed, stream: 1, payload: payload))
                try session.expectFailure(1, .corruptChunk)
                try session.send(.reset, stream: 1) { Halt(code: .stopped).encode(into: &$0) }
                try session.expectUsable(nextStream: 3)
            }
        }
    }

    private static func compressedText() -> [UInt8] {
        ChunkDeflater().compress(Samples.text(4_000), within: 4_000) ?? []
    }

    // MARK: Transport

    static let transport: [ConformanceCase] = [
        ConformanceCase("11 a descriptor that no header announced is the violation badDescriptors") { session in
            try session.open()
            let file = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
            defer { _ = Glibc.close(file) }
            let ping = Samples.frame(.ping, stream: 0)
            try session.socket.write(ping[0], withDescriptor: file)
            try session.socket.write(Array(ping.dropFirst()) + Session.frame(.ping) { Number(2).encode(into: &$0) })
            try session.expectViolation(.badDescriptors)
        },
        ConformanceCase("12 the worker goes on reading while it cannot write: 100 echoes of 64 KiB, read only then") {
            session in
            try session.open()
            session.socket.readsWhileWriting = false
            let ids = (0..<100).map { UInt64($0 * 2 + 1) }
            for id in ids { try session.request(id, Offer(size: 65_536), body: Samples.random(65_536, seed: id)) }
            var ended: Set<UInt64> = []
            while ended.count < ids.count {
                guard let frame = try session.next(for: "100 echoes") else { throw Failed("the worker closed") }
                if frame.type == .end { ended.insert(frame.stream) }
                try check(frame.type != .error && frame.type != .refuse, "\(session.describe(frame)) came")
            }
            try session.expectUsable(nextStream: 1_001)
        },
        ConformanceCase("2 frames that come byte by byte are understood") { session in
            try session.open()
            var bytes = Session.frame(.request, stream: 1) {
                Request(method: "echo", offer: Offer(size: 300)).encode(into: &$0)
            }
            bytes += Session.frame(.data, stream: 1, payload: Samples.random(300))
            bytes += Session.end(1, Samples.random(300), Offer(size: 300))
            for byte in bytes { try session.socket.write([byte]) }
            try check(try session.answer(1) == Samples.random(300), "other bytes came back")
        },
        ConformanceCase("2 fifty calls in one write are understood") { session in
            try session.open()
            var bytes: [UInt8] = []
            for id in stride(from: UInt64(1), to: 100, by: 2) {
                bytes += Samples.frame(.request, stream: id) + Samples.frame(.end, stream: id)
            }
            try session.socket.write(bytes)
            var ends = 0
            while ends < 50 {
                guard let frame = try session.next(for: "50 answers") else { throw Failed("the worker closed") }
                if frame.type == .end { ends += 1 }
            }
        },
        ConformanceCase("13 garbage ends the connection, and never the worker by a signal") { session in
            try session.open()
            try session.socket.write(Samples.random(100_000))
            session.socket.shutdownWriting()
            while try session.next(for: "the end of file") != nil {}
            try session.expectExit()
        },
        ConformanceCase("13 a parent that vanishes while bytes for it wait: the worker exits") { session in
            try session.open()
            session.socket.readsWhileWriting = false
            for id in 0..<40 {
                try session.request(UInt64(id * 2 + 1), Offer(size: 65_536), body: Samples.random(65_536))
            }
            session.socket.vanish()
            try session.expectExit(orKillsItself: true)
        },
    ]

    // MARK: Draining

    static let draining: [ConformanceCase] = [
        ConformanceCase("13 DRAIN: a call that runs is finished before BYE") { session in
            try session.open()
            try session.requestLargeEcho(1)
            try session.socket.write(Samples.frame(.drain, stream: 0))
            try session.sendPing()
            while true {
                guard let frame = try session.next(for: "PONG") else { throw Failed("the worker closed") }
                try check(frame.type != .bye, "BYE came before the call was over")
                if frame.type == .pong { break }
            }
            try session.send(.accept, stream: 1) { Accept(limit: 100_000).encode(into: &$0) }
            _ = try session.skip(to: .end, stream: 1)
            try session.send(.credit, stream: 1) { Credit(consumed: 100_000, limit: 100_000).encode(into: &$0) }
            try session.expectBye()
        },
        ConformanceCase("13 BYE without DRAIN is answered by BYE") { session in
            try session.open()
            try session.send(.bye)
            session.socket.shutdownWriting()
            let bye = try session.skip(to: .bye)
            var reader = bye.payload[...]
            while !reader.isEmpty { reader = reader.dropFirst(try session.lengthOfTLV(reader)) }
            try session.expectEndOfFile()
            try session.expectExit(0)
        },
        ConformanceCase("13 BYE during a call: the call fails, and BYE is answered") { session in
            try session.open()
            try session.request(1, Offer(size: nil))
            try session.send(.bye)
            session.socket.shutdownWriting()
            _ = try session.skip(to: .bye)
            try session.expectEndOfFile()
            try session.expectExit(0)
        },
        ConformanceCase("13 after DRAIN the worker waits for the parent's BYE") { session in
            try session.open()
            try session.expectUsable(nextStream: 1)
            try session.close()
        },
    ]
}

extension Session {
    fileprivate func expectBye() throws {
        _ = try skip(to: .bye)
        try send(.bye)
        socket.shutdownWriting()
        try expectEndOfFile()
        try expectExit(0)
    }

    /// The bytes that the TLV at the beginning of `bytes` takes.
    fileprivate func lengthOfTLV(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let head = Array(bytes.prefix(6))
        try check(head.count == 6, "BYE ends with half a TLV (§4)")
        let length = (0..<4).reduce(0) { $0 | Int(head[2 + $1]) << (8 * $1) }
        try check(bytes.count >= 6 + length, "BYE has a TLV that ends behind the payload (§4)")
        return 6 + length
    }
}
