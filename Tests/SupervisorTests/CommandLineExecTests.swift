// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("ipc-parent run exec")
struct CommandLineExecTests {
    let command: CommandLine

    init() throws { command = try CommandLine() }

    static let failedPrograms: [(program: String, code: Int32, says: String)] = [
        ("seq 1 200000; exit 3", 3, "exec: 'sh' exited with 3\n"),
        ("seq 1 200000; kill -TERM $$", 143, "exec: 'sh' was ended by signal 15\n"),
    ]

    @Test("What a program printed before it failed is on standard output, and in no file", arguments: failedPrograms)
    func failedProgram(program: String, code: Int32, says: String) async throws {
        let result = try await command.sh(
            """
            run() { $P run exec --quiet --report report "$@" -- sh -c '\(program)' < /dev/null; echo $? >> codes; }
            run > out; run --output whole; seq 1 200000 | cmp - out; ls; cat codes
            grep -o '"reason":{"code":"exitCode","text":"[^"]*"' report
            """
        )
        let reason = says.dropFirst("exec: ".count).dropLast()
        let report = #""reason":{"code":"exitCode","text":"\#(reason)""#
        let names = result.output.split(separator: "\n").filter { !$0.hasPrefix("std") }.joined(separator: " ")
        #expect(names == "codes out report \(code) \(code) \(report)", "\(result)")
        #expect(result.errors.hasSuffix(says), "\(result)")
    }
}
