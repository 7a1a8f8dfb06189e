// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame

/// The system calls on files that the command line needs: interrupted ones are repeated, failed ones throw.
enum File {
    /// What `fstat` tells, as far as it matters here.
    struct Status: Equatable {
        enum Kind { case regular, directory, fifo, socket, device, other }

        /// What makes two paths lead to the same file.
        struct Identity: Hashable {
            let device: dev_t
            let number: ino_t
        }

        let kind: Kind
        let identity: Identity
        let byteCount: UInt64
        /// Permission bits, without set-user-id and the like.
        let mode: mode_t
        let owner: uid_t
        let group: gid_t

        init(_ raw: Glibc.stat) {
            switch raw.st_mode & S_IFMT {
            case S_IFREG: kind = .regular
            case S_IFDIR: kind = .directory
            case S_IFIFO: kind = .fifo
            case S_IFSOCK: kind = .socket
            case S_IFCHR, S_IFBLK: kind = .device
            default: kind = .other
            }
            identity = Identity(device: raw.st_dev, number: raw.st_ino)
            byteCount = UInt64(max(0, raw.st_size))
            mode = raw.st_mode & 0o777
            owner = raw.st_uid
            group = raw.st_gid
        }
    }

    static func open(_ path: String, _ flags: CInt, mode: mode_t = 0) throws(SystemError) -> OwnedDescriptor {
        // The path's bytes live as long as the call.
        let fd = try retrying("open") { unsafe Glibc.open(path, flags | O_CLOEXEC, mode) }
        return OwnedDescriptor(adopting: fd)
    }

    /// Fails unless this process was started with the descriptor: its own are all close-on-exec, and nobody's business.
    static func requireInherited(_ fd: CInt) throws(SystemError) {
        let flags = fcntl(fd, F_GETFD)
        guard flags >= 0, flags & FD_CLOEXEC == 0 else { throw SystemError(call: "open", errno: EBADF) }
    }

    static func status(of fd: CInt) throws(SystemError) -> Status {
        var raw = Glibc.stat()
        try retrying("fstat") { unsafe fstat(fd, &raw) }
        return Status(raw)
    }

    /// Follows symbolic links.
    static func status(at path: String) throws(SystemError) -> Status {
        var raw = Glibc.stat()
        try retrying("stat") { unsafe stat(path, &raw) }
        return Status(raw)
    }

    /// Where a symbolic link points; `nil` when `path` is none.
    static func linkTarget(of path: String) throws(SystemError) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        // readlink writes no more than the array holds.
        let count = unsafe readlink(path, &buffer, buffer.count)
        guard count >= 0 else {
            if errno == EINVAL { return nil }
            throw SystemError(call: "readlink", errno: errno)
        }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Reads at `offset`, or where the descriptor stands; an empty array is the end of the file.
    static func read(_ fd: CInt, upTo count: Int, at offset: Int64? = nil) throws(SystemError) -> [UInt8] {
        var failure: CInt = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            var result = -1
            repeat {
                // At most the buffer's capacity is written, and what was written is counted.
                if let offset {
                    result = unsafe pread(fd, buffer.baseAddress, count, off_t(offset))
                } else {
                    result = unsafe Glibc.read(fd, buffer.baseAddress, count)
                }
            } while result < 0 && errno == EINTR
            if result < 0 { failure = errno }
            filled = max(0, result)
        }
        guard failure == 0 else { throw SystemError(call: offset == nil ? "read" : "pread", errno: failure) }
        return bytes
    }

    /// Writes as much as fits at once, from `offset` of `bytes`.
    static func write(_ fd: CInt, _ bytes: [UInt8], from offset: Int) throws(SystemError) -> Int {
        var count = -1
        repeat {
            count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(
                    fd,
                    UnsafeRawBufferPointer(rebasing: buffer[offset...]).baseAddress,
                    bytes.count - offset
                )
            }
        } while count < 0 && errno == EINTR
        guard count >= 0 else { throw SystemError(call: "write", errno: errno) }
        return count
    }

    static func seek(_ fd: CInt, to offset: Int64, from origin: CInt) throws(SystemError) -> Int64 {
        let position = lseek(fd, off_t(offset), origin)
        guard position >= 0 else { throw SystemError(call: "lseek", errno: errno) }
        return Int64(position)
    }

    static func rename(_ source: String, to target: String) throws(SystemError) {
        try retrying("rename") { unsafe Glibc.rename(source, target) }
    }

    static func remove(_ path: String) throws(SystemError) {
        try retrying("unlink") { unsafe unlink(path) }
    }

    /// Repeats a call that a signal interrupted, and throws when it fails.
    @discardableResult
    static func retrying(_ call: String, _ body: () -> CInt) throws(SystemError) -> CInt {
        while true {
            let result = body()
            if result >= 0 { return result }
            if errno != EINTR { throw SystemError(call: call, errno: errno) }
        }
    }
}

extension File {
    /// A stream connected to the local socket at `path`.
    static func connect(to path: String) throws(SystemError) -> OwnedDescriptor {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        // The name needs its zero.
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError(call: "connect", errno: ENAMETOOLONG)
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = OwnedDescriptor(adopting: try retrying("socket") { socket(AF_UNIX, kind, 0) })
        try retrying("connect") {
            descriptor.withRawValue { fd in
                unsafe withUnsafePointer(to: &address) { pointer in
                    // A sockaddr_un is what the family says it is.
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
            }
        }
        return descriptor
    }
}
