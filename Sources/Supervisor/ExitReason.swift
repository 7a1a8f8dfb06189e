// SPDX-License-Identifier: Apache-2.0

/// Why a worker is no more.
public enum ExitReason: Equatable, Sendable {
    /// It ended by itself with this status.
    case exited(code: Int)
    /// A signal ended it that the supervisor did not send for another reason.
    case signalled(signal: Int, dumpedCore: Bool)
    /// It used more memory than allowed; there is proof.
    case outOfMemory(MemoryEvidence)
    /// It used up the processor time that it was allowed; there is proof.
    case outOfCPUTime(CPUEvidence)
    /// A deadline passed.
    case timedOut(Deadline)
    /// It gave no sign of life, or of progress.
    case stalled(Stall)
    /// Somebody wanted it to end.
    case cancelled(by: String)
    /// It sent bytes that break the protocol.
    case protocolViolation(String)
    /// It ran, but no connection came about.
    case handshakeFailed(String)
    /// It was replaced in the ordinary way: by age, calls or memory.
    case recycled
    /// The supervisor itself ended.
    case parentShutdown
    /// The cause could not be found out, for this reason.
    case unknown(String)

    /// A span of time that was not met.
    public enum Deadline: String, Equatable, Sendable {
        /// From the spawn to READY.
        case start
        /// A whole job.
        case total
    }

    /// A silence that was too long.
    public enum Stall: String, Equatable, Sendable {
        /// A ping was not answered.
        case heartbeat
        /// A job made no progress.
        case progress
    }
}

/// What proves that a worker ran out of memory.
public enum MemoryEvidence: Equatable, Sendable {
    /// The control group counted this many kills for lack of memory.
    case controlGroup(kills: UInt64, limit: UInt64)
    /// The supervisor saw this resident size above the limit, and killed the worker.
    case residentSize(UInt64, limit: UInt64)
    /// It ended abnormally with a peak close to the limit under which allocations fail.
    case peakNearLimit(UInt64, limit: UInt64)
    /// It ended abnormally under a limit, and said so itself in this line.
    case ownWords(String, limit: UInt64)
}

/// What proves that a worker used up its processor time.
public struct CPUEvidence: Equatable, Sendable {
    /// What its own process had used, if that could be read.
    public var used: Duration?
    /// What it was allowed.
    public var limit: Duration
    /// What the kernel ended it with: SIGXCPU at the limit, or SIGKILL some seconds later.
    public var signal: Int
}

extension ExitReason: CustomStringConvertible {
    /// What happened, to follow the worker's name: "exited with status 3".
    public var description: String {
        switch self {
        case .exited(let code): "exited with status \(code)"
        case .signalled(let signal, let dumpedCore):
            "was ended by \(SignalName.of(signal))" + (dumpedCore ? " and dumped core" : "")
        case .outOfMemory(let evidence): "ran out of memory: \(evidence)"
        case .outOfCPUTime(let evidence): "used up its processor time: \(evidence)"
        case .timedOut(.start): "was not ready in time"
        case .timedOut(.total): "did not finish in time"
        case .stalled(.heartbeat): "gave no sign of life"
        case .stalled(.progress): "made no progress"
        case .cancelled(let who): "was cancelled by \(who)"
        case .protocolViolation(let what): "broke the protocol: \(what)"
        case .handshakeFailed(let what): "made no connection: \(what)"
        case .recycled: "was replaced in the ordinary way"
        case .parentShutdown: "was ended because its supervisor ended"
        case .unknown(let why): "ended for a reason that is not known: \(why)"
        }
    }
}

extension MemoryEvidence: CustomStringConvertible {
    /// The proof, with its figures.
    public var description: String {
        switch self {
        case .controlGroup(let kills, let limit):
            "the kernel killed in its control group (\(kills) times; limit \(mebibytes(limit)))"
        case .residentSize(let size, let limit):
            "it used \(mebibytes(size)) of \(mebibytes(limit)) and was killed"
        case .peakNearLimit(let peak, let limit):
            "it ended abnormally after using \(mebibytes(peak)) of \(mebibytes(limit))"
        case .ownWords(let line, let limit):
            "it ended abnormally under a limit of \(mebibytes(limit)), saying \"\(line)\""
        }
    }
}

extension CPUEvidence: CustomStringConvertible {
    /// The proof, with its figures.
    public var description: String {
        let allowed = Self.seconds(limit)
        let figures = used.map { "\(Self.seconds($0)) of \(allowed)" } ?? "its limit is \(allowed)"
        return "\(figures), and the kernel sent \(SignalName.of(signal))"
    }

    private static func seconds(_ duration: Duration) -> String {
        let tenths = Int(duration / .milliseconds(100))
        return "\(tenths / 10).\(tenths % 10) s"
    }
}

/// Bytes for people.
func mebibytes(_ bytes: UInt64) -> String {
    let tenths = ((bytes >> 10) * 10 + 512) >> 10
    return tenths >= 100 ? "\((tenths + 5) / 10) MiB" : "\(tenths / 10).\(tenths % 10) MiB"
}
