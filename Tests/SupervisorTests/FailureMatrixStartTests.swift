// SPDX-License-Identifier: Apache-2.0
import Testing

/// Workers that fail before the first call.
@Suite("A worker that does not even start")
struct FailureMatrixStartTests {
    static let programs: [Cell] = [
        Cell(
            name: "not found, by path",
            run: "run digest --input body --worker ./missing",
            code: 127,
            outcome: "notStarted",
            reason: "notFound",
            says: ["cannot start './missing': there is no such file"]
        ),
        Cell(
            name: "not found, by name",
            run: "run digest --input body --worker no-such-worker",
            code: 127,
            outcome: "notStarted",
            reason: "notFound",
            says: ["'no-such-worker'", "no directory of PATH"]
        ),
        Cell(
            name: "in no directory, but below a file",
            run: "run digest --input body --worker ./body/worker",
            code: 127,
            outcome: "notStarted",
            reason: "notFound",
            says: ["./body/worker"]
        ),
        Cell(
            name: "a link to nothing",
            setup: "ln -s nowhere worker",
            run: "run digest --input body --worker ./worker",
            code: 127,
            outcome: "notStarted",
            reason: "notFound",
            says: ["cannot start './worker'"]
        ),
        Cell(
            name: "not executable",
            setup: "touch worker",
            run: "run digest --input body --worker ./worker",
            code: 126,
            outcome: "notStarted",
            reason: "notExecutable",
            says: ["./worker may not be executed"]
        ),
        Cell(
            name: "a directory",
            setup: "mkdir worker",
            run: "run digest --input body --worker ./worker",
            code: 126,
            outcome: "notStarted",
            reason: "notExecutable",
            says: ["./worker is a directory"]
        ),
        Cell(
            name: "executable, but no program",
            setup: "printf 'neither one\\0nor the other' > worker; chmod +x worker",
            run: "run digest --input body --worker ./worker",
            code: 126,
            outcome: "notStarted",
            reason: "notExecutable",
            says: ["cannot start './worker'"]
        ),
        Cell(
            name: "a script without its interpreter",
            setup: "echo '#!/no/such/interpreter' > worker; chmod +x worker",
            run: "run digest --input body --worker ./worker",
            code: 126,
            outcome: "notStarted",
            reason: "notExecutable",
            says: ["cannot start './worker'", "interpreter"]
        ),
        Cell(
            name: "a program that knows nothing of us",
            run: "run digest --input body --worker /bin/true",
            code: 125,
            outcome: "failed",
            reason: "workerExited",
            says: ["exited with 0 and without a result"]
        ),
        Cell(
            name: "a directory to start in that is not there",
            run: "run digest --input body --cwd nowhere",
            code: 125,
            outcome: "notStarted",
            reason: "notStarted",
            says: ["nowhere", "No such file or directory"]
        ),
    ]

    static let early: [Cell] = [
        .hostile("die-early exit:0", 125, "failed", "workerExited", "exited with 0", "about to go"),
        .hostile("die-early exit:3", 3, "failed", "workerExited", "exited with 3", "about to go"),
        .hostile("die-early exit:78", 78, "failed", "workerExited", "exited with 78"),
        .hostile("die-early exit:124", 125, "failed", "workerExited", "exited with 124"),
        .hostile("die-early exit:255", 125, "failed", "workerExited", "exited with 255"),
        .hostile("die-early signal:SEGV", 139, "signalled", "workerKilled", "SIGSEGV"),
        .hostile("die-early signal:KILL", 137, "signalled", "workerKilled", "SIGKILL"),
        .hostile("die-early signal:TERM", 143, "signalled", "workerKilled", "SIGTERM"),
        .hostile("version", 125, "protocol", "rejected", "version", "rejected: code 8, versions 1 to 1")
            .with { $0.facts = ["report workerExitCode 78", "report signal None"] },
        .hostile("bad-limit", 125, "protocol", "rejected", "rejected", "maxChunk 16 is not in 4096"),
        .hostile("garbage | --grace 300ms", 125, "protocol", "malformedFrame", "broke the protocol"),
        .hostile("text", 125, "protocol", "malformedFrame", "the bytes are the text 'Star'"),
        .hostile("giant-hello", 125, "protocol", "frameTooLarge", "4294967295"),
        .hostile("half-hello | --start-timeout 1s", 124, "timedOut", "startTimeout", "not ready in time"),
        .hostile("silent | --start-timeout 1s", 124, "timedOut", "startTimeout", "not ready in time"),
        .hostile("never-ready | --start-timeout 1s", 124, "timedOut", "startTimeout", "not ready in time"),
        .hostile("cannot-initialise", 4, "failed", "workerExited", "exited with 4", "the licence file is missing"),
        .hostile("close-early | --grace 300ms", 125, "protocol", "handshakeFailed", "closed its connection"),
    ]

    @Test("It is told, with its exit code and a report, and nothing is left behind", arguments: programs + early)
    func told(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }
}
