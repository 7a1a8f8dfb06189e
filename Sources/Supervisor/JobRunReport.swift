// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// The report of a job as one JSON object: a stable form that scripts read.
///
/// Fields are only ever added; `schema` rises when the meaning of one changes. What is unknown is `null`, sizes are in
/// bytes, times are RFC 3339 in UTC.
public struct JobReport: Sendable, Equatable {
    /// The form's number.
    public static let schema: UInt64 = 1

    /// What is reported.
    public let outcome: JobOutcome

    /// Reports an outcome.
    public init(_ outcome: JobOutcome) { self.outcome = outcome }

    /// The object, on one line, with a newline at its end.
    public var json: String {
        var object = JSONObject()
        object["schema"] = .number(Self.schema)
        object["job"] = .string(outcome.job)
        object["outcome"] = .string(outcome.verdict.outcome.rawValue)
        object["reason"] = .object(reason)
        object["exitCode"] = .integer(Int64(outcome.verdict.exitCode))
        object["workerExitCode"] = .optional(outcome.workerExitCode)
        object["signal"] = .optional(outcome.signal)
        object["attempts"] = .integer(Int64(outcome.attempts))
        object["started"] = .string(Timestamp.rfc3339(nanoseconds: outcome.startedAt))
        object["finished"] = .string(Timestamp.rfc3339(nanoseconds: outcome.finishedAt))
        object["seconds"] = .seconds(outcome.duration)
        addTraffic(to: &object)
        object["workerPeakRSS"] = outcome.workerPeakRSS.map { .number($0) } ?? .null
        object["memoryEnforcement"] = outcome.memoryEnforcement.map { .string($0.rawValue) } ?? .null
        var counts = JSONObject()
        for count in outcome.counts { counts[count.name] = .number(count.value) }
        object["counts"] = .object(counts)
        return object.text + "\n"
    }

    private var reason: JSONObject {
        var reason = JSONObject()
        reason["code"] = .string(outcome.verdict.code)
        reason["text"] = .string(outcome.text)
        reason["evidence"] = outcome.evidence.map { .string($0) } ?? .null
        return reason
    }

    private func addTraffic(to object: inout JSONObject) {
        let traffic = outcome.traffic
        object["bytesIn"] = .number(traffic.bytesIn)
        object["bytesOut"] = .number(traffic.bytesOut)
        object["wireBytesIn"] = .number(traffic.wireBytesIn)
        object["wireBytesOut"] = .number(traffic.wireBytesOut)
        object["chunks"] = .number(traffic.chunks)
        object["chunksCompressed"] = .number(traffic.chunksCompressed)
        object["codec"] = traffic.codec.map { .string($0) } ?? .null
        object["transport"] = traffic.transport.map { .string($0) } ?? .null
    }
}
