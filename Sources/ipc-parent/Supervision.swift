// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Supervisor

/// What a command does first that has workers.
enum Supervision {
    /// Prepares this process, while it has one thread.
    ///
    /// `adoptsOrphans`: its workers are this process's only children; without this, what leaves a worker's session is
    ///   out of reach.
    static func begin(adoptsOrphans: Bool) {
        clinux_keep_memory()
        // What it is for can also be lived without: the socket's end and the kernel's signal remain.
        try? Keeper.start()
        if adoptsOrphans { _ = try? Subreaper.become() }
    }
}
