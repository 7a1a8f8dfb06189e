// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Tables

/// `export`: a table as CSV or NDJSON, from one consistent snapshot, streamed.
enum ExportJob {
    private static let pieceBytes = 256 << 10

    static func run(_ call: IncomingCall) async throws {
        do {
            let work = try TableExport(options: ExportOptions(arguments: JobArguments.texts(call)))
            let interrupter = work.interrupter
            call.onCancel { interrupter.interrupt() }
            try await stream(call, work)
        } catch let error as TableError {
            throw CallFailure(error, isCancelled: call.isCancelled)
        }
    }

    private static func stream(_ call: IncomingCall, _ work: TableExport) async throws {
        let writer = call.respond()
        var pace = Pace()
        while let bytes = try work.nextBytes(upTo: pieceBytes) {
            try await writer.write(bytes)
            if pace.isDue { call.progress(Progress(completed: work.rows, unit: "rows", text: "exporting")) }
        }
        call.trailer = Trailer(counts: [Count("rows", work.rows)])
    }
}
