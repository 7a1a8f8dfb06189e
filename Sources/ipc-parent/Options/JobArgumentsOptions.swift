// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The job's arguments that have names.
struct JobArgumentsOptions: ParsableArguments {
    @Option(
        name: .customLong("arg"),
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("An argument of the job; may be repeated.", valueName: "key=value"),
        transform: Assignment.init(parsing:)
    )
    var arguments: [Assignment] = []

    /// Refuses what could not be meant.
    func validate() throws {
        var keys: Set<String> = []
        for argument in arguments where !keys.insert(argument.key).inserted {
            throw ValidationError("--arg \(argument.key)=… is given twice.")
        }
    }
}
