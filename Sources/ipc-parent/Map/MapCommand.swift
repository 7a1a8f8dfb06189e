// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
internal import Glibc

/// `ipc-parent map`: one call a file, over a pool of workers.
struct MapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map",
        abstract: "Runs a job for each of many files, over a pool of workers.",
        usage: "ipc-parent map [options] <job> <file> ... [-- <arg> ...]",
        discussion: """
            Results go to standard output, each whole and in one piece, or into --output-dir; a file that failed leaves \
            none. What follows -- are arguments of the job that have no names, such as exec's program. Times are 500ms, \
            2s, 30m or 1h (a bare number is seconds), sizes 512M or 2G (powers of 1024).

            Exit codes: 0 done; 1-100 so many files failed; 101 more did; 64 usage, 66 no list of files, 73 no place \
            for the results, and nothing was begun; 125 no worker could be supervised; 126 the worker is not \
            executable; 127 not found; 130, 143, 129 Ctrl-C, SIGTERM, SIGHUP; 141 nobody reads the results.
            """
    )

    @OptionGroup var options: MapOptions

    func run() throws {
        Supervision.begin(adoptsOrphans: true)
        // Before signals are blocked: a list that is typed, or comes from a slow pipe, can be broken off.
        let names = Result { () throws(MapRefusal) in
            try FileNames.all(options, standardInput: IPCParent.standard.input)
        }
        let code = MapForeground(options: options, standard: IPCParent.standard).run(names)
        // As for run: not exit(3), since threads that write for others may still run.
        _exit(code)
    }
}
