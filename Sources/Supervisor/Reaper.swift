// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import IPCFrame

/// What is left to do about a child that has ended, and takes file I/O: on a thread of its own.
actor Reaper {
    static let shared = Reaper()

    /// What the control group says at the end.
    struct GroupRecord: Sendable {
        var kills: UInt64 = 0
        var peak: UInt64?
        /// How many processes it held that nobody else had found.
        var strays = 0
    }

    /// What a child had used, and what it left behind.
    struct Aftermath: Sendable {
        /// Of the child's own process, without its children.
        var cpuTime: Duration?
        /// Killed in its session, outside its group.
        var sessionStrays = 0
        /// Killed outside its session.
        var others: Set<Int32> = []
    }

    private let thread: Reactor

    private init() {
        thread = Reactor(name: "ipcframe-reap")
        thread.start()
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    /// Kills what the child left behind in its session, and what was seen to descend from it before it ended.
    ///
    /// Only while the child is unreaped.
    func endKin(of pid: Int32, seen: Set<ProcessIdentity>) -> Aftermath {
        var aftermath = Aftermath(cpuTime: ProcessStat.read(pid: pid)?.cpuTime)
        aftermath.sessionStrays = Int(max(0, clinux_kill_session(pid)))
        var kin = seen
        // Some may have started others since they were seen, and may do so while they are being killed.
        for _ in 0..<4 {
            var found: Set<ProcessIdentity> = []
            for process in kin { found.formUnion(ProcessTree.descendants(of: process)) }
            // Parents first: one whose child is gone might end by itself, or start another.
            for process in kin.union(found).sorted(by: { ($0.start, $0.pid) < ($1.start, $1.pid) }) {
                guard let stat = process.kill(), stat.session != pid else { continue }
                aftermath.others.insert(process.pid)
            }
            guard !found.isSubset(of: kin) else { break }
            kin.formUnion(found)
        }
        return aftermath
    }

    /// Reads a control group for the last time and removes it, with what is left in it.
    func finish(_ group: MemoryGroup, of leader: Int32 = 0, counted: Set<Int32> = []) -> GroupRecord {
        var record = GroupRecord(kills: group.kills, peak: group.peak)
        for pid in group.members where !counted.contains(pid) {
            guard let stat = ProcessStat.read(pid: pid), stat.isAlive, stat.session != leader else { continue }
            record.strays += 1
        }
        group.remove()
        return record
    }

    /// Ends a child that cannot be supervised after all.
    func abandon(_ pid: Int32, _ pidfd: consuming OwnedDescriptor) {
        _ = clinux_kill_session(pid)
        pidfd.withRawValue { descriptor in
            var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            var status = clinux_exit()
            while unsafe poll(&watched, 1, -1) < 0, errno == EINTR {}
            _ = unsafe clinux_reap(descriptor, &status)
        }
    }
}
