// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The command `ipc-parent`.
@main
struct IPCParent: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipc-parent",
        abstract: "Runs heavy work in child processes and explains how each of them ended.",
        // Replaced by the full text when it is asked for: finding out which codec is in force has a price.
        version: Version.placeholder,
        subcommands: [RunCommand.self]
    )
}
