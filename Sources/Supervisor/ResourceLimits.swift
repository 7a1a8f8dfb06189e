// SPDX-License-Identifier: Apache-2.0

/// Ceilings that the kernel keeps for a worker's process, and for each process that it starts, one by one.
///
/// Without privileges a ceiling can be lowered but not raised above the parent's hard one; a spawn that asks for more
/// fails with ``SpawnError``.
public struct ResourceLimits: Equatable, Sendable {
    /// The most processor time, in whole seconds (rounded up); nil for the parent's limit.
    ///
    /// At the limit comes SIGXCPU, which ends a worker that does not handle it, and ``cpuGrace`` later SIGKILL; either
    /// way the reason is ``ExitReason/outOfCPUTime(_:)``. Set it where a bug or a hostile input may make the work spin:
    /// unlike a deadline it does not count time in which the worker only waits.
    public var cpuTime: Duration?
    /// The most open descriptors; nil for the parent's limit.
    ///
    /// Beyond them calls such as `open` fail with EMFILE. Lower it to find leaks early, raise it for work on thousands
    /// of files at once; a worker needs some ten for itself.
    public var openFiles: UInt64?
    /// The largest core file, in bytes; nil for the parent's limit.
    ///
    /// 0 keeps a crash from writing what may be gigabytes, and the data in them, to disk; raise it to look into one.
    public var coreFileSize: UInt64?

    /// What a worker that handles SIGXCPU has left to clean up.
    public static let cpuGrace = Duration.seconds(5)

    /// The parent's limits.
    public init() {}

    /// As the kernel counts it.
    var cpuSeconds: UInt64? {
        cpuTime.map { max(1, UInt64(clamping: $0.components.seconds + ($0.components.attoseconds > 0 ? 1 : 0))) }
    }

    var forTheKernel: [SpawnRequest.ResourceLimit] {
        var limits: [SpawnRequest.ResourceLimit] = []
        if let cpuSeconds {
            let grace = UInt64(Self.cpuGrace.components.seconds)
            limits.append(.processorTime(cpuSeconds, killingAt: cpuSeconds + grace))
        }
        if let openFiles { limits.append(.descriptors(openFiles)) }
        if let coreFileSize { limits.append(.core(coreFileSize)) }
        return limits
    }
}
