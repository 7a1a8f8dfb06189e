// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How long the worker may take for what.
struct WorkerPatienceOptions: ParsableArguments {
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

    /// Refuses what could not be meant.
    func validate() throws {
        guard startTimeout.duration != nil else {
            throw ValidationError("--start-timeout cannot be none: a worker that never speaks would never be noticed.")
        }
    }
}
