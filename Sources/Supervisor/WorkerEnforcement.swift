// SPDX-License-Identifier: Apache-2.0

/// What holds a worker to each thing that was asked of it.
public struct WorkerEnforcement: Equatable, Sendable {
    /// Who sees to it, and how firmly.
    public enum Mechanism: String, Equatable, Sendable {
        /// Nothing was asked for: what goes for the parent goes for the worker.
        case inherited
        /// The kernel holds each process of the worker to it, one by one (setrlimit).
        case resourceLimit
        /// The kernel has taken something away that no process of the worker gets back.
        case kernel
        /// It was so at the start; the worker can change it for itself.
        case atStart
    }

    /// ``WorkerConfiguration/memoryLimit``.
    public var memory: MemoryEnforcement
    /// ``ResourceLimits/cpuTime``.
    public var cpuTime: Mechanism
    /// ``ResourceLimits/openFiles``.
    public var openFiles: Mechanism
    /// ``ResourceLimits/coreFileSize``.
    public var coreFileSize: Mechanism
    /// ``WorkerConfiguration/user`` and ``WorkerConfiguration/group``.
    public var credentials: Mechanism
    /// ``WorkerConfiguration/noNewPrivileges``.
    public var noNewPrivileges: Mechanism
    /// ``WorkerConfiguration/nice``.
    public var nice: Mechanism
    /// ``WorkerConfiguration/inheritedEnvironment``.
    public var environment: Mechanism
    /// ``WorkerConfiguration/workingDirectory``.
    public var workingDirectory: Mechanism

    init(_ configuration: WorkerConfiguration, memory: MemoryEnforcement) {
        let limits = configuration.limits
        self.memory = memory
        cpuTime = limits.cpuTime == nil ? .inherited : .resourceLimit
        openFiles = limits.openFiles == nil ? .inherited : .resourceLimit
        coreFileSize = limits.coreFileSize == nil ? .inherited : .resourceLimit
        credentials = configuration.user == nil && configuration.group == nil ? .inherited : .kernel
        noNewPrivileges = configuration.noNewPrivileges ? .kernel : .inherited
        nice = configuration.nice == 0 ? .inherited : .atStart
        environment = configuration.inheritedEnvironment == .all ? .inherited : .atStart
        workingDirectory = configuration.workingDirectory == nil ? .inherited : .atStart
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
