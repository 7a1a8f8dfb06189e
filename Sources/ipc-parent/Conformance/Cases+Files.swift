// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import IPCFrame

// PROTOCOL.md §10.2: bodies that come as files, and files that must not.
extension ConformanceCase {
    static let files: [ConformanceCase] = bodiesInFiles + wrongFiles + wrongFileFrames

    /// A case for workers that take files; others have nothing to show.
    private static func whenOffered(
        _ name: String,
        _ body: @escaping @Sendable (Session) throws -> Void
    ) -> ConformanceCase {
        ConformanceCase("10.2 \(name)", needing: Capabilities.descriptor, body)
    }

    /// DATA with FILE, and with as many descriptors as its header counts, if it counts one.
    private static func send(
        _ session: Session,
        _ file: CInt?,
        offset: UInt64 = 0,
        count: UInt64,
        descriptors: UInt8 = 1,
        flags: FrameFlags = .file
    ) throws {
        var header = FrameHeader(.data, flags: flags, descriptors: descriptors, stream: 1)
        header.length = 16
        let frame = Session.encoded { bytes in
            header.encode(into: &bytes)
            for value in [offset, count] { bytes.appendLittleEndian(value) }
        }
        if let file { try session.send(frame, withDescriptor: file) } else { try session.socket.write(frame) }
    }

    /// Opens call 1 with a body that is offered as a file; the worker must accept it so, or the case is over.
    private static func offer(_ session: Session, _ count: Int, digest: BodyDigest = .none) throws -> Bool {
        try session.request(1, Offer(size: UInt64(count), delivery: .descriptor, digest: digest, isHeld: true))
        return try Accept(parsing: try session.skip(to: .accept, stream: 1).payload).delivery == .descriptor
    }

    /// A memory file, sealed or not, that is closed when `body` has ended.
    private static func withFile<Value>(
        _ bytes: [UInt8],
        isSealed: Bool = true,
        _ body: (CInt) throws -> Value
    ) throws -> Value {
        let file =
            isSealed
            ? unsafe bytes.withUnsafeBytes { unsafe clinux_file_sealed($0.baseAddress, $0.count) }
            : clinux_memfd_create(bytes.count, 0)
        try check(file >= 0, "cannot make a memory file")
        defer { _ = Glibc.close(file) }
        if !isSealed {
            let count = unsafe pwrite(file, bytes, bytes.count, 0)
            try check(count == bytes.count, "pwrite: \(systemText(errno))")
        }
        return try body(file)
    }

    private static let bodiesInFiles: [ConformanceCase] =
        [1, 65_537, 5_000_000].map { size in
            whenOffered("a body of \(size) bytes is read out of its file") { session in
                let body = Samples.random(size)
                guard try offer(session, size, digest: .crc32) else { return }
                try withFile([1, 2, 3] + body + [4]) { file in
                    try send(session, file, offset: 3, count: UInt64(size))
                    try session.socket.write(Session.end(1, body, Offer(size: nil, digest: .crc32)))
                    try check(try session.answer(1) == body, "the echo has other bytes")
                }
                try session.expectUsable(nextStream: 3)
            }
        } + [
            whenOffered("a body that is offered as a file may come inline") { session in
                let body = Samples.random(1_000)
                _ = try offer(session, body.count)
                try session.send(.data, stream: 1) { $0 = body }
                try session.socket.write(Session.end(1, body, Offer(size: nil)))
                try check(try session.answer(1) == body, "the echo has other bytes")
                try session.expectUsable(nextStream: 3)
            },
            whenOffered("a body of no bytes has no file") { session in
                _ = try offer(session, 0)
                try session.socket.write(Session.end(1, [], Offer(size: nil)))
                try check(try session.answer(1) == [], "the echo has bytes")
                try session.expectUsable(nextStream: 3)
            },
            whenOffered("a body of unknown size is accepted inline") { session in
                try session.request(1, Offer(size: nil, delivery: .descriptor))
                let accept = try Accept(parsing: try session.skip(to: .accept, stream: 1).payload)
                try check(accept.delivery == .inline, "ACCEPT takes a file whose size it does not know")
                try session.socket.write(Session.end(1, [], Offer(size: nil)))
                try check(try session.answer(1) == [], "the echo has bytes")
            },
            whenOffered("a wrong digest of a file fails its call alone") { session in
                let body = Samples.random(100_000)
                guard try offer(session, body.count, digest: .crc32) else { return }
                try withFile(body.map { $0 ^ 1 }) { file in
                    try send(session, file, count: UInt64(body.count))
                    try session.socket.write(Session.end(1, body, Offer(size: nil, digest: .crc32)))
                    try session.expectFailure(1, .digestMismatch)
                }
                try session.expectUsable(nextStream: 3)
            },
        ]

