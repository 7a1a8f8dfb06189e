// SPDX-License-Identifier: Apache-2.0
internal import Supervisor

/// Where the result of one file is put while it comes.
enum ResultPlace: Sendable {
    /// A file of its own, without its name yet.
    case file(OutputTarget)
    /// Wherever it can wait for its turn at standard output.
    case spool(ResultSpool)

    func write(_ bytes: [UInt8]) throws(JobBodyError) {
        switch self {
        case .file(let target): try target.write(bytes)
        case .spool(let spool): try spool.write(bytes)
        }
    }

    /// Makes what was written durable, as far as that means anything here.
    func synchronize() throws(JobBodyError) {
        if case .file(let target) = self { try target.synchronize() }
    }

    /// Forgets what an attempt left that has failed.
    func discard() throws(JobBodyError) {
        switch self {
        case .file(let target): try target.discard()
        case .spool(let spool): spool.discard()
        }
    }

    /// The result is whole.
    func finish() throws(JobBodyError) {
        if case .file(let target) = self { try target.place() }
    }

    /// There is no result.
    func abandon() {
        switch self {
        case .file(let target): target.abandon()
        case .spool(let spool): spool.discard()
        }
    }
}
