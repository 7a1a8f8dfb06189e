// SPDX-License-Identifier: Apache-2.0

/// How a worker is started, watched and stopped.
public struct WorkerConfiguration: Sendable {
    /// The program: a path, or a name to be found on PATH.
    public var executable: String
    /// Its arguments, without its own name.
    public var arguments: [String]
    /// Variables that are added to the parent's environment, or replace its.
    public var environment: [String: String] = [:]
    /// The directory to start in; nil for the parent's.
    public var workingDirectory: String?
    /// Added to the parent's nice value.
    public var nice = 0
    /// The user to run as; nil for the parent's.
    public var user: UInt32?
    /// The only group to run with; nil for the parent's.
    public var group: UInt32?
    /// The most memory, in bytes; nil for no limit.
    ///
    /// See ``MemoryEnforcement``.
    public var memoryLimit: UInt64?
    /// The time from the spawn to READY.
    public var startTimeout = Duration.seconds(10)
    /// How long a ping may stay unanswered; nil for no pings.
    public var heartbeat: Duration? = .seconds(30)
    /// How long each polite step of the stop waits: DRAIN, then SIGTERM, then SIGKILL.
    public var grace = Duration.seconds(10)
    /// Told each line that the worker prints, to its standard output or error.
    ///
    /// Called on a thread that all workers share, in order; it may block, and then nothing more is read from the worker.
    public var standardError: (@Sendable (String) -> Void)?

    /// A worker with the defaults.
    public init(executable: String, arguments: [String] = []) {
        self.executable = executable
        self.arguments = arguments
    }
}

/// What holds a worker to its memory limit.
public enum MemoryEnforcement: String, Equatable, Sendable {
    /// No limit was asked for.
    case none
    /// A control group (version 2) of its own: the kernel counts all that the worker and its children use.
    case controlGroup
    /// Allocations of each process fail somewhat above the limit (RLIMIT_DATA), and the supervisor looks at the
    /// worker's resident size four times a second.
    case resourceLimit
}
