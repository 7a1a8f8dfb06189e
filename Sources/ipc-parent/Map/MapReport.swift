// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Supervisor

/// The report of all files as one JSON object, in the form and the words of ``JobReport``.
struct MapReport {
    static let schema: UInt64 = 1

    let job: String
    var tally = MapTally()
    /// Why not all files were begun; nil if they were.
    var reason: (code: String, text: String)?
    var evidence: String?
    var exitCode: Int32 = 0
    var startedAt: Int64 = 0
    var finishedAt: Int64 = 0
    var duration = Duration.zero
    /// The files in their order, each with its outcome; nil for one that was not run.
    var files: [(path: String, outcome: JobOutcome?)] = []

    /// The object, on one line, with a newline at its end.
    var json: String {
        var totals = JSONObject()
        totals["files"] = .integer(Int64(files.count))
        totals["succeeded"] = .integer(Int64(tally.succeeded))
        totals["failed"] = .integer(Int64(tally.failed))
        totals["cancelled"] = .integer(Int64(tally.cancelled))
        totals["notRun"] = .integer(Int64(tally.notRun))

        var object = JSONObject()
        object["schema"] = .number(Self.schema)
        object["job"] = .string(job)
        object["totals"] = .object(totals)
        object["reason"] = reason.map { .object(Self.reason($0.code, $0.text, evidence)) } ?? .null
        object["exitCode"] = .integer(Int64(exitCode))
        object["started"] = .string(Timestamp.rfc3339(nanoseconds: startedAt))
        object["finished"] = .string(Timestamp.rfc3339(nanoseconds: finishedAt))
        object["seconds"] = .seconds(duration)
        object["bytesIn"] = .number(files.reduce(0) { $0 + ($1.outcome?.traffic.bytesIn ?? 0) })
        object["bytesOut"] = .number(files.reduce(0) { $0 + ($1.outcome?.traffic.bytesOut ?? 0) })
        object["files"] = .array(files.map { .object(Self.file($0.path, $0.outcome)) })
        return object.text + "\n"
    }

    /// What every file has, and one that was not run has no value for.
    private static let unknownOfNotRun = [
        "reason", "exitCode", "attempts", "started", "finished", "seconds", "bytesIn", "bytesOut", "counts",
    ]

    private static func file(_ path: String, _ outcome: JobOutcome?) -> JSONObject {
        var object = JSONObject()
        object["path"] = .string(path)
        guard let outcome else {
            object["outcome"] = .string("notRun")
            for key in unknownOfNotRun { object[key] = .null }
            return object
        }
        object["outcome"] = .string(outcome.verdict.outcome.rawValue)
        object["reason"] = .object(reason(outcome.verdict.code, outcome.text, outcome.evidence))
        object["exitCode"] = .integer(Int64(outcome.verdict.exitCode))
        object["attempts"] = .integer(Int64(outcome.attempts))
        object["started"] = .string(Timestamp.rfc3339(nanoseconds: outcome.startedAt))
        object["finished"] = .string(Timestamp.rfc3339(nanoseconds: outcome.finishedAt))
        object["seconds"] = .seconds(outcome.duration)
        object["bytesIn"] = .number(outcome.traffic.bytesIn)
        object["bytesOut"] = .number(outcome.traffic.bytesOut)
        var counts = JSONObject()
        for count in outcome.counts { counts[count.name] = .number(count.value) }
        object["counts"] = .object(counts)
        return object
    }

    private static func reason(_ code: String, _ text: String, _ evidence: String?) -> JSONObject {
        var reason = JSONObject()
        reason["code"] = .string(code)
        reason["text"] = .string(text)
        reason["evidence"] = evidence.map { .string($0) } ?? .null
        return reason
    }
}
