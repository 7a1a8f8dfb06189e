// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame

/// Finds the file that a program's name means, as a shell does, but says exactly why it fails.
enum ExecutableLookup {
    private enum Candidate {
        case executable
        case missing
        case unusable(SpawnError.Code, errno: CInt)
    }

    /// Returns an absolute path.
    ///
    /// A name with a slash is a path, relative to the parent's directory (not to the child's new one). Any other is
    /// searched for in `searchPath`, the value of PATH.
    static func find(_ program: String, searchPath: String?) throws(SpawnError) -> String {
        guard !program.isEmpty else {
            throw SpawnError(.notFound, program: program, detail: "the program's name is empty")
        }
        if program.utf8.contains(UInt8(ascii: "/")) {
            switch examine(program) {
            case .executable: return try absolute(program)
            case .missing: throw SpawnError(.notFound, program: program, detail: "there is no such file")
            case .unusable(let code, let number): throw unusable(program, code, number, at: program)
            }
        }
        var unusableError: SpawnError?
        let directories = (searchPath ?? "/usr/local/bin:/usr/bin:/bin").split(
            separator: ":",
            omittingEmptySubsequences: false
        )
        for directory in directories {
            let path = (directory.isEmpty ? "." : String(directory)) + "/" + program
            switch examine(path) {
            case .executable: return try absolute(path)
            case .missing: continue
            case .unusable(let code, let number):
                unusableError = unusableError ?? unusable(program, code, number, at: path)
            }
        }
        throw unusableError
            ?? SpawnError(.notFound, program: program, detail: "it is in no directory of PATH")
    }

    private static func examine(_ path: String) -> Candidate {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            return errno == ENOENT || errno == ENOTDIR ? .missing : .unusable(.notExecutable, errno: errno)
        }
        guard status.st_mode & S_IFMT != S_IFDIR else { return .unusable(.isDirectory, errno: EISDIR) }
        guard status.st_mode & S_IFMT == S_IFREG, unsafe faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 else {
            return .unusable(.notExecutable, errno: EACCES)
        }
        return .executable
    }

    private static func unusable(
        _ program: String,
        _ code: SpawnError.Code,
        _ number: CInt,
        at path: String
    ) -> SpawnError {
        let detail = code == .isDirectory ? "\(path) is a directory" : "\(path) may not be executed"
        return SpawnError(code, program: program, detail: detail, cause: SystemError(call: "access", errno: number))
    }

    /// The child changes its directory before it execs; the path must not change its meaning with that.
    private static func absolute(_ path: String) throws(SpawnError) -> String {
        guard !path.hasPrefix("/") else { return path }
        // getcwd allocates; the copy is freed here.
        guard let current = unsafe getcwd(nil, 0) else {
            throw SpawnError(
                .system,
                program: path,
                detail: "the current directory has no name",
                cause: SystemError(call: "getcwd", errno: errno)
            )
        }
        defer { unsafe free(current) }
        return unsafe String(cString: current) + "/" + path
    }
}
