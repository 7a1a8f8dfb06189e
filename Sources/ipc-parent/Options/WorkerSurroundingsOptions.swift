// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What the worker finds around it.
struct WorkerSurroundingsOptions: ParsableArguments {
    @Option(
        name: .customLong("env"),
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A variable for the worker's environment; may be repeated.", valueName: "name=value"),
        transform: Assignment.init(parsing:)
    )
    var environment: [Assignment] = []

    @Option(
        name: .customLong("env-only"),
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Of ipc-parent's variables only this one is passed on; may be repeated (default: all are).",
            valueName: "name"
        )
    )
    var inheritedVariables: [String] = []

    @Flag(name: .customLong("no-new-privs"), help: "Keeps the worker from gaining rights: sudo and the like fail.")
    var noNewPrivileges = false

    @Option(name: .customLong("cwd"), help: ArgumentHelp("The directory that the worker starts in.", valueName: "dir"))
    var workingDirectory: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Lowers the worker's priority (1 to 19), or raises it (-20 to -1).", valueName: "n")
    )
    var nice = 0

    /// Refuses what could not be meant.
    func validate() throws {
        guard (-20...19).contains(nice) else { throw ValidationError("--nice takes a number from -20 to 19.") }
        for name in inheritedVariables where name.isEmpty || name.contains("=") {
            throw ValidationError("--env-only takes the name of a variable; its value is set with --env.")
        }
    }
}
