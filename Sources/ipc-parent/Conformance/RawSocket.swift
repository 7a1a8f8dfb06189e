// SPDX-License-Identifier: Apache-2.0

import Glibc
import IPCFrame

/// A frame as it came.
struct RawFrame {
    let header: FrameHeader
    let payload: [UInt8]

    var type: FrameType? { header.type }
    var stream: UInt64 { header.stream }
    var name: String { FrameType.name(of: header.rawType) + (stream == 0 ? "" : " on stream \(stream)") }
}

/// The parent's end of the socket, for bytes of any kind, right or wrong.
///
/// Nothing blocks beyond the deadline.
final class RawSocket {
    private let descriptor: CInt
    private let deadline: ContinuousMoment
    private var input: [UInt8] = []
    private var start = 0
    private var atEnd = false
    /// The worker has closed its end while we were writing; its last words are still to be read.
    private(set) var isWriteBroken = false
    /// Whether bytes that come are taken while a write waits.
    ///
    /// A hostile parent does not.
    var readsWhileWriting = true

    /// Two connected sockets: ours, and the number of the worker's.
    static func pair(deadline: ContinuousMoment) throws -> (RawSocket, CInt) {
        var ends: [CInt] = [0, 0]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let result = unsafe socketpair(AF_UNIX, kind, 0, &ends)
        try check(result == 0, "socketpair: \(systemText(errno))")
        return (RawSocket(ends[0], deadline), ends[1])
    }

    private init(_ descriptor: CInt, _ deadline: ContinuousMoment) {
        self.descriptor = descriptor
        self.deadline = deadline
    }

    deinit {
        _ = close(descriptor)
    }

    private var millisecondsLeft: CInt {
        let left = (deadline - .now).wholeNanoseconds / 1_000_000
        return CInt(clamping: max(0, left + 1))
    }

    /// Waits for one of `events`; throws at the deadline.
    private func wait(_ events: Int32, for what: String) throws -> Int32 {
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            guard ContinuousMoment.now < deadline else { throw Failed("nothing came in time: \(what)") }
            let count = unsafe poll(&entry, 1, millisecondsLeft)
            if count > 0 { return Int32(entry.revents) }
            try check(count == 0 || errno == EINTR, "poll: \(systemText(errno))")
        }
    }

    /// Writes everything, or as much as the worker takes before it closes its end.
    func write(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count, !isWriteBroken {
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                // Inside the bounds of `bytes`.
                unsafe send(
                    descriptor,
                    buffer.baseAddress.map { unsafe $0 + offset },
                    buffer.count - offset,
                    CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
                )
            }
            if sent >= 0 {
                offset += sent
                continue
            }
            switch errno {
            case EINTR: continue
            case EPIPE, ECONNRESET: isWriteBroken = true
            case EAGAIN:
                let wanted = readsWhileWriting && !atEnd ? POLLOUT | POLLIN : POLLOUT
                let ready = try wait(wanted, for: "the worker reads no more (PROTOCOL.md §12)")
                if ready & POLLIN != 0, readsWhileWriting { try fill() }
            case let number: throw Failed("send: \(systemText(number))")
            }
        }
    }

    /// Writes one byte together with an open descriptor.
    func write(_ byte: UInt8, withDescriptor passed: CInt) throws {
        // What CMSG_FIRSTHDR and CMSG_DATA would give on a 64-bit machine: a header of 16 bytes, an int, padding.
        let control = UnsafeMutableRawBufferPointer.allocate(byteCount: 24, alignment: 8)
        defer { unsafe control.deallocate() }
        unsafe control.storeBytes(of: 20, toByteOffset: 0, as: Int.self)
        unsafe control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: CInt.self)
        unsafe control.storeBytes(of: CInt(SCM_RIGHTS), toByteOffset: 12, as: CInt.self)
        unsafe control.storeBytes(of: passed, toByteOffset: 16, as: CInt.self)
        var byte = byte
        let sent = unsafe withUnsafeMutablePointer(to: &byte) { pointer in
            var vector = unsafe iovec(iov_base: pointer, iov_len: 1)
            return unsafe withUnsafeMutablePointer(to: &vector) { vectors in
                var message = unsafe msghdr()
                unsafe message.msg_iov = vectors
                unsafe message.msg_iovlen = 1
                unsafe message.msg_control = control.baseAddress
                unsafe message.msg_controllen = control.count
                return unsafe sendmsg(descriptor, &message, CInt(MSG_NOSIGNAL))
            }
        }
        try check(sent == 1, "sendmsg: \(systemText(errno))")
    }

    /// Ends our half.
    func shutdownWriting() {
        _ = shutdown(descriptor, CInt(SHUT_WR))
    }

    /// Ends both halves, as a parent that has died: what waits is lost.
    func vanish() {
        _ = shutdown(descriptor, CInt(SHUT_RDWR))
    }

    private func fill() throws {
        if start > 1 << 20 {
            input.removeFirst(start)
            start = 0
        }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(descriptor, &chunk, chunk.count, CInt(MSG_DONTWAIT))
        if count > 0 {
            input.append(contentsOf: chunk.prefix(count))
        } else if count == 0 || errno == ECONNRESET {
            atEnd = true
        } else if errno != EAGAIN && errno != EINTR {
            throw Failed("recv: \(systemText(errno))")
        }
    }

    private func take(_ count: Int, for what: String) throws -> ArraySlice<UInt8>? {
        while input.count - start < count, !atEnd {
            _ = try wait(POLLIN, for: what)
            try fill()
        }
        guard input.count - start >= count else { return nil }
        defer { start += count }
        return input[start..<start + count]
    }

    /// The next frame, checked as far as a header tells; nil at the end of file.
    func readFrame(limit: UInt32, for what: String) throws -> RawFrame? {
        guard let head = try take(FrameHeader.byteCount, for: what) else {
            try check(input.count == start, "the worker closed in the middle of a header (§2)")
            return nil
        }
        let header: FrameHeader
        do {
            header = try FrameHeader(parsing: Array(head).span)
        } catch {
            throw Failed("the worker's frame is wrong: \(error)")
        }
        try check(
            header.length <= limit,
            "the worker's \(FrameType.name(of: header.rawType)) has \(header.length) bytes"
        )
        try check(header.descriptors == 0, "the worker announces descriptors (§11)")
        guard let payload = try take(Int(header.length), for: what) else {
            throw Failed("the worker closed in the middle of a frame (§2)")
        }
        return RawFrame(header: header, payload: Array(payload))
    }
}
