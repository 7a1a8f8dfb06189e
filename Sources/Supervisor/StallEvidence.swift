// SPDX-License-Identifier: Apache-2.0
internal import CLinux
public import IPCFrame

/// What a worker was doing just before it was ended for being too slow, or silent; at most some 4 KiB.
///
/// Comes from /proc, and has what this process may read there: kernel stacks and system calls are for root, or for the
/// same user where the system allows tracing.
public struct StallEvidence: Equatable, Sendable {
    /// One thread of the worker.
    public struct ThreadState: Equatable, Sendable {
        /// Its name, at most 15 bytes.
        public var name: String
        /// R, S, D, T, t, Z or X; see proc(5).
        public var state: Character
        /// The system call that it was in, by name or number; nil when it was in none, or that may not be read.
        public var systemCall: String?
    }

    /// The state of its first thread: R, S, D, T, t, Z or X; see proc(5).
    public var state: Character
    /// The system call that its first thread was in, by name or number.
    public var systemCall: String?
    /// The kernel's function in which its first thread waited.
    public var waitChannel: String?
    /// The innermost functions of the kernel's stack of the first thread, the innermost first.
    public var kernelStack: [String]
    /// How many threads it had.
    public var threadCount: Int
    /// Its first threads, at most ``threadLimit``.
    public var threads: [ThreadState]
    /// The last frames of its connection, a line each, the oldest first; see `Connection.recentFrames`.
    public var lastFrames: [String] = []
    /// How far the call said it was, where a call stalled.
    public var lastProgress: Progress?

    /// How many threads are looked at.
    public static let threadLimit = 16
    private static let stackLimit = 24
    private static let nameLimit = 64

    /// Reads it; nil when the process is gone.
    static func read(pid: Int32) -> StallEvidence? {
        guard let stat = ProcessStat.read(pid: pid) else { return nil }
        let directory = "/proc/\(pid)"
        let stack = (ProcFile.text(directory + "/stack") ?? "").split(separator: "\n").prefix(stackLimit)
        let waitChannel = ProcFile.text(directory + "/wchan", limit: nameLimit).flatMap { $0 == "0" ? nil : $0 }
        let all = ProcFile.numbers(in: directory + "/task", limit: 100_000)
        return StallEvidence(
            state: stat.state,
            systemCall: systemCall(in: directory),
            waitChannel: waitChannel.flatMap { $0.isEmpty ? nil : $0 },
            // "[<0>] function+0x1/0x2"
            kernelStack: stack.map { String(($0.split(separator: " ").last ?? $0).prefix(nameLimit)) },
            threadCount: all.count,
            threads: all.prefix(threadLimit).compactMap { thread(in: "\(directory)/task/\($0)", $0) }
        )
    }

    private static func thread(in directory: String, _ id: Int32) -> ThreadState? {
        guard let text = ProcFile.text(directory + "/stat"), let stat = ProcessStat(parsing: text) else { return nil }
        let name = ProcFile.text(directory + "/comm", limit: nameLimit)?.split(separator: "\n").first ?? ""
        return ThreadState(name: String(name), state: stat.state, systemCall: systemCall(in: directory))
    }

    /// "running", "-1 SP PC" outside of any, or "NUMBER ARGUMENTS… SP PC".
    private static func systemCall(in directory: String) -> String? {
        guard let text = ProcFile.text(directory + "/syscall", limit: 256),
            let number = text.split(separator: " ").first.flatMap({ Int($0) }), number >= 0
        else { return nil }
        // The table's strings are constants.
        return unsafe clinux_system_call_name(number).map { unsafe String(cString: $0) } ?? "system call \(number)"
    }
}

extension StallEvidence: CustomStringConvertible {
    /// What it did, in a few words: "it slept in clock_nanosleep".
    public var description: String {
        let place = systemCall ?? waitChannel
        let others = threads.dropFirst().filter { "RD".contains($0.state) }
        let busy = others.isEmpty ? "" : ", while its thread '\(others[0].name)' \(Self.activity(others[0]))"
        let frame = lastFrames.last.map { "; the last frame: \($0)" } ?? ""
        return "it " + Self.activity(state, place) + busy + frame
    }

    private static func activity(_ thread: ThreadState) -> String { activity(thread.state, thread.systemCall) }

    private static func activity(_ state: Character, _ place: String?) -> String {
        let place = place.map { " in \($0)" } ?? ""
        return switch state {
        case "R": "was running" + place
        case "S", "I": "slept" + place
        case "D": "hung in the kernel" + place
        case "T": "was stopped by a signal"
        case "t": "was stopped by a debugger"
        case "Z", "X": "had ended"
        default: "was in the state \(state)"
        }
    }
}
