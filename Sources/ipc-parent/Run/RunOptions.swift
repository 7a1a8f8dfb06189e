// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Everything that `ipc-parent run` takes on its command line.
struct RunOptions: ParsableArguments {
    enum Transport: String, ExpressibleByArgument, CaseIterable { case auto, socket, memory, descriptor }

    @OptionGroup var program: WorkerProgramOptions

    @OptionGroup var jobArguments: JobArgumentsOptions

    @Option(help: ArgumentHelp("Where the job's input comes from; - is standard input.", valueName: "file|-"))
    var input = "-"

    @Option(
        help: ArgumentHelp(
            "Where the result goes; - is standard output. A file appears as a whole or not at all.",
            valueName: "file|-"
        )
    )
    var output = "-"

    @Option(
        help: ArgumentHelp(
            "How bodies are compressed (default: zlib over the socket, none through shared memory).",
            valueName: "zlib|none"
        )
    )
    var compression: Compression?

    @Option(
        help: ArgumentHelp(
            "How bodies travel: auto takes shared memory for large ones that are not to be compressed.",
            valueName: "auto|socket|memory|descriptor"
        )
    )
    var transport = Transport.auto

    @Option(
        help: ArgumentHelp("The longest that an attempt may take (default: none).", valueName: "time"),
        transform: TimeLimit.init(parsing:)
    )
    var timeout = TimeLimit.none

    @OptionGroup var patience: WorkerPatienceOptions

    @OptionGroup var limits: WorkerLimitOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Further attempts after a worker's death, a timeout or a failure that may pass.",
            valueName: "n"
        )
    )
    var retries = 0

    @OptionGroup var surroundings: WorkerSurroundingsOptions

    @OptionGroup var telling: TellingOptions

    @Argument(
        help: ArgumentHelp("What the worker is to do, such as import, export, exec, digest or echo.", valueName: "job")
    )
    var job: String

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("Arguments of the job that have no names, such as exec's program.", valueName: "arg")
    )
    var positional: [String] = []

    /// Refuses what could not be meant; the parser prints the message with the usage, and exits with 64.
    func validate() throws {
        guard !job.isEmpty, job.utf8.count <= 256 else {
            throw ValidationError("The job's name must have 1 to 256 bytes.")
        }
        guard (0...1_000).contains(retries) else { throw ValidationError("--retries takes a number from 0 to 1000.") }
        if transport == .memory || transport == .descriptor, compression == .zlib {
            throw ValidationError("--transport \(transport) does not compress; leave --compression zlib out.")
        }
        if let report = telling.report, report == output, report != "/dev/null" {
            let place = report == "-" ? "standard output" : "'\(report)'"
            throw ValidationError("The report and the result cannot both go to \(place).")
        }
    }
}
