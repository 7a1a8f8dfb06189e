// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

// From the words of the connection and of the process to those of the job.

extension JobRunMachine.WorkerEnd {
    init(_ reason: ExitReason) {
        self =
            switch reason {
            case .exited(let code): .exited(code: Int32(clamping: code))
            case .signalled(let signal, let dumpedCore):
                .killed(signal: Int32(clamping: signal), dumpedCore: dumpedCore)
            case .outOfMemory(let evidence): .outOfMemory(evidence: "\(evidence)")
            case .outOfCPUTime(let evidence): .outOfCPUTime(evidence: "\(evidence)")
            case .timedOut(.start): .timedOut(.start)
            case .timedOut(.total): .timedOut(.total)
            case .stalled: .timedOut(.heartbeat)
            case .protocolViolation(let what):
                .protocolViolation(code: "protocolViolation", text: "the worker broke the protocol: \(what)")
            case .handshakeFailed(let what):
                .protocolViolation(code: "handshakeFailed", text: "no connection to the worker came about: \(what)")
            case .cancelled, .recycled, .parentShutdown: .stopped
            case .unknown(let why): .unknown("the worker ended for a reason that is not known: \(why)")
            }
    }
}

extension JobRunMachine.CallEnd {
    /// Why the connection ended, as far as the call that ran on it minds.
    init(_ end: ConnectionEnd) {
        self =
            switch end {
            case .violation(let violation):
                .protocolViolation(
                    code: "\(violation.code)",
                    text: "the worker broke the protocol: \(violation)"
                )
            case .rejected(_, let reason): .rejected("the worker was rejected: \(reason)")
            case .reportedByPeer(let code, let reason) where code != .initialisationFailed:
                .protocolViolation(code: "\(code)", text: "the worker ended the connection: \(code): \(reason)")
            default: .connectionLost
            }
    }

    init(_ error: CallError) {
        self =
            switch error {
            case .failed(let remote): .failed(JobFailure(remote))
            case .refused(let code, _, let reason):
                .failed(
                    JobFailure(
                        code: "\(code)",
                        text: "the worker refused the job: \(reason.isEmpty ? "\(code)" : reason)",
                        isRetryable: code == .draining || code == .tooManyStreams
                    )
                )
            case .reset(let code, let reason):
                .failed(JobFailure(code: "\(code)", text: "the worker gave the job up: \(code): \(reason)"))
            case .corruptBody: .protocolViolation(code: "corruptChunk", text: "the worker sent a bad result: \(error)")
            case .badFile: .protocolViolation(code: "badFile", text: "the worker sent a bad result: \(error)")
            case .digestMismatch:
                .protocolViolation(code: "digestMismatch", text: "the worker sent a bad result: \(error)")
            case .connection(let end): Self(end)
            case .methodNameLength, .argumentsTooLarge: .failed(JobFailure(code: "badArgument", text: "\(error)"))
            case .cancelled, .source: .cancelled
            case .stopped, .tooLarge, .tooManyCalls, .draining, .notReady, .sink:
                .failed(JobFailure(code: "internal", text: "\(error)"))
            }
    }
}

extension JobFailure {
    init(_ error: RemoteError) {
        self.init(
            code: "\(error.code)",
            exitCode: error.exitCode == 0 ? nil : Int32(error.exitCode),
            text: error.reason,
            isRetryable: error.isRetryable
        )
    }
}

extension JobStartFailure {
    init(_ error: SpawnError) {
        self =
            switch error.code {
            case .notFound: .notFound("\(error)")
            case .notExecutable, .isDirectory: .notExecutable("\(error)")
            case .workingDirectory, .notPermitted, .invalidArgument, .exitStatusesDiscarded, .system:
                .system("\(error)")
            }
    }
}

extension CallError {
    /// The call was ended by us, and the worker may not know it yet.
    var leavesCallOpen: Bool {
        switch self {
        case .cancelled, .source: true
        default: false
        }
    }

    /// We found the result to be wrong, whatever the worker may still say of it.
    var isOurFinding: Bool {
        switch self {
        case .corruptBody, .badFile, .digestMismatch: true
        default: false
        }
    }
}

extension JobBodyError {
    var event: JobRunMachine.Event {
        switch self {
        case .input(let text): .inputFailed(text)
        case .output(let text): .outputFailed(text)
        case .readerGone: .resultReaderGone
        // Only the end of the run interrupts.
        case .interrupted: .wake
        }
    }
}

extension JobBodyError: CustomStringConvertible {
    /// What failed, and why.
    public var description: String {
        switch self {
        case .input(let text), .output(let text): text
        case .readerGone: "nobody reads the result any more"
        case .interrupted: "interrupted"
        }
    }
}

extension BodyCodec {
    var name: String { self == .zlib ? "zlib" : "none" }
}
