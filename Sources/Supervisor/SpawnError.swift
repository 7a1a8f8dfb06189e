// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

/// A worker that could not be started.
///
/// No process is left behind.
public struct SpawnError: Error, Equatable, Sendable {
    /// The broad kind of failure; switch on this.
    public enum Code: Equatable, Sendable {
        /// No such program, on PATH or at the path given.
        case notFound
        /// There is a file, but it may not be executed, or the system cannot.
        case notExecutable
        /// There is a directory of that name.
        case isDirectory
        /// The working directory cannot be entered.
        case workingDirectory
        /// A limit, the nice value, or the user cannot be set as asked.
        case notPermitted
        /// An argument or a variable that no process can be given, such as one with a zero byte.
        case invalidArgument
        /// The host process throws exit statuses away, so that no end could ever be explained.
        case exitStatusesDiscarded
        /// The system refused: out of processes, memory or descriptors.
        case system
    }

    /// The broad kind of failure; switch on this.
    public let code: Code

    /// The program, as it was asked for.
    public let program: String

    /// What exactly failed, and what to do about it.
    public let detail: String

    /// The system call that failed, when one did.
    public let cause: SystemError?

    init(_ code: Code, program: String, detail: String, cause: SystemError? = nil) {
        self.code = code
        self.program = program
        self.detail = detail
        self.cause = cause
    }
}

extension SpawnError: CustomStringConvertible {
    /// One line, fit for a terminal or a log.
    public var description: String {
        "cannot start '\(program)': \(detail)" + (cause.map { " (\($0))" } ?? "")
    }
}
