// SPDX-License-Identifier: Apache-2.0

import Glibc
import IPCFrame

/// The executable that is tested, and what it is started with.
struct WorkerCommand: Sendable {
    let path: String
    let arguments: [String]
}

/// One running worker.
///
/// It is killed, with whatever it started, and reaped when this object goes.
final class WorkerUnderTest {
    enum Exit: Equatable {
        case code(CInt)
        case signal(CInt)
    }

    let pid: pid_t
    private var exit: Exit?
    private let log: CInt

    /// Starts the worker with `socket` as its descriptor 3 (PROTOCOL.md §1); closes `socket`.
    init(_ command: WorkerCommand, socket: CInt) throws {
        defer { _ = close(socket) }
        var template = Array("/tmp/ipc-conformance-XXXXXX".utf8CString)
        log = unsafe mkstemp(&template)
        try check(log >= 0, "cannot make a temporary file in /tmp: \(systemText(errno))")
        // Not atomic, but nothing else in this process starts programs.
        _ = fcntl(log, F_SETFD, FD_CLOEXEC)
        unsafe unlink(&template)
        pid = try Self.spawn(command, socket: socket, log: log)
    }

    deinit {
        if exit == nil {
            _ = kill(-pid, SIGKILL)
            _ = reap(flags: 0)
        }
        _ = close(log)
    }

    private static func spawn(_ command: WorkerCommand, socket: CInt, log: CInt) throws -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, log, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, log, 2)
        unsafe posix_spawn_file_actions_adddup2(&actions, socket, 3)
        // A group of its own, so that all it starts can be killed with it; and what this process ignores it does not.
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF))
        var signals = sigset_t()
        unsafe sigfillset(&signals)
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        var pid: pid_t = 0
        let strings = [command.path] + command.arguments
        // strdup'ed strings live until the spawn is over; the terminating null is what posix_spawn asks for.
        var arguments = unsafe strings.map { unsafe strdup($0) } + [nil]
        var environment = unsafe (inheritedEnvironment() + ["IPCFRAME_FD=3"]).map { unsafe strdup($0) } + [nil]
        defer { unsafe (arguments + environment).forEach { unsafe free($0) } }
        let result = unsafe posix_spawn(&pid, command.path, &actions, &attributes, &arguments, &environment)
        try check(result == 0, "cannot start '\(command.path)': \(systemText(result))")
        return pid
    }

    private static func inheritedEnvironment() -> [String] {
        var result: [String] = []
        var next = unsafe environ
        while let entry = unsafe next.pointee {
            let text = unsafe String(cString: entry)
            if !text.hasPrefix("IPCFRAME_FD=") { result.append(text) }
            unsafe next += 1
        }
        return result
    }

    private func reap(flags: CInt) -> Exit? {
        if let exit { return exit }
        var status: CInt = 0
        var result: pid_t
        repeat { unsafe result = waitpid(pid, &status, flags) } while result < 0 && errno == EINTR
        guard result == pid else { return nil }
        exit = status & 0x7F == 0 ? .code(status >> 8 & 0xFF) : .signal(status & 0x7F)
        return exit
    }

    /// How the worker ended, waiting for it until `deadline`; nil when it still runs.
    func waitForExit(until deadline: ContinuousMoment) -> Exit? {
        while true {
            if let exit = reap(flags: WNOHANG) { return exit }
            if ContinuousMoment.now >= deadline { return nil }
            usleep(2_000)
        }
    }

    /// The end of what the worker has printed, for a person who looks for a fault.
    func printedTail() -> String {
        let size = lseek(log, 0, SEEK_END)
        let start = max(0, size - 2_000)
        var bytes = [UInt8](repeating: 0, count: Int(size - start))
        let count = unsafe pread(log, &bytes, bytes.count, start)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// The system's text for an error number.
func systemText(_ number: CInt) -> String {
    SystemError(call: "", errno: number).reason
}
