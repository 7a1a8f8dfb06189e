// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What is told while a command runs, and after it.
struct TellingOptions: ParsableArguments {
    enum ProgressChoice: String, ExpressibleByArgument, CaseIterable { case auto, bar, plain, json, none }

    @Option(help: ArgumentHelp("How progress is shown on standard error.", valueName: "auto|bar|plain|json|none"))
    var progress = ProgressChoice.auto

    @Option(help: ArgumentHelp("A file for the report: one JSON object, whatever the outcome.", valueName: "file"))
    var report: String?

    @Flag(help: "No notices, no progress, and nothing of what the worker prints; only why there is no result.")
    var quiet = false

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
