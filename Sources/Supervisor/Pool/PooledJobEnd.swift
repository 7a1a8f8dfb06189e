// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// What the error of a call to a pool says about the job that the call was, in the words of jobs.
package struct PooledJobEnd: Sendable {
    /// How the job ended.
    package let verdict: JobVerdict
    /// What supports that.
    package let evidence: String?

    private init(_ verdict: JobVerdict, evidence: String? = nil) {
        self.verdict = verdict
        self.evidence = evidence
    }

    /// Nil where the error says no more than that we gave the call up.
    package init?(_ error: any Error) {
        switch error {
        case let error as PoolError: self.init(error)
        case let error as CallError: self.init(error)
        case let error as JobBodyError:
            if case .input(let text) = error {
                self.init(.inputFailed(text))
            } else {
                self.init(.outputFailed("\(error)"))
            }
        default: self.init(.unknown("\(error)"))
        }
    }

    /// The job that went through the pool was done, but its own exit code says that it failed.
    package init?(exitCode: UInt32?, reason: String?) {
        guard let exitCode, exitCode != 0 else { return nil }
        let text = reason ?? "the job ended with code \(exitCode)"
        self.init(.failed(JobFailure(code: "exitCode", exitCode: Int32(clamping: exitCode), text: text)))
    }

    /// A worker that never took a call.
    package init(_ end: PoolWorkerEnd) {
        switch end {
        case .exited(let exit): self.init(exit)
        case .notSpawned(let error): self.init(.notStarted(JobStartFailure(error)))
        }
    }

    private init?(_ error: PoolError) {
        switch error {
        case .timedOut: self.init(.timedOut(.total))
        case .stalled: self.init(.stalled)
        case .workerLost(let exit), .quarantined(.some(let exit)): self.init(exit)
        case .notStarted(let error): self.init(.notStarted(JobStartFailure(error)))
        case .queueFull, .quarantined(nil), .breakerOpen: self.init(.unknown("\(error)"))
        case .cancelled, .stopped: return nil
        }
    }

    private init(_ exit: WorkerExit) {
        let end = JobRunMachine.WorkerEnd(exit.reason)
        self.init(JobRunMachine.verdict(of: end), evidence: exit.description)
    }

    private init?(_ error: CallError) {
        if case .source(let text) = error {
            self.init(.inputFailed(text))
            return
        }
        switch JobRunMachine.CallEnd(error) {
        case .failed(let failure): self.init(.failed(failure))
        case .protocolViolation(let code, let text): self.init(.protocolViolation(code: code, text: text))
        case .rejected(let text): self.init(.protocolViolation(code: "rejected", text: text))
        case .connectionLost: self.init(.unknown("\(error)"))
        case .cancelled: return nil
        }
    }
}
