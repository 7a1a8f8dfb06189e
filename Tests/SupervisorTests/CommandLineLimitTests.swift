// SPDX-License-Identifier: Apache-2.0
import Testing

/// The limits of `ipc-parent run`, seen by a program that the worker runs.
@Suite("ipc-parent run and its limits")
struct CommandLineLimitTests {
    let command: CommandLine

    init() throws { command = try CommandLine() }

    @Test("Each option reaches the worker and what it starts")
    func options() async throws {
        let result = try await command.sh(
            """
            SECRET=x $P run exec --cpu-limit 1m --open-files 99 --core-limit 4K --no-new-privs --env-only PATH \
            --env A=b --quiet -- sh -c 'ulimit -t; ulimit -n; ulimit -c; grep NoNew /proc/self/status; \
            echo $A$SECRET$TERM' < /dev/null
            """
        )
        // The shell's own unit for core files is 512 bytes or 1024.
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 5 && lines[0] == "60" && lines[1] == "99", "\(result)")
        #expect(lines[2] == "8" || lines[2] == "4", "\(result)")
        #expect(lines[3] == "NoNewPrivs:\t1" && lines[4] == "b", "\(result)")
    }

    @Test("A worker that uses its processor time up is told by that, with 152")
    func processorTime() async throws {
        let result = try await command.sh(
            """
            $P run digest --cpu-limit 1s --core-limit 0 --report report \
            --worker bash --worker-arg -c --worker-arg 'while :; do :; done'; echo $?
            grep -o '"outcome":"[A-Za-z]*"' report
            """
        )
        #expect(result.output == "152\n\"outcome\":\"outOfCPUTime\"\n", "\(result)")
        #expect(result.errors.contains("of 1.0 s, and the kernel sent SIGXCPU"), "\(result)")
    }

    static let enforcements: [(options: String, expected: String)] = [
        ("", "\"none\""), ("--memory-limit 1G", "\"(resourceLimit|controlGroup)\""), ("--worker ./missing", "null"),
    ]

    @Test("The report says what holds the worker to its memory limit", arguments: enforcements)
    func memoryEnforcement(options: String, expected: String) async throws {
        let result = try await command.sh(
            "$P run digest \(options) --report report < /dev/null; grep -cE '\"memoryEnforcement\":\(expected)' report"
        )
        #expect(result.output.hasSuffix("1\n"), "\(result)")
    }

    @Test(
        "What cannot be meant is refused",
        arguments: [
            ("--open-files 3", "at least 16"), ("--env-only A=b", "name of a variable"), ("--cpu-limit x", "30m"),
        ]
    )
    func refusals(options: String, says: String) async throws {
        let result = try await command.sh("$P run digest \(options)")
        #expect(result.code == 64 && result.errors.contains(says), "\(result)")
    }
}
