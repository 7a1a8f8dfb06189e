// SPDX-License-Identifier: Apache-2.0

/// Decides from the evidence why a worker ended.
///
/// Performs no I/O.
struct ExitClassifier {
    /// What the kernel said, or why it could not be asked.
    enum Outcome: Equatable {
        case status(WorkerExit.Status)
        case lost(why: String)
    }

    var outcome: Outcome
    /// Why the supervisor brought the end about, if it did before the process ended by itself.
    var stopCause: StopCause?
    /// How its connection ended, which may have come out only when the process had ended already.
    var linkEnd: LinkEnd?
    /// A resident size above the limit for which the supervisor killed the worker.
    var memoryKill: UInt64?
    /// Kills for lack of memory that the worker's own control group counted.
    var controlGroupKills: UInt64 = 0
    /// The limit that was asked for.
    var memoryLimit: UInt64?
    /// Whether allocations fail at the limit, as they do not in a control group.
    var allocationsFail = false
    var peakRSS: UInt64?
    /// The processor time that was allowed.
    var cpuLimit: Duration?
    /// What the process itself used of it, without its children.
    var ownCPUTime: Duration?
    /// The signals that the supervisor sent.
    var signalsSent: [Int] = []
    var standardErrorTail: [UInt8] = []

    // The kernel compares what it counts by its clock's ticks with the limit, and tells what it measured. The two differ,
    // most of all for short times; SIGXCPU is near enough proof by itself, SIGKILL is not.
    private static let (measuredAtSIGXCPU, measuredAtSIGKILL) = (0.5, 0.95)

    /// What a worker exits with that was told of its violation; EX_PROTOCOL of sysexits(3).
    private static let protocolErrorCode = 76

    /// A peak of this share of the limit counts as close.
    private static let nearLimitPercent: UInt64 = 80

    /// How runtimes say that an allocation failed.
    private static let allocationFailures = [
        "MemoryError", "Cannot allocate memory", "std::bad_alloc", "out of memory", "Out of memory",
        "memory exhausted", "failed to allocate",
    ]

    /// The reason, by the strongest evidence first.
    func reason() -> ExitReason {
        if let memoryLimit {
            if let memoryKill { return .outOfMemory(.residentSize(memoryKill, limit: memoryLimit)) }
            if controlGroupKills > 0 {
                return .outOfMemory(.controlGroup(kills: controlGroupKills, limit: memoryLimit))
            }
        }
        if let imposed = stopCause?.imposedReason { return imposed }
        switch outcome {
        case .lost(let why):
            return .unknown(why)
        case .status(let status):
            if let evidence = cpuEvidence(status) { return .outOfCPUTime(evidence) }
            if isAbnormal(status), let evidence = allocationEvidence() { return .outOfMemory(evidence) }
            switch status {
            case .exited(let code):
                // A failure speaks for itself; only what looks like success may need another word. But one that we
                // rejected, or told that it broke the protocol, did nothing except to leave.
                if case .rejected(let why) = linkEnd { return .handshakeFailed(why) }
                if case .violation(let what) = linkEnd, code == 0 || code == Self.protocolErrorCode {
                    return .protocolViolation(what)
                }
                return .exited(code: code)
            case .signalled(let signal, let dumpedCore):
                return .signalled(signal: signal, dumpedCore: dumpedCore)
            }
        }
    }

    private func isAbnormal(_ status: WorkerExit.Status) -> Bool {
        // Signals that others send say nothing of memory: SIGKILL and SIGTERM alone prove nothing.
        switch status {
        case .exited(let code): code != 0
        case .signalled(let signal, _): [4, 5, 6, 7, 11].contains(signal)
        }
    }

    private func cpuEvidence(_ status: WorkerExit.Status) -> CPUEvidence? {
        guard let cpuLimit, case .signalled(let signal, _) = status, !signalsSent.contains(signal) else { return nil }
        let evidence = CPUEvidence(used: ownCPUTime, limit: cpuLimit, signal: signal)
        switch signal {
        case 24:
            // Anybody can send a SIGXCPU; but to one that has not used its time yet it is not the kernel's.
            return ownCPUTime.map { $0 >= cpuLimit * Self.measuredAtSIGXCPU } ?? true ? evidence : nil
        case 9:
            let last = (cpuLimit + ResourceLimits.cpuGrace) * Self.measuredAtSIGKILL
            return ownCPUTime.map { $0 >= last } ?? false ? evidence : nil
        default:
            return nil
        }
    }

    private func allocationEvidence() -> MemoryEvidence? {
        guard allocationsFail, let memoryLimit else { return nil }
        if let peakRSS, peakRSS >= memoryLimit / 100 * Self.nearLimitPercent {
            return .peakNearLimit(peakRSS, limit: memoryLimit)
        }
        for line in standardErrorTail.split(separator: UInt8(ascii: "\n")).suffix(50).reversed() {
            let text = String(decoding: line.prefix(500), as: UTF8.self)
            if Self.allocationFailures.contains(where: { text.contains($0) }) {
                return .ownWords(text, limit: memoryLimit)
            }
        }
        return nil
    }
}
