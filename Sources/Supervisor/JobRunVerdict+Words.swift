// SPDX-License-Identifier: Apache-2.0

extension JobVerdict {
    /// The broad kinds of outcome, as reports name them.
    public enum Outcome: String, Sendable, CaseIterable {
        case succeeded, failed, timedOut, stalled, cancelled, outOfMemory, outOfCPUTime, signalled
        case `protocol`, notStarted
    }

    /// The broad kind of this end.
    public var outcome: Outcome {
        switch self {
        case .succeeded: .succeeded
        case .failed, .workerExited, .inputFailed, .outputFailed, .unknown: .failed
        case .workerKilled: .signalled
        case .outOfMemory: .outOfMemory
        case .outOfCPUTime: .outOfCPUTime
        case .timedOut(.heartbeat), .stalled: .stalled
        case .timedOut: .timedOut
        case .cancelled, .resultReaderGone: .cancelled
        case .protocolViolation: .protocol
        case .notStarted: .notStarted
        }
    }

    /// A word to switch on, finer than ``outcome``.
    public var code: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed(let failure): failure.code
        case .workerExited: "workerExited"
        case .workerKilled: "workerKilled"
        case .outOfMemory: "outOfMemory"
        case .outOfCPUTime: "outOfCPUTime"
        case .timedOut(let deadline): deadline.rawValue + "Timeout"
        case .stalled: "stalled"
        case .cancelled(.signal(let number)): SignalName.of(Int(number))
        case .cancelled(.caller): "cancelled"
        case .resultReaderGone: "resultReaderGone"
        case .protocolViolation(let code, _): code
        case .notStarted(.notFound): "notFound"
        case .notStarted(.notExecutable): "notExecutable"
        case .notStarted(.system): "notStarted"
        case .inputFailed: "inputFailed"
        case .outputFailed: "outputFailed"
        case .unknown: "unknown"
        }
    }

    /// One sentence for people, without its full stop.
    public var text: String {
        switch self {
        case .succeeded: "done"
        case .failed(let failure): failure.text.isEmpty ? "the job failed (\(failure.code))" : failure.text
        case .workerExited(0): "the worker exited with 0 and without a result"
        case .workerExited(let code): "the worker exited with \(code) before the job was done"
        case .workerKilled(let signal, let dumpedCore):
            "the worker was killed by \(SignalName.of(Int(signal)))" + (dumpedCore ? " and dumped core" : "")
        case .outOfMemory: "the worker ran out of memory"
        case .outOfCPUTime(let evidence): "the worker used up its processor time: \(evidence)"
        case .timedOut(.start): "the worker was not ready in time"
        case .timedOut(.heartbeat): "the worker did not answer its heartbeat"
        case .timedOut(.total): "the job did not end in time"
        case .stalled: "the job stalled: neither progress nor data"
        case .cancelled(.signal(let number)): "cancelled by \(SignalName.of(Int(number)))"
        case .cancelled(.caller(let why)): why.isEmpty ? "cancelled" : "cancelled: \(why)"
        case .resultReaderGone: "cancelled: nobody reads the result any more"
        case .protocolViolation(_, let text): text
        case .notStarted(.notFound(let text)), .notStarted(.notExecutable(let text)), .notStarted(.system(let text)):
            text
        case .inputFailed(let text), .outputFailed(let text), .unknown(let text): text
        }
    }
}
