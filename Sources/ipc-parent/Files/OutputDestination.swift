// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame

/// What a path given for output means, once its symbolic links are followed.
enum OutputDestination: Equatable {
    /// A descriptor that this process has already: `/dev/fd/N`, `/dev/stdout` and the like.
    case descriptor(CInt)

    /// A file to be replaced as a whole, or to be made.
    case file(path: String, present: File.Status?)

    /// A device or a FIFO: opened and written, never renamed.
    case special(path: String)

    /// A listening local socket: connected and written.
    case socket(path: String)

    private static let mostLinks = 40

    /// Finds out what `path` is.
    init(resolving path: String) throws(SystemError) {
        var path = path
        for _ in 0..<Self.mostLinks {
            if let number = Self.descriptorNumber(path) {
                self = .descriptor(number)
                return
            }
            // What lies under /proc looks like links and files, but only the kernel can follow it.
            if path.hasPrefix("/proc/") {
                self = .special(path: path)
                return
            }
            guard !path.isEmpty else { throw SystemError(call: "open", errno: ENOENT) }
            if path.hasSuffix("/") { throw SystemError(call: "open", errno: EISDIR) }
            do throws(SystemError) {
                guard let target = try File.linkTarget(of: path) else {
                    self = try Self.existing(path)
                    return
                }
                path = target.hasPrefix("/") ? target : Self.directory(of: path) + "/" + target
            } catch {
                guard error.errno == ENOENT else { throw error }
                // The directory must be there all the same.
                guard try File.status(at: Self.directory(of: path)).kind == .directory else {
                    throw SystemError(call: "open", errno: ENOTDIR)
                }
                self = .file(path: path, present: nil)
                return
            }
        }
        throw SystemError(call: "open", errno: ELOOP)
    }

    private static func existing(_ path: String) throws(SystemError) -> OutputDestination {
        let status = try File.status(at: path)
        switch status.kind {
        case .regular:
            // Renaming would replace what its owner has closed to us.
            try File.retrying("open") { unsafe faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) }
            return .file(path: path, present: status)
        case .directory: throw SystemError(call: "open", errno: EISDIR)
        case .socket: return .socket(path: path)
        case .fifo, .device, .other: return .special(path: path)
        }
    }

    /// The number in the names that the system has for a process's own descriptors.
    static func descriptorNumber(_ path: String) -> CInt? {
        switch path {
        case "/dev/stdin": return STDIN_FILENO
        case "/dev/stdout": return STDOUT_FILENO
        case "/dev/stderr": return STDERR_FILENO
        default: break
        }
        for prefix in ["/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/", "/proc/\(getpid())/fd/"]
        where path.hasPrefix(prefix) {
            let number = path.dropFirst(prefix.count)
            guard number.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else { return nil }
            return CInt(number)
        }
        return nil
    }

    /// The directory in which a path's last component lies.
    static func directory(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
