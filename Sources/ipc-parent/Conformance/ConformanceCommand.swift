// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import IPCFrame

/// `ipc-parent conformance`: tries a worker against PROTOCOL.md.
struct ConformanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conformance",
        abstract: "Try any worker executable against the protocol.",
        discussion: """
            The worker is started anew for each case and must offer the method 'echo', which answers with the body \
            that it gets. Each case is named after its section or row in docs/PROTOCOL.md and prints one line, 'ok' or \
            'not ok', with what was wrong. Exit code 0: all held; 1: at least one did not.
            """
    )

    @Option(help: "The worker's executable.")
    var worker: String

    @Option(
        name: .customLong("worker-arg"),
        parsing: .unconditionalSingleValue,
        help: "An argument for it; repeatable."
    )
    var workerArguments: [String] = []

    @Option(help: "Only the cases whose name contains this text.")
    var filter: String?

    @Option(help: "Seconds that one case may take.")
    var deadline: Int = 20

    @Flag(help: "Print the names of the cases and start nothing.")
    var list = false

    func validate() throws {
        guard (1...3_600).contains(deadline) else { throw ValidationError("--deadline is 1 to 3600 seconds.") }
    }

    func run() throws {
        let cases = ConformanceCase.all.filter { filter.map($0.name.contains) ?? true }
        if list {
            cases.forEach { print($0.name) }
            return
        }
        guard !cases.isEmpty else { throw ValidationError("No case has '\(filter ?? "")' in its name.") }
        guard unsafe access(worker, X_OK) == 0 else {
            throw ValidationError("'\(worker)' cannot be executed: \(systemText(errno)).")
        }
        let command = WorkerCommand(path: worker, arguments: workerArguments)
        print("1..\(cases.count)")
        var failures = 0
        for (index, each) in cases.enumerated() {
            let failure = Self.failure(of: each, command, timeout: .seconds(deadline))
            print("\(failure == nil ? "ok" : "not ok") \(index + 1) - \(each.name)")
            guard let failure else { continue }
            failures += 1
            failure.split(separator: "\n").forEach { print("# \($0)") }
        }
        print("# \(cases.count - failures) of \(cases.count) cases held, \(failures) did not")
        if failures > 0 { throw ExitCode(1) }
    }

    /// What was wrong, and what the worker had printed; nil when the case holds.
    private static func failure(of each: ConformanceCase, _ command: WorkerCommand, timeout: Duration) -> String? {
        do {
            let session = try Session(command, timeout: timeout)
            do {
                try each.run(session)
                return nil
            } catch {
                let printed = session.printedTail
                return "\(error)" + (printed.isEmpty ? "" : "\nthe worker printed:\n" + printed)
            }
        } catch {
            return "\(error)"
        }
    }
}
