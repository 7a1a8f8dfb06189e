// SPDX-License-Identifier: Apache-2.0

/// How a job ended, as far as anybody outside needs to tell one end from another.
public enum JobVerdict: Sendable, Equatable {
    /// The worker sent its whole result, and the result is where it was wanted.
    case succeeded

    /// The worker said that the job failed: ERROR, or an exit code in its trailer.
    case failed(JobFailure)

    /// The worker exited on its own before the job was done.
    case workerExited(code: Int32)

    /// A signal that we did not send killed the worker.
    case workerKilled(signal: Int32, dumpedCore: Bool)

    /// The worker's memory limit, or the kernel, ended it.
    case outOfMemory(evidence: String)

    /// The worker used up the processor time that it was allowed.
    case outOfCPUTime(evidence: String)

    /// A deadline passed.
    case timedOut(JobDeadline)

    /// Neither progress nor a byte for longer than the stall timeout.
    case stalled

    /// Somebody wanted it to end.
    case cancelled(JobCancellation)

    /// Nobody reads the result any more: a closed pipe behind standard output.
    case resultReaderGone

    /// The worker did not keep to the protocol, or would not speak it with us.
    case protocolViolation(code: String, text: String)

    /// The worker could not be started.
    case notStarted(JobStartFailure)

    /// The input ended in an error of ours.
    case inputFailed(String)

    /// The result could not be written where it was wanted.
    case outputFailed(String)

    /// The supervision itself failed, or the worker's end could not be learned.
    case unknown(String)
}

/// A failure that the worker reported in the protocol's words.
public struct JobFailure: Sendable, Equatable {
    /// The protocol's name for it, such as `badData`; `exitCode` when only a trailer's exit code says so.
    public var code: String

    /// The exit code that the job asks for; `nil` when it names none.
    public var exitCode: Int32?

    /// Why, in the worker's words.
    public var text: String

    /// True when the same call may succeed later.
    public var isRetryable: Bool

    /// Describes a failure.
    public init(code: String, exitCode: Int32? = nil, text: String, isRetryable: Bool = false) {
        self.code = code
        self.exitCode = exitCode
        self.text = text
        self.isRetryable = isRetryable
    }
}

/// Which deadline passed.
public enum JobDeadline: String, Sendable, Equatable {
    /// From the spawn to READY.
    case start
    /// From a PING to its PONG.
    case heartbeat
    /// The whole attempt.
    case total
}

/// Who ended a job early.
public enum JobCancellation: Sendable, Equatable {
    /// A signal that the supervising process received.
    case signal(Int32)

    /// A caller of the library, or a client, for a reason of its own.
    case caller(String)
}

/// Why a worker could not be started.
public enum JobStartFailure: Sendable, Equatable {
    /// There is no such program.
    case notFound(String)
    /// There is one, but it may not or cannot be executed.
    case notExecutable(String)
    /// The system refused something else; the text says what.
    case system(String)
}
