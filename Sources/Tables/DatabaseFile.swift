// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What lies under a database's path, found out without opening it: closing a descriptor of our own would drop the
/// locks that other connections of this process hold on the same file.
enum DatabaseFile {
    case present(path: String)
    case absent(path: String)

    /// Looks at the path `name`, which is what messages call it, following links also where what they name is not there yet.
    static func inspect(_ name: String) throws(TableError) -> DatabaseFile {
        // A path that begins with "file:" or ":memory:" means something else to SQLite.
        var path = name.hasPrefix("/") ? name : "./" + name
        for _ in 0..<16 {
            var status = stat()
            if unsafe stat(path, &status) == 0 {
                guard status.st_mode & S_IFMT == S_IFREG else {
                    throw TableError(.config, "the database '\(name)' is not a regular file")
                }
                return .present(path: path)
            }
            guard errno == ENOENT else { throw failure(name, errno) }
            guard let target = link(path) else {
                try checkDirectory(of: path, name: name)
                return .absent(path: path)
            }
            path = target.hasPrefix("/") ? target : directory(of: path) + target
        }
        throw failure(name, ELOOP)
    }

    /// The path's directory, with its slash.
    static func directory(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "./" }
        return String(path[...slash])
    }

    private static func checkDirectory(of path: String, name: String) throws(TableError) {
        let directory = directory(of: path)
        var status = stat()
        guard unsafe stat(directory, &status) == 0 else { throw failure(name, errno) }
    }

    private static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        // readlink writes at most the buffer's size and no NUL.
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe readlink(path, $0.baseAddress.unsafelyUnwrapped, $0.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    private static func failure(_ name: String, _ cause: CInt) -> TableError {
        let why = unsafe String(cString: strerror(cause))
        if cause == ENOENT || cause == ENOTDIR {
            return TableError(.cantCreate, "the directory of the database '\(name)' does not exist")
        }
        return TableError(cause == EACCES ? .noPermission : .cantCreate, "cannot reach the database '\(name)': \(why)")
    }
}
