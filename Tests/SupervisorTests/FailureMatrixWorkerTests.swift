// SPDX-License-Identifier: Apache-2.0
import Testing

/// Workers that fail in the middle of a call.
@Suite("A worker that fails at its work")
struct FailureMatrixWorkerTests {
    static let deaths: [Cell] = [
        .hostile("die exit:0", 125, "failed", "workerExited", "exited with 0 and without a result", "going down"),
        .hostile("die exit:5", 5, "failed", "workerExited", "exited with 5", "going down"),
        .hostile("die exit:78", 78, "failed", "workerExited", "exited with 78"),
        .hostile("die signal:KILL", 137, "signalled", "workerKilled", "SIGKILL", "going down"),
        .hostile("die signal:SEGV", 139, "signalled", "workerKilled", "SIGSEGV"),
        .hostile("die signal:TERM", 143, "signalled", "workerKilled", "SIGTERM")
            .with { $0.neverSays = ["supervisor sent"] },
        .hostile("end-early 0", 125, "failed", "workerExited", "exited with 0 and without a result"),
        .hostile("end-early 124", 125, "failed", "workerExited", "exited with 124")
            .with { $0.facts = ["report workerExitCode 124"] },
        .hostile("end-early 200", 125, "failed", "workerExited", "exited with 200")
            .with { $0.facts = ["report workerExitCode 200"] },
        .hostile("end-early 255", 125, "failed", "workerExited", "exited with 255"),
        .hostile("die-answering exit:0 | --output result", 125, "failed", "workerExited", "without a result"),
        .hostile("die-answering signal:ABRT | --output result", 134, "signalled", "workerKilled", "SIGABRT"),
        .hostile("half-frame exit:0 | --output result", 125, "failed", "workerExited", "without a result"),
        .hostile("half-frame exit:7 | --output result", 7, "failed", "workerExited", "exited with 7"),
        .hostile("oom | --memory-limit 64M", 137, "outOfMemory", "outOfMemory", "ran out of memory")
            .with { $0.evidence = "of 64 MiB" },
    ]

    static let finals: [Cell] = [
        .hostile("die-final signal:KILL | --output result --retries 3", 137, "signalled", "workerKilled")
            .with { $0.says = ["committed: unknown, run it again to tell"] },
        .hostile("die-final exit:0 | --output result --retries 3", 125, "failed", "workerExited")
            .with { $0.says = ["committed: unknown"] },
        .hostile("die-final-chatty signal:KILL | --output result --retries 3", 137, "signalled", "workerKilled")
            .with { $0.says = ["committed: unknown", "lines of the job's log are missing"] },
        .hostile("die-final exit:9 | --output result --retries 3", 9, "failed", "workerExited")
            .with { $0.says = ["committed: unknown"] },
    ]

    static let violations: [Cell] = [
        .hostile("giant | --output result", 125, "protocol", "frameTooLarge", "4294967295 bytes", "limit 263168")
            .with { $0.memory = 64 << 20 },
        .hostile("text-later", 125, "protocol", "malformedFrame", "the bytes are the text 'Segm'"),
        .hostile(
            "inflate 900 | --grace 300ms --output result",
            125,
            "protocol",
            "corruptChunk",
            "more than it declared"
        ),
        .hostile(
            "inflate 1100 | --grace 300ms --output result",
            125,
            "protocol",
            "corruptChunk",
            "less than it declared"
        ),
        .hostile("broken-zlib | --grace 300ms --output result", 125, "protocol", "corruptChunk", "corrupt")
            .with { $0.evidence = "its supervisor sent the SIGTERM" },
        .hostile("bad-digest | --grace 300ms --output result", 125, "protocol", "digestMismatch", "not 12345678"),
        .hostile("bad-total | --output result", 125, "protocol", "malformedFrame", "END says 11 bytes where 10 came"),
        .hostile("too-much | --output result", 125, "protocol", "creditExceeded", "limit")
            .with { $0.memory = 96 << 20 },
        .hostile("unasked | --output result", 125, "protocol", "unexpectedFrame", "DATA on stream 1"),
        .hostile("other-stream", 125, "protocol", "badStream", "PROGRESS on stream 4711"),
        .hostile("unknown-frame", 125, "protocol", "unknownFrame", "0x7f"),
        .hostile("close | --grace 300ms", 125, "protocol", "protocolViolation", "closed its connection"),
        .hostile("close-writing | --grace 300ms", 125, "protocol", "protocolViolation", "closed its connection"),
    ]

    static let silences: [Cell] = [
        .hostile("stop | --heartbeat 1s", 124, "stalled", "heartbeatTimeout", "did not answer its heartbeat")
            .with { $0.evidence = "it was stopped by a signal" },
        .hostile("half-frame live | --heartbeat 1s --output result", 124, "stalled", "heartbeatTimeout", "heartbeat"),
        .hostile("never-read | --heartbeat 1s", 124, "stalled", "heartbeatTimeout", "heartbeat"),
        .hostile("ping-flood | --heartbeat 1s", 124, "stalled", "heartbeatTimeout", "heartbeat")
            .with { $0.memory = 96 << 20 },
        .hostile("never-answer | --timeout 1s --grace 300ms", 124, "timedOut", "totalTimeout", "did not end in time"),
        .hostile("never-answer | --stall-timeout 1s --grace 300ms", 124, "stalled", "stalled", "neither progress nor")
            .with { $0.evidence = "it slept in " },
        .hostile("ignore-sigterm | --timeout 1s --grace 300ms", 124, "timedOut", "totalTimeout", "is terminated")
            .with { $0.facts = ["report signal 9"] },
        .hostile("cancel gladly | --timeout 2s", 124, "timedOut", "totalTimeout", "cancelled in order")
            .with { $0.facts = ["report workerExitCode 0"] },
    ]

    @Test("Its death is told", arguments: deaths)
    func death(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    @Test("Where its effects may be lasting, it is not known, not tried again, and said so", arguments: finals)
    func final(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    @Test("What it sends against the rules is named, and costs neither memory nor half a result", arguments: violations)
    func violation(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    @Test("Its silence is noticed and ended", arguments: silences)
    func silence(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }
}
