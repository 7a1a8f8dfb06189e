// SPDX-License-Identifier: Apache-2.0

/// Why a call, or one of its bodies, failed.
public enum CallError: Error, Equatable, Sendable {
    /// The answerer says so.
    case failed(RemoteError)
    /// The answerer did not take the call; it had no effect.
    case refused(code: ErrorCode, limit: UInt64, reason: String)
    /// This side cancelled it.
    case cancelled
    /// The other side gave it up.
    case reset(code: ErrorCode, reason: String)
    /// The receiver of our body wants no more of it.
    case stopped(code: ErrorCode, reason: String)
    /// A chunk of the body for us does not inflate to what it declared.
    case corruptBody(String)
    /// The file that the body for us came as is none that may be read so, or has become shorter.
    case badFile(String)
    /// The body for us is not the one that was sent.
    case digestMismatch(expected: UInt32, found: UInt32)
    /// The body for us is larger than the caller takes; bytes.
    case tooLarge(limit: UInt64)
    /// Our own source of the body failed.
    case source(String)
    /// As many calls as allowed are open.
    case tooManyCalls(limit: UInt32)
    /// The peer is draining, or we are: no new calls.
    case draining
    /// The method's name does not have 1 to 256 bytes; bytes.
    case methodNameLength(Int)
    /// The arguments take more than 64 KiB; bytes.
    case argumentsTooLarge(Int)
    /// The handshake is not complete yet.
    case notReady
    /// The connection is over.
    case connection(ConnectionEnd)
    /// Writing out what was received failed.
    case sink(SystemError)
}

extension CallError: CustomStringConvertible {
    /// One line: what happened.
    public var description: String {
        switch self {
        case .failed(let error): error.reason.isEmpty ? "the call failed: \(error.code)" : error.reason
        case .refused(let code, _, let reason): "the call was refused: \(code): \(reason)"
        case .cancelled: "the call was cancelled"
        case .reset(let code, let reason): "the call was given up by the other side: \(code)\(Self.tail(reason))"
        case .stopped(let code, let reason): "the receiver wants no more of the body: \(code)\(Self.tail(reason))"
        case .corruptBody(let detail): "a chunk of the body is corrupt: \(detail)"
        case .badFile(let detail): "the file that the body came as cannot be used: \(detail)"
        case .digestMismatch(let expected, let found):
            "the body's digest is \(Self.hex(found)), not \(Self.hex(expected)) as it should be: bytes were changed"
        case .tooLarge(let limit): "the body is larger than the \(limit) bytes that were allowed"
        case .source(let detail): "the source of the body failed: \(detail)"
        case .tooManyCalls(let limit): "\(limit) calls are open already, the most that this connection allows"
        case .draining: "the connection is draining and takes no more calls"
        case .methodNameLength(let count): "a method's name has 1 to 256 bytes, not \(count)"
        case .argumentsTooLarge(let count): "the arguments take \(count) bytes; 65536 are allowed: use the body"
        case .notReady: "the connection is not ready yet: await handshake() before the first call"
        case .connection(let end): "\(end)"
        case .sink(let error): "the body cannot be written out: \(error)"
        }
    }

    private static func tail(_ reason: String) -> String { reason.isEmpty ? "" : ": \(reason)" }

    private static func hex(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// What a handler throws to make its call fail in its own words.
public struct CallFailure: Error, Equatable, Sendable {
    /// What the opener will be told.
    public var error: RemoteError

    /// A failure with its kind, the exit code that fits (sysexits(3)) and a reason for a person.
    public init(_ code: ErrorCode = .failed, exitCode: UInt16 = 1, isRetryable: Bool = false, reason: String) {
        error = RemoteError(code: code, exitCode: exitCode, isRetryable: isRetryable, reason: reason)
    }
}
