// SPDX-License-Identifier: Apache-2.0

/// The whole story of a worker's end.
///
/// Every worker that was spawned gets exactly one.
public struct WorkerExit: Error, Equatable, Sendable {
    /// What the kernel said.
    public enum Status: Equatable, Sendable {
        /// It called `exit` with this value.
        case exited(code: Int)
        /// It was ended by this signal.
        case signalled(signal: Int, dumpedCore: Bool)
    }

    /// How far the worker had come.
    public enum Phase: String, Equatable, Sendable {
        /// Spawned, but not READY.
        case starting
        /// Ready for calls.
        case ready
        /// Its end had been asked for, or it had ended its connection.
        case stopping
    }

    /// Why it ended.
    public var reason: ExitReason
    /// What the kernel said; nil when somebody else had taken the status.
    public var status: Status?
    /// How far it had come.
    public var phase: Phase
    /// The program's name.
    public var worker: String
    /// Its number, which may have been reused by now.
    public var pid: Int
    /// From its spawn to its end.
    public var duration: Duration
    /// What it, and what it waited for, used of the processors.
    public var cpuTime: Duration?
    /// The largest resident size that was seen, in bytes; nil if it lived too short to be measured.
    public var peakRSS: UInt64?
    /// The last bytes that it wrote to its standard output and error, at most 64 KiB.
    public var standardErrorTail: [UInt8]
    /// How many bytes it had written there in all.
    public var standardErrorBytes: UInt64
    /// The signals that the supervisor sent, in order.
    public var signalsSent: [Int]
    /// How many processes outside its group were left behind, in its session or out of it, and were killed.
    public var straysKilled: Int
    /// What it was doing when it was ended for being too slow, or silent; nil for other ends.
    public var stallEvidence: StallEvidence?
    /// Circumstances that help to understand the end, a sentence each.
    public var notes: [String]

    /// The last line that is not empty of what it wrote, if any.
    public var lastWords: String? {
        standardErrorTail.split(separator: UInt8(ascii: "\n")).lazy
            .map { String(decoding: $0, as: UTF8.self) }
            .last { line in line.contains { !$0.isWhitespace } }
            .map { String($0.prefix(500)) }
    }
}

extension WorkerExit: CustomStringConvertible {
    /// One line, fit for a terminal or a log.
    public var description: String {
        let milliseconds = duration / .milliseconds(1)
        let time = milliseconds < 10_000 ? "\(Int(milliseconds)) ms" : "\(Int(milliseconds / 1000)) s"
        var parts = ["worker '\(worker)' (pid \(pid)) \(reason), after \(time)"]
        if case .signalled(let signal, _) = status, signalsSent.contains(signal) {
            parts.append("its supervisor sent the \(SignalName.of(signal))")
        }
        if let stallEvidence { parts.append("\(stallEvidence)") }
        if straysKilled > 0 {
            parts.append(
                "\(straysKilled == 1 ? "a process" : "\(straysKilled) processes") of its own had to be killed, too"
            )
        }
        if let peakRSS { parts.append("peak memory \(mebibytes(peakRSS))") }
        parts += notes
        if let lastWords { parts.append("its last words: \(lastWords)") }
        return parts.joined(separator: "; ")
    }
}
