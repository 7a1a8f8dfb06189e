// SPDX-License-Identifier: Apache-2.0

/// Exit codes with a meaning of their own: timeout(1), docker(1) and the shell, and sysexits(3).
public enum SupervisorExitCode {
    /// The arguments are wrong.
    public static let usage: Int32 = 64
    /// The input data is wrong.
    public static let badData: Int32 = 65
    /// The input cannot be read.
    public static let noInput: Int32 = 66
    /// The daemon cannot be reached.
    public static let unavailable: Int32 = 69
    /// The result cannot be written.
    public static let cannotCreate: Int32 = 73
    /// Busy for now.
    public static let tryAgain: Int32 = 75
    /// Not allowed.
    public static let notPermitted: Int32 = 77
    /// The configuration is wrong.
    public static let configuration: Int32 = 78
    /// A timeout, or a stall.
    public static let timedOut: Int32 = 124
    /// The worker could not be supervised.
    public static let notSupervised: Int32 = 125
    /// The program is there but cannot be executed.
    public static let notExecutable: Int32 = 126
    /// There is no such program.
    public static let notFound: Int32 = 127
    /// Base of the codes that name a signal.
    public static let signalBase: Int32 = 128
    /// The reader of standard output is gone (SIGPIPE).
    public static let readerGone: Int32 = 141
}

extension JobVerdict {
    /// What a command that ran this job exits with.
    public var exitCode: Int32 {
        switch self {
        case .succeeded: 0
        case .failed(let failure): Self.exitCode(of: failure)
        case .workerExited(let code): (1...123).contains(code) ? code : SupervisorExitCode.notSupervised
        case .workerKilled(let signal, _): SupervisorExitCode.signalBase + signal
        case .outOfMemory: SupervisorExitCode.signalBase + 9
        case .outOfCPUTime: SupervisorExitCode.signalBase + 24
        case .timedOut, .stalled: SupervisorExitCode.timedOut
        case .cancelled(.signal(let signal)): SupervisorExitCode.signalBase + signal
        case .cancelled(.caller): SupervisorExitCode.signalBase + 2
        case .resultReaderGone: SupervisorExitCode.readerGone
        case .protocolViolation, .unknown, .notStarted(.system): SupervisorExitCode.notSupervised
        case .notStarted(.notFound): SupervisorExitCode.notFound
        case .notStarted(.notExecutable): SupervisorExitCode.notExecutable
        case .inputFailed: SupervisorExitCode.noInput
        case .outputFailed: SupervisorExitCode.cannotCreate
        }
    }

    private static func exitCode(of failure: JobFailure) -> Int32 {
        if let code = failure.exitCode, (1...255).contains(code) { return code }
        return switch failure.code {
        case "unknownMethod", "badArgument": SupervisorExitCode.usage
        case "badData", "tooLarge", "digestMismatch", "corruptChunk": SupervisorExitCode.badData
        case "unavailable", "draining", "tooManyStreams": SupervisorExitCode.tryAgain
        case "notPermitted": SupervisorExitCode.notPermitted
        case "deadlineExceeded": SupervisorExitCode.timedOut
        default: 1
        }
    }
}
