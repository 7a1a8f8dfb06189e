// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Tables

/// `import`: brings a table of an SQLite database up to a delivery, wholly or not at all, and returns the difference.
enum ImportJob {
    private static let resultBytes = 256 << 10

    static func run(_ call: IncomingCall) async throws {
        do {
            try await run(call, ImportOptions(arguments: JobArguments.texts(call)))
        } catch let error as TableError {
            throw CallFailure(error, isCancelled: call.isCancelled)
        }
    }

    private static func run(_ call: IncomingCall, _ options: ImportOptions) async throws {
        let work = TableImport(options: options)
        let interrupter = work.interrupter
        call.onCancel { interrupter.interrupt() }
        do {
            // Before the body is accepted: what cannot be imported into is refused before a byte moves.
            try work.prepare()
            try await stage(call, work)
            try work.begin()
            try await answer(call, work)
            tellNotes(work, call)
        } catch {
            work.rollback()
            throw error
        }
    }

    private static func stage(_ call: IncomingCall, _ work: TableImport) async throws {
        var pace = Pace()
        for try await piece in call.body {
            try work.feed(piece)
            if pace.isDue { call.progress(Progress(completed: work.rowsRead, unit: "rows", text: "reading")) }
        }
        try work.finishInput()
        let rows = work.rowsRead
        call.progress(Progress(completed: rows, total: rows, unit: "rows", text: "comparing"))
    }

    /// Streams the difference, and commits when the other side has all of it.
    private static func answer(_ call: IncomingCall, _ work: TableImport) async throws {
        let writer = call.respond()
        while let lines = try work.nextResult(upTo: resultBytes) { try await writer.write(lines) }
        try await writer.flush()
        let counts = counts(work.summary)
        let rows = work.rowsRead
        try await call.announceFinal(
            Progress(completed: rows, total: rows, unit: "rows", text: "committing", counts: counts)
        )
        try work.commit()
        call.trailer = Trailer(counts: counts)
    }

    private static func counts(_ summary: ChangeCounts) -> [Count] {
        [
            Count("new", summary.new), Count("changed", summary.changed), Count("deleted", summary.deleted),
            Count("unchanged", summary.unchanged),
        ]
    }

    private static func tellNotes(_ work: TableImport, _ call: IncomingCall) {
        for note in work.notes { call.log(.notice, note) }
    }
}

extension CallFailure {
    /// What a table's error means to the caller of a job.
    init(_ error: TableError, isCancelled: Bool) {
        let code: ErrorCode =
            switch error.code {
            case .usage: .badArgument
            case .badData, .noInput: .badData
            case .tryAgain: .unavailable
            case .noPermission: .notPermitted
            case .internal: .internal
            case .cancelled: .cancelled
            case .cantCreate, .config: .failed
            }
        let exitCode = code == .cancelled ? 0 : UInt16(error.exitCode)
        self.init(code, exitCode: exitCode, isRetryable: error.code == .tryAgain, reason: error.description)
    }
}
