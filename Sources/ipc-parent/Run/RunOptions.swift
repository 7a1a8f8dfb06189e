// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Everything that `ipc-parent run` takes on its command line.
struct RunOptions: ParsableArguments {
    enum Compression: String, ExpressibleByArgument, CaseIterable { case zlib, none }
    enum Transport: String, ExpressibleByArgument, CaseIterable { case auto, socket, memory }
    enum ProgressChoice: String, ExpressibleByArgument, CaseIterable { case auto, bar, plain, json, none }

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

    @Option(
        name: .customLong("arg"),
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("An argument of the job; may be repeated.", valueName: "key=value"),
        transform: Assignment.init(parsing:)
    )
    var arguments: [Assignment] = []

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
            "How bodies are compressed (default: zlib; for --transport auto: as it fits).",
            valueName: "zlib|none"
        )
    )
    var compression: Compression?

    @Option(help: ArgumentHelp("How bodies travel.", valueName: "auto|socket|memory"))
    var transport = Transport.auto

    @Option(
        help: ArgumentHelp("The longest that an attempt may take (default: none).", valueName: "time"),
        transform: TimeLimit.init(parsing:)
    )
    var timeout = TimeLimit.none

    @Option(
        help: ArgumentHelp("The longest without progress and without a byte (default: none).", valueName: "time"),
        transform: TimeLimit.init(parsing:)
    )
    var stallTimeout = TimeLimit.none

    @Option(
        help: ArgumentHelp(
            "The longest that the worker may leave a ping unanswered (default: 30s).",
            valueName: "time"
        ),
        transform: TimeLimit.init(parsing:)
    )
    var heartbeat = TimeLimit(.seconds(30))

    @Option(
        help: ArgumentHelp("The longest that the worker may take to be ready (default: 10s).", valueName: "time"),
        transform: TimeLimit.init(parsing:)
    )
    var startTimeout = TimeLimit(.seconds(10))

    @Option(
        help: ArgumentHelp(
            "How long a worker that is to end may take before it is killed (default: 10s).",
            valueName: "time"
        ),
        transform: Duration.parsed
    )
    var grace = Duration.seconds(10)

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

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Further attempts after a worker's death, a timeout or a failure that may pass.",
            valueName: "n"
        )
    )
    var retries = 0

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

    @Option(help: ArgumentHelp("How progress is shown on standard error.", valueName: "auto|bar|plain|json|none"))
    var progress = ProgressChoice.auto

    @Option(help: ArgumentHelp("A file for the report: one JSON object, whatever the outcome.", valueName: "file"))
    var report: String?

    @Flag(help: "No notices, no progress, and nothing of what the worker prints; only why there is no result.")
    var quiet = false

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
        guard (-20...19).contains(nice) else { throw ValidationError("--nice takes a number from -20 to 19.") }
        if let openFiles {
            guard (16...1 << 30).contains(openFiles) else {
                throw ValidationError("--open-files takes a number of at least 16; a worker needs some for itself.")
            }
        }
        for name in inheritedVariables where name.isEmpty || name.contains("=") {
            throw ValidationError("--env-only takes the name of a variable; its value is set with --env.")
        }
        guard startTimeout.duration != nil else {
            throw ValidationError("--start-timeout cannot be none: a worker that never speaks would never be noticed.")
        }
        if transport == .memory, compression == .zlib {
            throw ValidationError("--transport memory does not compress; leave --compression zlib out.")
        }
        var keys: Set<String> = []
        for argument in arguments where !keys.insert(argument.key).inserted {
            throw ValidationError("--arg \(argument.key)=… is given twice.")
        }
        if let report, report == output, report != "/dev/null" {
            let place = report == "-" ? "standard output" : "'\(report)'"
            throw ValidationError("The report and the result cannot both go to \(place).")
        }
    }

    /// The style of progress, given what standard error is.
    func progressStyle(on probe: TerminalProbe) -> ProgressMeter.Style {
        switch progress {
        case .auto: quiet ? .none : probe.style
        case .bar: .bar
        case .plain: .plain
        case .json: .json
        case .none: .none
        }
    }
}

/// A length of time that may be switched off.
struct TimeLimit: Equatable {
    static let none = TimeLimit(nil)

    let duration: Duration?

    init(_ duration: Duration?) { self.duration = duration }

    init(parsing text: String) throws { duration = try Duration.parsedLimit(text) }
}
