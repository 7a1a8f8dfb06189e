// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Synchronization

/// A file without a name, beside the place where it is to appear as a whole.
///
/// Where the file system can (O_TMPFILE), it has no name at all until it is complete, so that not even SIGKILL leaves
/// anything behind. Elsewhere it has a hidden one, which ``remove()`` takes away.
final class TemporaryFile: Sendable {
    let fd: CInt
    private let directory: String
    private let name: Mutex<String?>

    // Linux's value on every architecture; the C library's macro is not visible to Swift.
    private static let unnamed = O_DIRECTORY | 0o20_000_000

    /// Makes a file in `directory`; `mode` is subject to the umask.
    init(in directory: String, mode: mode_t = 0o666, allowsUnnamed: Bool = true) throws(SystemError) {
        self.directory = directory
        if allowsUnnamed, Self.canName, let descriptor = try? File.open(directory, O_RDWR | Self.unnamed, mode: mode) {
            fd = descriptor.release()
            name = Mutex(nil)
            return
        }
        while true {
            let path = Self.randomName(in: directory)
            do throws(SystemError) {
                fd = try File.open(path, O_RDWR | O_CREAT | O_EXCL, mode: mode).release()
                name = Mutex(path)
                return
            } catch {
                guard error.errno == EEXIST else { throw error }
            }
        }
    }

    deinit {
        remove()
        _ = OwnedDescriptor(adopting: fd)
    }

    /// Gives the file its place, durably, over whatever is there.
    func rename(to target: String) throws(SystemError) {
        try File.retrying("fsync") { fsync(fd) }
        try link()
        guard let source = name.withLock({ $0 }) else { return }
        try File.rename(source, to: target)
        name.withLock { $0 = nil }
        // The file is in place; a directory that cannot be synchronised (some network file systems) takes none of it.
        if let parent = try? File.open(directory, O_RDONLY | O_DIRECTORY) { parent.withRawValue { _ = fsync($0) } }
    }

    /// Takes the name away, if there is one; the descriptor stays open.
    func remove() {
        let path = name.withLock { name in
            defer { name = nil }
            return name
        }
        if let path { try? File.remove(path) }
    }

    private func link() throws(SystemError) {
        while name.withLock({ $0 == nil }) {
            let path = Self.randomName(in: directory)
            do throws(SystemError) {
                try File.retrying("linkat") {
                    unsafe linkat(AT_FDCWD, "/proc/self/fd/\(fd)", AT_FDCWD, path, AT_SYMLINK_FOLLOW)
                }
                name.withLock { $0 = path }
            } catch {
                guard error.errno == EEXIST else { throw error }
            }
        }
    }

    /// A file without a name is named through /proc.
    private static var canName: Bool { unsafe access("/proc/self/fd", X_OK) == 0 }

    private static func randomName(in directory: String) -> String {
        directory + "/.ipc-parent-" + String(UInt64.random(in: .min ... .max), radix: 36)
    }
}
