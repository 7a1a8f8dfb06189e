// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How much the worker may use.
struct WorkerLimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The most memory for the worker (default: no limit).", valueName: "size"),
        transform: ByteSize.init(parsing:)
    )
    var memoryLimit: ByteSize?

    @Option(
        name: .customLong("cpu-limit"),
        help: ArgumentHelp(
            "The most processor time for each process of the worker, in whole seconds (default: as for ipc-parent).",
            valueName: "time"
        ),
        transform: TimeLimit.init(parsing:)
    )
    var cpuLimit = TimeLimit.none

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The most open files for each process of the worker (default: as for ipc-parent).",
            valueName: "n"
        )
    )
    var openFiles: Int?

    @Option(
        name: .customLong("core-limit"),
        help: ArgumentHelp(
            "The largest core file that a crash may leave; 0 for none (default: as for ipc-parent).",
            valueName: "size"
        ),
        transform: ByteSize.init(parsing:)
    )
    var coreLimit: ByteSize?

    /// Refuses what could not be meant.
    func validate() throws {
        guard let openFiles else { return }
        guard (16...1 << 30).contains(openFiles) else {
            throw ValidationError("--open-files takes a number of at least 16; a worker needs some for itself.")
        }
    }
}
