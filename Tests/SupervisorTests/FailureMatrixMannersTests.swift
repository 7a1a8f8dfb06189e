// SPDX-License-Identifier: Apache-2.0
import Testing

/// Workers with bad manners: what they print, what they leave, how they go.
@Suite("A worker with bad manners")
struct FailureMatrixMannersTests {
    static let cells: [Cell] = [
        .hostile("grandchild here exit:5", 5, "failed", "workerExited", "exited with 5"),
        .hostile("grandchild here answer", 0, "succeeded", "succeeded").with { $0.output = "answer\n" },
        .hostile("grandchild setsid exit:5", 5, "failed", "workerExited", "exited with 5")
            .with { $0.evidence = "a process of its own had to be killed" },
        .hostile("grandchild setsid answer", 0, "succeeded", "succeeded").with { $0.output = "answer\n" },
        .hostile("flood | 2> >(tail -n 5 >&2)", 9, "failed", "workerExited", "exited with 9").with {
            $0.evidence = "its last words: the very last words"
            $0.memory = 64 << 20
        },
        .hostile("flood | --quiet", 9, "failed", "workerExited", "exited with 9").with {
            $0.neverSays = ["the same complaint"]
            $0.memory = 64 << 20
        },
        .hostile("stdout", 0, "succeeded", "succeeded", "I print to standard output").with { $0.output = "answer\n" },
        .hostile("error-while-reading", 65, "failed", "badData", "line 3: this is no station")
            .with { $0.facts = ["report workerExitCode 1"] },
        .hostile("error-and-linger", 65, "failed", "badData", "line 3: this is no station")
            .with { $0.facts = ["report workerExitCode 0"] },
        .hostile("error-with-escapes", 65, "failed", "badData", "gone").with {
            $0.neverSays = ["\u{1B}", "\u{07}", "\nipc-parent: all is well"]
        },
        .hostile("answer-and exit:5", 0, "succeeded", "succeeded", "afterwards the worker exited with 5\n").with {
            $0.output = "answer\n"
            $0.facts = ["report workerExitCode 5"]
        },
        .hostile("answer-and signal:SEGV", 0, "succeeded", "succeeded", "afterwards the worker was killed by SIGSEGV")
            .with { $0.output = "answer\n" },
        .hostile("answer-and hang | --grace 300ms", 0, "succeeded", "succeeded", "afterwards").with {
            $0.output = "answer\n"
            $0.evidence = "its supervisor sent the SIGKILL"
        },
        .hostile("answer-and hang | --grace 300ms --output result", 0, "succeeded", "succeeded", "afterwards")
            .with { $0.leaves = "result" },
    ]

    @Test("It takes nobody with it", arguments: cells)
    func manners(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    @Test("Lines of a log that come too fast are told, or told to be missing")
    func log() async throws {
        let seen = try await FailureMatrix.witness(
            run: "run exec --progress none -- bash -c 'seq 1 20000 >&2' < /dev/null 2> log; cat log"
        )
        let lines = seen.result.output.split(separator: "\n")
        let told = lines.filter { Int($0) != nil }.count
        let missing = lines.first { $0.contains("lines of the job's log are missing") }
        let count = missing.flatMap { Int($0.dropFirst("ipc-parent: ".count).prefix { $0 != " " }) } ?? 0
        #expect(told + count == 20_000, "\(told) told, \(count) missing")
    }
}
