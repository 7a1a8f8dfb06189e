// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
internal import Glibc

/// `ipc-parent run`: one job in the foreground, without a daemon.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs one job in a worker of its own, in the foreground.",
        usage: "ipc-parent run [options] <job> [-- <arg> ...]",
        discussion: """
            The result goes to standard output or --output; everything else to standard error. Times are 500ms, 2s, 30m \
            or 1h (a bare number is seconds), sizes 512M or 2G (powers of 1024).

            Exit codes: 0 done; 1-123 the job's or the worker's own (64 usage, 65 bad data, 66 no input, 73 no output, 75 \
            try again, 77 not allowed, 78 configuration); 124 timeout or stall; 125 the worker could not be supervised; \
            126 not executable; 127 not found; 128+n killed by signal n (137 also: out of memory, 152: out of processor \
            time, 130: Ctrl-C); 141 nobody reads the result.
            """
    )

    @OptionGroup var options: RunOptions

    func run() throws {
        Supervision.begin(adoptsOrphans: true)
        let code = Foreground(options: options, standard: IPCParent.standard).run()
        // Not exit(3): threads that write for others may still run, and nothing waits in a buffer of the C library's.
        _exit(code)
    }
}