    private static var wrongFiles: [ConformanceCase] {
        let wrong: [(String, @Sendable () -> CInt)] = [
            ("that can be written and is not sealed", { clinux_memfd_create(100_000, 0) }),
            ("that is too short", { unsafe clinux_file_sealed("x", 1) }),
            ("that is a device", { unsafe open("/dev/zero", O_RDONLY | O_CLOEXEC) }),
            ("that is a directory", { unsafe open("/", O_RDONLY | O_CLOEXEC) }),
        ]
        return wrong.map { name, make in
            whenOffered("a file \(name) is the error badFile of its call") { session in
                guard try offer(session, 100_000) else { return }
                let file = make()
                try check(file >= 0, "cannot make the file")
                defer { _ = Glibc.close(file) }
                try send(session, file, count: 100_000)
                try session.socket.write(Session.end(1, [UInt8](repeating: 0, count: 100_000), Offer(size: nil)))
                try session.expectFailure(1, .badFile)
                try session.expectUsable(nextStream: 3)
            }
        }
    }

    private static var wrongFileFrames: [ConformanceCase] {
        let wrong: [(String, UInt64, UInt64, UInt8, FrameFlags, ErrorCode)] = [
            ("of another length than was offered", 0, 999, 1, .file, .malformedFrame),
            ("of no bytes", 0, 0, 1, .file, .malformedFrame),
            ("whose offset and length pass 64 bits", .max, 1_000, 1, .file, .malformedFrame),
            ("that is compressed", 0, 1_000, 1, [.file, .compressed], .malformedFrame),
            ("without a descriptor", 0, 1_000, 0, .file, .badDescriptors),
            ("with two descriptors", 0, 1_000, 2, .file, .badDescriptors),
        ]
        return wrong.map { name, offset, count, descriptors, flags, code in
            whenOffered("a file \(name) is the violation \(code)") { session in
                guard try offer(session, 1_000) else { return }
                try withFile([UInt8](repeating: 7, count: 1_000)) { file in
                    let sent = descriptors == 0 ? nil : file
                    try send(session, sent, offset: offset, count: count, descriptors: descriptors, flags: flags)
                    try session.expectViolation(code)
                }
            }
        } + [
            whenOffered("a file for a body that was accepted inline is the violation unexpectedFrame") { session in
                try session.request(1, Offer(size: 1_000, isHeld: true))
                _ = try session.skip(to: .accept, stream: 1)
                try withFile([UInt8](repeating: 7, count: 1_000)) { file in
                    try send(session, file, count: 1_000)
                    try session.expectViolation(.unexpectedFrame)
                }
            },
            ConformanceCase("10.2 a file where the feature is off is a violation") { session in
                try session.open()
                try session.request(1, Offer(size: 1_000, isHeld: true))
                _ = try session.skip(to: .accept, stream: 1)
                try send(session, nil, count: 1_000, descriptors: 0)
                try session.expectViolation(.unexpectedFrame, or: .badDescriptors)
            },
        ]
    }
}
