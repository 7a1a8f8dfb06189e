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
    }

    private let thread: Reactor

    private init() {
        thread = Reactor(name: "ipcframe-reap")
        thread.start()
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    /// Kills what the child left behind in its session.
    ///
    /// Only while the child is unreaped.
    func killSession(of pid: Int32) -> Int { Int(max(0, clinux_kill_session(pid))) }

    /// Reads a control group for the last time and removes it.
    func finish(_ group: MemoryGroup) -> GroupRecord {
        let record = GroupRecord(kills: group.kills, peak: group.peak)
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
