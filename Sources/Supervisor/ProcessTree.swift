// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// One process for good: its number can pass to another, its number and the time of its start cannot.
struct ProcessIdentity: Hashable, Sendable {
    let pid: Int32
    let start: UInt64

    /// The process that has the number now; nil if none has, or only a zombie.
    init?(living pid: Int32) {
        guard let stat = ProcessStat.read(pid: pid), stat.isAlive else { return nil }
        self.init(pid: pid, start: stat.start)
    }

    init(pid: Int32, start: UInt64) {
        self.pid = pid
        self.start = start
    }

    /// Ends this process and no other.
    ///
    /// - Returns: its state before, or nil when it was gone.
    func kill() -> ProcessStat? {
        // The handle first: it pins whatever has the number, and only then is looked at who that is.
        let handle = clinux_open_process(pid)
        guard handle >= 0 else { return nil }
        defer { close(handle) }
        guard let stat = ProcessStat.read(pid: pid), stat.start == start, stat.isAlive else { return nil }
        return clinux_signal_process(handle, SIGKILL) == 0 ? stat : nil
    }
}

/// Who started whom, as the kernel tells it (/proc/PID/task/TID/children).
///
/// Reads that file for each process of the tree, and nothing of the others: some microseconds each.
package enum ProcessTree {
    /// A tree larger than this is not looked at to its end.
    static let limit = 256

    /// Whether this kernel tells; all but special ones do (CONFIG_PROC_CHILDREN).
    static let isKnown = unsafe access("/proc/self/task/\(clinux_own_pid())/children", R_OK) == 0

    /// The children of a process, also those that have ended and were not waited for.
    package static func children(of pid: Int32) -> [Int32] {
        ProcFile.numbers(in: "/proc/\(pid)/task", limit: limit).flatMap { thread in
            (ProcFile.text("/proc/\(pid)/task/\(thread)/children", limit: 8192) ?? "")
                .split(separator: " ").compactMap { Int32($0) }
        }
    }

    /// All that a process has started, what these have started, and so on, without itself.
    ///
    /// Whose parent has ended before is not found: the kernel does not remember whose it was.
    static func descendants(of ancestor: ProcessIdentity) -> Set<ProcessIdentity> {
        var found: Set<ProcessIdentity> = []
        var next = [ancestor]
        while let parent = next.popLast(), found.count < limit {
            var kin: [ProcessIdentity] = []
            for pid in children(of: parent.pid) {
                guard let stat = ProcessStat.read(pid: pid), stat.parent == parent.pid, stat.isAlive else { continue }
                kin.append(ProcessIdentity(pid: pid, start: stat.start))
            }
            // If the parent's number had passed on meanwhile, these would be a stranger's children.
            guard ProcessStat.read(pid: parent.pid)?.start == parent.start else { continue }
            for child in kin where found.insert(child).inserted { next.append(child) }
        }
        return found
    }
}
