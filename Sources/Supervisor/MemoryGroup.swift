// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame

/// A control group (version 2) with a memory limit, for one worker.
///
/// Does file I/O: not for a reactor's thread.
struct MemoryGroup: Sendable {
    /// Its directory.
    let path: String

    // As a shell's redirection opens files. The kernel makes none here, but a folder that stands in for it does.
    private static let writing = O_WRONLY | O_CREAT | O_CLOEXEC

    /// Where this process may make groups; looked up once.
    static let systemBase = delegatedBase()

    /// Finds the directory in which this process may make groups with a memory limit; nil if nobody delegated one.
    ///
    /// Never moves this process, nor enables a controller: that is the administrator's decision (systemd: `Delegate=yes`
    /// with `DelegateSubgroup=`).
    static func delegatedBase(
        mounts: String = contents(of: "/proc/self/mountinfo") ?? "",
        membership: String = contents(of: "/proc/self/cgroup") ?? ""
    ) -> String? {
        // "36 25 0:32 ROOT MOUNTPOINT options - cgroup2 cgroup2 rw", with optional fields before the dash.
        let mount = mounts.split(separator: "\n").lazy.map { $0.split(separator: " ") }.first { fields in
            fields.count > 6 && fields.firstIndex(of: "-").map { fields[$0 + 1] == "cgroup2" } ?? false
        }
        let own = membership.split(separator: "\n").first { $0.hasPrefix("0::/") }?.dropFirst(3)
        guard let mount, let own else { return nil }
        let root = mount[3] == "/" ? "" : String(mount[3])
        guard own.hasPrefix(root) else { return nil }
        var directory = String(mount[4]) + own.dropFirst(root.utf8.count)
        while directory.hasSuffix("/") { directory.removeLast() }
        // Its own group can have children with limits only if it is exempt from the rule that processes live in
        // leaves; the usual place is beside it.
        let parent = directory.lastIndex(of: "/").map { String(directory[..<$0]) }
        return [directory, parent].compactMap { $0 }.first { candidate in
            guard candidate.utf8.count >= mount[4].utf8.count, hasMemory(candidate) else { return false }
            return unsafe access(candidate, W_OK | X_OK) == 0
        }
    }

    private static func hasMemory(_ directory: String) -> Bool {
        contents(of: directory + "/cgroup.subtree_control")?.split { $0 == " " || $0 == "\n" }.contains("memory")
            ?? false
    }

    /// Makes a group below `base`; nil when the system will not.
    static func make(in base: String, name: String, limit: UInt64) -> MemoryGroup? {
        let group = MemoryGroup(path: base + "/" + name)
        guard unsafe mkdir(group.path, 0o755) == 0 else { return nil }
        guard group.write("\(limit)", to: "memory.max") else {
            group.remove()
            return nil
        }
        // Without swap the limit means memory; and one victim means the whole worker. Both may be missing.
        _ = group.write("0", to: "memory.swap.max")
        _ = group.write("1", to: "memory.oom.group")
        return group
    }

    /// The file through which a process joins.
    func openMembership() -> OwnedDescriptor? {
        let descriptor = unsafe open(path + "/cgroup.procs", Self.writing, 0o600)
        return descriptor < 0 ? nil : OwnedDescriptor(adopting: descriptor)
    }

    /// How often the kernel killed in this group for lack of memory.
    var kills: UInt64 {
        for line in (Self.contents(of: path + "/memory.events") ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == "oom_kill" { return UInt64(words[1]) ?? 0 }
        }
        return 0
    }

    /// The processes in it.
    var members: [Int32] {
        (Self.contents(of: path + "/cgroup.procs") ?? "").split(separator: "\n").compactMap { Int32($0) }.filter {
            $0 > 1
        }
    }

    /// The most that the group used; nil before Linux 5.19.
    var peak: UInt64? {
        Self.contents(of: path + "/memory.peak").flatMap { UInt64($0.split(separator: "\n").first ?? "") }
    }

    /// Kills what is left in the group, then removes it.
    func remove() {
        _ = write("1", to: "cgroup.kill")
        // The kernel lets go of the killed a moment later.
        for _ in 0..<50 {
            guard unsafe rmdir(path) != 0, errno == EBUSY else { return }
            usleep(2_000)
        }
    }

    private func write(_ text: String, to file: String) -> Bool {
        let descriptor = unsafe open(path + "/" + file, Self.writing, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return unsafe Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count
    }

    static func contents(of file: String) -> String? {
        let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return count < 0 ? nil : String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }
}
