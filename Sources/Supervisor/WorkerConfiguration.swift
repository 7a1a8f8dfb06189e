// SPDX-License-Identifier: Apache-2.0

/// How a worker is started, watched and stopped.
public struct WorkerConfiguration: Sendable {
    /// The program: a path, or a name to be found on PATH.
    public var executable: String
    /// Its arguments, without its own name.
    public var arguments: [String]
    /// What of the parent's environment the worker gets.
    ///
    /// Default: all. Name what it needs where the parent's environment holds secrets that are none of its business.
    public var inheritedEnvironment = InheritedEnvironment.all
    /// Variables that are added to what is inherited, or replace that.
    public var environment: [String: String] = [:]
    /// The directory to start in; nil for the parent's.
    ///
    /// Change it for a worker that writes files by relative names.
    public var workingDirectory: String?
    /// Added to the parent's nice value.
    ///
    /// Default: 0. Use 5 to 19 where the same machine answers requests that must not wait for the work; what is below
    /// 0 needs privileges.
    public var nice = 0
    /// The user to run as; nil for the parent's.
    ///
    /// Only root can change it. The supplementary groups go in any case; give ``group``, too, since the worker keeps the
    /// parent's main group otherwise.
    public var user: UInt32?
    /// The only group to run with; nil for the parent's.
    public var group: UInt32?
    /// Keeps the worker, and all that it starts, from ever gaining rights from a program: set-user-ID bits and file
    /// capabilities are without effect (`PR_SET_NO_NEW_PRIVS`).
    ///
    /// Default: off, since `sudo` and the like no longer work then. Turn it on for all work that needs no such program.
    public var noNewPrivileges = false
    /// The most memory, in bytes; nil for no limit.
    ///
    /// Set it wherever the size of the input is not known beforehand; what holds the worker to it is told by
    /// ``MemoryEnforcement``.
    public var memoryLimit: UInt64?
    /// Ceilings that the kernel keeps for each process of the worker; by default the parent's.
    public var limits = ResourceLimits()
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
