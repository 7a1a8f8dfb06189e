// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Which program the worker is.
struct WorkerProgramOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The worker's program.",
            discussion: "Default: ipc-child beside ipc-parent.",
            valueName: "path"
        )
    )
    var worker: String?

    @Option(
        name: .customLong("worker-arg"),
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("An argument for the worker's program; may be repeated.", valueName: "arg")
    )
    var workerArguments: [String] = []
}
