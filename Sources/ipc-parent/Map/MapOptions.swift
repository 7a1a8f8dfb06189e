// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Everything that `ipc-parent map` takes on its command line, save what follows `--`.
struct MapOptions: ParsableArguments {
    static let mostWorkers = 256

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most workers at a time (default: one for each processor).", valueName: "n")
    )
    var workers: Int?

    @OptionGroup var program: WorkerProgramOptions

    @OptionGroup var jobArguments: JobArgumentsOptions

    @Option(
        help: ArgumentHelp(
            "Further files, one name a line; - is standard input, which is read for nothing else.",
            valueName: "file|-"
        )
    )
    var filesFrom: String?

    @Flag(name: [.customShort("0"), .customLong("null")], help: "The names of --files-from end with a zero byte each.")
    var endsNamesWithZero = false

    @Option(
        help: ArgumentHelp(
            """
            The result of dir/name goes to output-dir/name, as a whole or not at all (default: all results go to \
            standard output, one after another).
            """,
            valueName: "dir"
        )
    )
    var outputDir: String?

    @Flag(help: "Results go to standard output in the order of the files (default: as they are done).")
    var keepOrder = false

    @Flag(help: "The first failure stops all: what runs is cancelled, what waits is not run.")
    var failFast = false

    @Option(help: ArgumentHelp("How bodies are compressed.", valueName: "zlib|none"))
    var compression = Compression.zlib

    @Option(
        help: ArgumentHelp(
            "The longest that a file may take, from when a worker gets it, with all its attempts (default: none).",
            valueName: "time"
        ),
        transform: TimeLimit.init(parsing:)
    )
    var timeout = TimeLimit.none

    @OptionGroup var patience: WorkerPatienceOptions

    @OptionGroup var limits: WorkerLimitOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Further attempts at a file after a worker's death or a failure that may pass.",
            valueName: "n"
        )
    )
    var retries = 0

    @OptionGroup var surroundings: WorkerSurroundingsOptions

    @OptionGroup var telling: TellingOptions

    @Argument(help: ArgumentHelp("What is to be done with each file, such as digest or exec.", valueName: "job"))
    var job: String

    @Argument(help: ArgumentHelp("The files, regular ones; each is the input of a call.", valueName: "file"))
    var files: [String] = []

    /// Refuses what could not be meant; the parser prints the message with the usage, and exits with 64.
    func validate() throws {
        guard !job.isEmpty, job.utf8.count <= 256 else {
            throw ValidationError("The job's name must have 1 to 256 bytes.")
        }
        if let workers, !(1...Self.mostWorkers).contains(workers) {
            throw ValidationError("--workers takes a number from 1 to \(Self.mostWorkers).")
        }
        guard (0...1_000).contains(retries) else { throw ValidationError("--retries takes a number from 0 to 1000.") }
        guard !files.isEmpty || filesFrom != nil else {
            throw ValidationError("Name at least one file, or give --files-from.")
        }
        if endsNamesWithZero, filesFrom == nil { throw ValidationError("-0 says how --files-from is read; give both.") }
        if keepOrder, outputDir != nil {
            throw ValidationError("--keep-order is for standard output; with --output-dir each result has its file.")
        }
        if outputDir == nil, telling.report == "-" {
            throw ValidationError("The report and the results cannot both go to standard output.")
        }
    }
}
