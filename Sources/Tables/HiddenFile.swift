// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A file that exists under no name until it is published: how a new database comes into being whole or not at all.
///
/// It lies in the directory where it will be published (`O_TMPFILE`), so that giving it its name is one step, and a
/// process killed before that leaves nothing. Where the file system cannot do that, it has a name that begins with a
/// dot until it is published or given up.
final class HiddenFile {
    /// What SQLite opens.
    let path: String
    /// The SQLite file layer for it; nil for the usual one.
    let vfs: String?
    private let target: String
    private let directory: String
    private let descriptor: CInt
    private let isNamed: Bool

    /// `O_TMPFILE`, which the Glibc module lacks; the same on every architecture but for its `O_DIRECTORY`.
    private static let temporary: CInt = 0o20_000_000 | O_DIRECTORY

    /// Creates the file beside `target`, where nothing may be yet.
    ///
    /// With `isNamed`, goes about it as where the file system knows no files without a name.
    init(beside target: String, isNamed: Bool = false) throws(TableError) {
        let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
        let directory = slash.map { String(target[..<$0]) + "/" } ?? "./"
        self.target = target
        self.directory = directory
        let hidden = isNamed ? -1 : unsafe open(directory, Self.temporary | O_RDWR | O_CLOEXEC, 0o644)
        if hidden >= 0, DescriptorLayer.isRegistered {
            descriptor = hidden
            path = "\(hidden)"
            vfs = DescriptorLayer.name
            self.isNamed = false
            return
        }
        let cause = errno
        if hidden >= 0 { close(hidden) }
        guard isNamed || hidden >= 0 || [EOPNOTSUPP, EISDIR, EINVAL].contains(cause) else {
            throw Self.cannotCreate(target, cause)
        }
        vfs = nil
        self.isNamed = true
        let base = slash.map { String(target[target.index(after: $0)...]) } ?? target
        var (named, attempt) = ("", 0)
        var opened: CInt
        repeat {
            named = "\(directory).\(base).ipcframe-\(getpid())-\(attempt)"
            opened = unsafe open(named, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o644)
            attempt += 1
        } while opened < 0 && errno == EEXIST && attempt < 1_000
        (path, descriptor) = (named, opened)
        guard descriptor >= 0 else { throw Self.cannotCreate(target, errno) }
    }

    deinit {
        if isNamed { unsafe unlink(path) }
        close(descriptor)
    }

    private static func cannotCreate(_ target: String, _ cause: CInt) -> TableError {
        let why = unsafe String(cString: strerror(cause))
        let code: TableError.Code = cause == EACCES || cause == EPERM || cause == EROFS ? .noPermission : .cantCreate
        return TableError(code, "cannot create the database '\(target)': \(why)")
    }

    /// Marks the closed database as one with a write-ahead log, makes it durable, and gives it its name.
    func publish() throws(TableError) {
        // Bytes 18 and 19 of an SQLite file are its write and read version; 2 is WAL, and an absent log is an empty one.
        let version: [UInt8] = [2, 2]
        let written = unsafe version.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, 2, 18) }
        guard written == 2, fsync(descriptor) == 0 else { throw Self.cannotCreate(target, errno) }
        let code =
            unsafe isNamed
            ? link(path, target)
            : linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, target, AT_SYMLINK_FOLLOW)
        if code != 0, isNamed, [EPERM, EOPNOTSUPP, ENOSYS].contains(errno), unsafe access(target, F_OK) != 0 {
            // A file system without hard links: moving the file is the next best thing.
            guard unsafe rename(path, target) == 0 else { throw Self.cannotCreate(target, errno) }
            return syncDirectory()
        }
        guard code == 0 else {
            guard errno == EEXIST else { throw Self.cannotCreate(target, errno) }
            throw TableError(.tryAgain, "'\(target)' was created by somebody else meanwhile; nothing was changed")
        }
        syncDirectory()
    }

    /// Makes the name durable.
    ///
    /// It is there for everybody already; only a power failure in this instant could still take it away.
    private func syncDirectory() {
        let parent = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { return }
        fsync(parent)
        close(parent)
    }
}
