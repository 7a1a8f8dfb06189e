// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
internal import Glibc

/// The command `ipc-parent`.
@main
struct IPCParent: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipc-parent",
        abstract: "Runs heavy work in child processes and explains how each of them ended.",
        // Replaced by the full text when it is asked for: finding out which codec is in force has a price.
        version: Version.placeholder,
        subcommands: [
            RunCommand.self, MapCommand.self, ChaosCommand.self, ConformanceCommand.self, ChaosWorkerCommand.self,
        ]
    )

    /// The descriptors that this process was started with.
    static let standard = StandardDescriptors()

    /// What follows `--` after `map`, whose files are a list of their own.
    static let programArguments = ProgramArguments(splitting: Array(CommandLine.arguments.dropFirst()))

    static func main() {
        // First of all, while nothing else is open and there is one thread.
        _ = standard
        // A reader that is gone and a file that is too large are errors of the calls that meet them.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        // Some programs start others with this signal ignored; the kernel would then throw our workers' ends away.
        signal(SIGCHLD, SIG_DFL)
        do {
            var command = try parseAsRoot(programArguments.others)
            try command.run()
        } catch {
            if exitCode(for: error) == .success, fullMessage(for: error) == Version.placeholder {
                print(Version.text)
                exit()
            }
            exit(withError: error)
        }
    }
}
