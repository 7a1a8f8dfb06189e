// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("Exit codes and reports")
struct CommandLineReportTests {
    static let codes: [(JobVerdict, Int32)] = [
        (.succeeded, 0),
        (.failed(JobFailure(code: "failed", exitCode: 3, text: "")), 3),
        (.failed(JobFailure(code: "failed", text: "")), 1),
        (.failed(JobFailure(code: "failed", exitCode: 0, text: "")), 1),
        (.failed(JobFailure(code: "failed", exitCode: 300, text: "")), 1),
        (.failed(JobFailure(code: "failed", exitCode: 127, text: "no such program")), 127),
        (.failed(JobFailure(code: "unknownMethod", text: "")), 64),
        (.failed(JobFailure(code: "badArgument", text: "")), 64),
        (.failed(JobFailure(code: "badData", text: "")), 65),
        (.failed(JobFailure(code: "unavailable", text: "")), 75),
        (.failed(JobFailure(code: "notPermitted", text: "")), 77),
        (.failed(JobFailure(code: "deadlineExceeded", text: "")), 124),
        (.failed(JobFailure(code: "badData", exitCode: 9, text: "")), 9),
        (.workerExited(code: 0), 125), (.workerExited(code: 1), 1), (.workerExited(code: 123), 123),
        (.workerExited(code: 124), 125), (.workerExited(code: 255), 125),
        (.workerKilled(signal: 11, dumpedCore: true), 139), (.workerKilled(signal: 9, dumpedCore: false), 137),
        (.outOfMemory(evidence: "oom_kill 1"), 137), (.outOfCPUTime(evidence: "2 s of 2 s"), 152),
        (.timedOut(.start), 124), (.timedOut(.heartbeat), 124), (.timedOut(.total), 124), (.stalled, 124),
        (.cancelled(.signal(2)), 130), (.cancelled(.signal(15)), 143), (.cancelled(.signal(1)), 129),
        (.cancelled(.caller("")), 130), (.resultReaderGone, 141),
        (.protocolViolation(code: "malformedFrame", text: ""), 125), (.unknown(""), 125),
        (.notStarted(.notFound("")), 127), (.notStarted(.notExecutable("")), 126), (.notStarted(.system("")), 125),
        (.inputFailed(""), 66), (.outputFailed(""), 73),
    ]

    @Test("Every end has the exit code that the manual promises", arguments: codes)
    func exitCode(verdict: JobVerdict, expected: Int32) {
        #expect(verdict.exitCode == expected)
    }

    @Test("Exit 0 is for success alone", arguments: codes)
    func onlySuccessIsZero(verdict: JobVerdict, _: Int32) {
        #expect((verdict.exitCode == 0) == (verdict == .succeeded))
    }

    @Test("A report has every field, in a fixed order, on one line")
    func wholeReport() {
        var outcome = JobOutcome(job: "import", verdict: .succeeded)
        outcome.workerExitCode = 0
        outcome.attempts = 1
        outcome.duration = .milliseconds(1_250)
        outcome.startedAt = 1_772_269_500_250_000_000
        outcome.finishedAt = 1_772_269_501_500_999_999
        outcome.traffic.bytesIn = 10_000_000
        outcome.traffic.bytesOut = .max
        outcome.traffic.wireBytesIn = 2_500_000
        outcome.traffic.wireBytesOut = 3
        outcome.traffic.chunks = 40
        outcome.traffic.chunksCompressed = 39
        outcome.traffic.codec = "zlib"
        outcome.traffic.transport = "socket"
        outcome.workerPeakRSS = 30_000_000
        outcome.memoryEnforcement = .controlGroup
        outcome.counts = [Count("new", 1_500), Count("changed", 2_300)]
        #expect(
            JobReport(outcome).json
                == #"{"schema":1,"job":"import","outcome":"succeeded","reason":{"code":"succeeded","text":"done","#
                + #""evidence":null},"exitCode":0,"workerExitCode":0,"signal":null,"attempts":1,"#
                + #""started":"2026-02-28T09:05:00.250Z","finished":"2026-02-28T09:05:01.500Z","seconds":1.250,"#
                + #""bytesIn":10000000,"bytesOut":18446744073709551615,"wireBytesIn":2500000,"wireBytesOut":3,"#
                + #""chunks":40,"chunksCompressed":39,"codec":"zlib","transport":"socket","#
                + #""workerPeakRSS":30000000,"memoryEnforcement":"controlGroup","counts":{"new":1500,"changed":2300}}"#
                + "\n"
        )
    }

    @Test("What is unknown is null, and a commit that nobody confirmed is said to be unknown")
    func unknowns() {
        var outcome = JobOutcome(job: "import", verdict: .workerKilled(signal: 9, dumpedCore: false))
        outcome.signal = 9
        outcome.isCommitUnknown = true
        let json = JobReport(outcome).json
        #expect(json.contains(#""workerExitCode":null,"signal":9,"#))
        #expect(
            json.contains(#""codec":null,"transport":null,"workerPeakRSS":null,"memoryEnforcement":null,"counts":{}"#)
        )
        #expect(json.contains(#""text":"the worker was killed by SIGKILL; committed: unknown"#))
    }

    @Test("Text of any kind becomes valid JSON")
    func escaping() {
        var object = JSONObject()
        object["a\"b"] = .string("line\nquote\" back\\ tab\t bell\u{7} del\u{7F} é 🚉 \u{2028}")
        #expect(
            object.text == #"{"a\"b":"line\nquote\" back\\ tab\t bell\u0007 del\u007f é 🚉 "# + "\u{2028}" + #""}"#
        )
    }

    @Test("A member that is set again keeps its place")
    func order() {
        var object = JSONObject()
        object["a"] = .number(1)
        object["b"] = .seconds(.milliseconds(-5))
        object["a"] = .integer(-2)
        #expect(object.text == #"{"a":-2,"b":0.000}"#)
    }

    static let instants: [(Int64, String)] = [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
        (Int64.max, "2262-04-11T23:47:16.854Z"), (Int64.min, "1677-09-21T00:12:43.145Z"),
    ]

    @Test("Times are RFC 3339 in UTC, also around leap days and before 1970", arguments: instants)
    func timestamps(nanoseconds: Int64, expected: String) {
        #expect(Timestamp.rfc3339(nanoseconds: nanoseconds) == expected)
    }
}
