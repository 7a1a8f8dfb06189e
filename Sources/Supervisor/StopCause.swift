// SPDX-License-Identifier: Apache-2.0

/// Why a worker is being brought to its end.
public enum StopCause: Equatable, Sendable {
    /// There is no more work for it; its own status is the reason that is reported.
    case finished
    /// Somebody wanted it to end.
    case cancelled(by: String)
    /// A deadline passed.
    case timedOut(ExitReason.Deadline)
    /// It gave no sign of life, or of progress.
    case stalled(ExitReason.Stall)
    /// It sent bytes that break the protocol.
    case protocolViolation(String)
    /// No connection came about.
    case handshakeFailed(String)
    /// The connection broke on our side.
    case connectionFailed(String)
    /// It is replaced in the ordinary way.
    case recycled
    /// The supervisor itself ends.
    case parentShutdown

    /// Whether the question is what the worker does instead of what it should.
    var isSlowness: Bool {
        switch self {
        case .stalled, .timedOut: true
        default: false
        }
    }

    /// The reason that is reported whatever the process's own status is.
    var imposedReason: ExitReason? {
        switch self {
        case .finished: nil
        case .cancelled(let who): .cancelled(by: who)
        case .timedOut(let deadline): .timedOut(deadline)
        case .stalled(let stall): .stalled(stall)
        case .protocolViolation(let what): .protocolViolation(what)
        case .handshakeFailed(let what): .handshakeFailed(what)
        case .connectionFailed(let what): .unknown("its connection failed: \(what)")
        case .recycled: .recycled
        case .parentShutdown: .parentShutdown
        }
    }
}
