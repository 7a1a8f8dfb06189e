// SPDX-License-Identifier: Apache-2.0
internal import Supervisor

/// Why no further file is begun, though there are some.
enum MapStop: Sendable {
    /// Somebody wants the end.
    case signal(Int32)
    /// A file failed, and `--fail-fast` was given.
    case failure
    /// Nobody reads standard output any more.
    case readerGone
    /// Standard output takes no more.
    case outputFailed(String)
    /// No worker starts.
    case noWorker(PooledJobEnd)

    /// What it means for a file that was begun.
    var verdict: JobVerdict {
        switch self {
        case .signal(let number): .cancelled(.signal(number))
        case .failure: .cancelled(.caller("another file failed"))
        case .readerGone: .resultReaderGone
        case .outputFailed: .cancelled(.caller("standard output cannot be written"))
        case .noWorker: .cancelled(.caller("no worker can be started"))
        }
    }

    /// What the command exits with; nil for the number of files that failed.
    var exitCode: Int32? {
        switch self {
        case .signal(let number): SupervisorExitCode.signalBase + number
        case .failure: nil
        case .readerGone: SupervisorExitCode.readerGone
        case .outputFailed: SupervisorExitCode.cannotCreate
        case .noWorker(let end):
            if case .notStarted = end.verdict { end.verdict.exitCode } else { SupervisorExitCode.notSupervised }
        }
    }

    /// Why, for the report: a code and words.
    var reason: (code: String, text: String) {
        switch self {
        case .signal, .readerGone: (verdict.code, verdict.text)
        case .failure: ("failFast", "a file failed")
        case .outputFailed(let text): ("outputFailed", text)
        case .noWorker(let end): (end.verdict.code, "no worker can be started: \(end.verdict.text)")
        }
    }

    /// What supports that.
    var evidence: String? {
        if case .noWorker(let end) = self { end.evidence } else { nil }
    }
}
