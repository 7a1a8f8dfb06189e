// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import IPCFrame
import Synchronization

/// A program that runs with pipes as its standard descriptors, in a process group of its own.
final class PipedProgram: Sendable {
    enum Status: Sendable {
        case exited(CInt)
        case signalled(CInt)
    }

    private struct State {
        var input: CInt
        var status: Status?
    }

    private let pid: pid_t
    private let output: CInt
    private let errorOutput: CInt
    private let state: Mutex<State>
    private let errorOutputEnded = Mutex(false)

    private init(pid: pid_t, input: CInt, output: CInt, errorOutput: CInt) {
        self.pid = pid
        self.output = output
        self.errorOutput = errorOutput
        state = Mutex(State(input: input))
    }

    deinit {
        closeInput()
        close(output)
        close(errorOutput)
    }

    // MARK: Start

    /// Starts `program`, found on PATH.
    ///
    /// - Throws: ``CallFailure`` with the exit code 127 (not found) or 126 (not executable), as shells do.
    static func start(_ program: String, _ words: [String]) throws -> PipedProgram {
        let pipes = try (0..<3).map { _ in try Pipe() }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, pipes[0].reading, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, pipes[1].writing, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, pipes[2].writing, 2)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // This thread has every signal blocked; the program starts as from a shell.
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
        var argv: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
        unsafe argv.append(nil)
        defer { unsafe argv.forEach { unsafe free($0) } }
        var pid: pid_t = 0
        // The arrays and structures live until the call returns, which copies what it needs.
        let result = unsafe posix_spawnp(&pid, program, &actions, &attributes, argv, environ)
        for pipe in pipes.dropFirst() { close(pipe.writing) }
        close(pipes[0].reading)
        guard result == 0 else {
            close(pipes[0].writing)
            for pipe in pipes.dropFirst() { close(pipe.reading) }
            throw failure(program, result)
        }
        return PipedProgram(
            pid: pid,
            input: pipes[0].writing,
            output: pipes[1].reading,
            errorOutput: pipes[2].reading
        )
    }

    private static func failure(_ program: String, _ error: CInt) -> CallFailure {
        let reason = SystemError(call: "exec", errno: error).reason
        switch error {
        case ENOENT, ENOTDIR:
            return CallFailure(.failed, exitCode: 127, reason: "the program '\(program)' was not found: \(reason)")
        case EACCES, ENOEXEC, EISDIR, EPERM:
            return CallFailure(.failed, exitCode: 126, reason: "the program '\(program)' is not executable: \(reason)")
        default:
            return CallFailure(.internal, exitCode: 71, reason: "the program '\(program)' cannot start: \(reason)")
        }
    }

    private struct Pipe {
        let reading: CInt
        let writing: CInt

        init() throws {
            var fds: [CInt] = [-1, -1]
            // Two descriptors go into an array of two.
            let result = unsafe clinux_pipe(&fds)
            guard result == 0 else {
                let error = SystemError(call: "pipe2", errno: -result)
                throw CallFailure(.internal, exitCode: 71, reason: "the program cannot start: \(error)")
            }
            reading = fds[0]
            writing = fds[1]
        }
    }

    // MARK: Input and output

    /// Writes all of it; false when nobody reads any more.
    func writeInput(_ bytes: [UInt8]) -> Bool {
        let input = state.withLock { $0.input }
        guard input >= 0 else { return false }
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe write(input, buffer.baseAddress.map { unsafe $0 + written }, buffer.count - written)
            }
            if count < 0 {
                // SIGPIPE is blocked in this thread, as every signal is.
                guard errno == EINTR else { return false }
                continue
            }
            written += count
        }
        return true
    }

    func closeInput() {
        let input = state.withLock { state in
            defer { state.input = -1 }
            return state.input
        }
        if input >= 0 { close(input) }
    }

    /// The next bytes of the standard output; nil at its end, or when the program has ended and nothing came for a
    /// while.
    func readOutput(upTo limit: Int, lingerMilliseconds: CInt) throws -> [UInt8]? {
        try Self.read(output, upTo: limit) { self.mayStillCome(lingerMilliseconds) }
    }

    func readErrorOutput(upTo limit: Int, lingerMilliseconds: CInt) -> [UInt8]? {
        try? Self.read(errorOutput, upTo: limit) { self.mayStillCome(lingerMilliseconds) }
    }

    /// Asked whenever a tenth of a second has passed without output.
    private func mayStillCome(_ lingerMilliseconds: CInt) -> CInt? {
        poll() == nil ? nil : lingerMilliseconds
    }

    private static func read(_ descriptor: CInt, upTo limit: Int, patience: () -> CInt?) throws -> [UInt8]? {
        var waited: CInt = 0
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = unsafe Glibc.poll(&entry, 1, 100)
            if ready == 0 {
                guard let bound = patience() else { continue }
                waited += 100
                if waited >= bound { return nil }
                continue
            }
            if ready < 0 {
                guard errno == EINTR else { throw SystemError(call: "poll", errno: errno) }
                continue
            }
            var result = 0
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                result = unsafe Glibc.read(descriptor, buffer.baseAddress, limit)
                count = max(0, result)
            }
            if result < 0 {
                guard errno == EINTR else { throw SystemError(call: "read", errno: errno) }
                continue
            }
            return result == 0 ? nil : bytes
        }
    }

    // MARK: End

    /// Signals the program's group, unless it has ended.
    func signal(_ number: CInt) {
        state.withLock { state in
            // Under the lock: once reaped, the number may be somebody else's.
            guard state.status == nil else { return }
            kill(-pid, number)
        }
    }

    var hasEnded: Bool { poll() != nil }

    /// The status, if it has ended; what is left of its group is ended with it.
    @discardableResult
    private func poll() -> Status? {
        state.withLock { state in
            if let status = state.status { return status }
            var info = unsafe siginfo_t()
            guard unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 else { return nil }
            guard unsafe info._sifields._sigchld.si_pid == pid else { return nil }
            // While its leader is a zombie the group's number cannot be reused.
            kill(-pid, SIGKILL)
            var raw: CInt = 0
            guard unsafe waitpid(pid, &raw, 0) == pid else { return nil }
            let status: Status = raw & 0x7F == 0 ? .exited((raw >> 8) & 0xFF) : .signalled(raw & 0x7F)
            state.status = status
            return status
        }
    }

    /// Waits until the program has ended.
    func waitForEnd() -> Status {
        while true {
            if let status = poll() { return status }
            var info = unsafe siginfo_t()
            _ = unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT)
        }
    }

    func endErrorOutput() {
        errorOutputEnded.withLock { $0 = true }
    }

    /// Waits, within bounds, until the log has every line.
    func waitForErrorOutput() {
        for _ in 0..<150 where !errorOutputEnded.withLock({ $0 }) { usleep(10_000) }
    }
}
