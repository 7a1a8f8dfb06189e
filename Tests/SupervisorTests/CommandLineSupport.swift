// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Testing

@testable import ipc_parent

/// Runs shell scripts around the real `ipc-parent`, in a directory of their own.
///
/// In a script, `$P` is ipc-parent, and the directory is the current one.
final class CommandLine: Sendable {
    struct Result: CustomStringConvertible {
        let code: Int32
        let output: String
        let errors: String

        var description: String { "exit \(code)\n--- stdout\n\(output)\n--- stderr\n\(errors)" }
    }

    let scratch: ScratchFiles
    var directory: String { scratch.path }

    init() throws { scratch = try ScratchFiles() }

    /// The directory that holds the executables that were built with these tests.
    static var products: String {
        get throws {
            let tests = try #require(try File.linkTarget(of: "/proc/self/exe"))
            return OutputDestination.directory(of: tests)
        }
    }

    func sh(_ script: String) async throws -> Result {
        let parent = try Self.products + "/ipc-parent"
        let variables = ["P=\(parent)", "PATH=/usr/bin:/bin", "TMPDIR=\(directory)", "TERM=xterm", "LC_ALL=C.UTF-8"]
        // The limit is for a test that hangs; none should come near it.
        let arguments = ["timeout", "-k", "5", "100", "bash", "-c", "cd \(directory) && \(script)"]
        let number = UInt32.random(in: .min ... .max)
        let (output, errors) = ("stdout-\(number)", "stderr-\(number)")
        let pid = try spawn(arguments, variables, output, errors)
        let status = await withCheckedContinuation { continuation in
            let thread = BlockingWait()
            thread.wait(for: pid) { continuation.resume(returning: $0) }
        }
        defer {
            unsafe unlink(directory + "/" + output)
            unsafe unlink(directory + "/" + errors)
        }
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        return Result(code: code, output: try scratch.text(output), errors: try scratch.text(errors))
    }

    private func spawn(
        _ arguments: [String],
        _ variables: [String],
        _ output: String,
        _ errors: String
    ) throws -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, directory + "/" + output, flags, 0o600)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, directory + "/" + errors, flags, 0o600)

        // As a shell would start it: no signal blocked or ignored, whatever the test runner does with them.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        let argv = unsafe arguments.map { unsafe strdup($0) } + [nil]
        let envp = unsafe variables.map { unsafe strdup($0) } + [nil]
        defer {
            unsafe argv.forEach { unsafe free($0) }
            unsafe envp.forEach { unsafe free($0) }
        }
        var pid: pid_t = 0
        let result = unsafe posix_spawn(&pid, "/usr/bin/timeout", &actions, &attributes, argv, envp)
        guard result == 0 else { throw SystemError(call: "posix_spawn", errno: result) }
        return pid
    }
}

/// Waits for one process on a thread of its own.
private final class BlockingWait: Sendable {
    private let queue = Reactor(name: "wait")

    func wait(for pid: pid_t, _ done: @escaping @Sendable (Int32) -> Void) {
        queue.start()
        queue.perform { [self] in
            var status: Int32 = 0
            while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
            queue.stop()
            done(status)
        }
    }
}
