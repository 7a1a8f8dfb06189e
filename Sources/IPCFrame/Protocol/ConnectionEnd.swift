// SPDX-License-Identifier: Apache-2.0

/// Why a connection is over.
public enum ConnectionEnd: Error, Equatable, Sendable {
    /// BYE came, and then the end of file.
    case orderly
    /// End of file without BYE; in the middle of a frame, or between two.
    case peerVanished(duringFrame: Bool)
    /// The peer broke the rules.
    case violation(ProtocolViolation)
    /// The peer says that we broke the rules, or that it could not initialise.
    case reportedByPeer(code: ErrorCode, reason: String)
    /// The two ends have no common ground: a REJECT was sent or received.
    case rejected(code: ErrorCode, reason: String)
    /// The handshake was not complete in time.
    case handshakeTimedOut
    /// The peer does not read: more control frames wait for it than are kept.
    case peerNotReading
    /// This side gave up the connection.
    case aborted
    /// A system call failed.
    case system(SystemError)
}

extension ConnectionEnd: CustomStringConvertible {
    /// One line, fit for a log.
    public var description: String {
        switch self {
        case .orderly: "the connection was closed in order"
        case .peerVanished(duringFrame: false): "the peer closed the connection without BYE"
        case .peerVanished(duringFrame: true): "the peer closed the connection in the middle of a frame"
        case .violation(let violation): "the peer broke the protocol: \(violation)"
        case .reportedByPeer(let code, let reason): "the peer ended the connection: \(code): \(reason)"
        case .rejected(let code, let reason): "the handshake was rejected: \(code): \(reason)"
        case .handshakeTimedOut: "the handshake was not complete in time"
        case .peerNotReading: "the peer does not read"
        case .aborted: "the connection was given up"
        case .system(let error): "the connection failed: \(error)"
        }
    }
}
