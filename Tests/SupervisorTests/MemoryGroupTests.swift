// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Supervisor

/// In a MADE-UP folder: an ordinary directory that is laid out like a control group file system, since none is mounted
/// where these tests run.
///
/// What is tested is what we write and read there, and what we make of it; not that the kernel keeps the limit.
@Suite("Memory groups in a made-up folder, not in a real cgroup2", .timeLimit(.minutes(2)))
struct MemoryGroupTests {
    private let scratch = Scratch()
    private let base: String

    init() {
        base = scratch.path + "/delegated"
        unsafe mkdir(base, 0o755)
        _ = scratch.file("delegated/cgroup.subtree_control", "cpu memory pids\n")
    }

    /// The folder of the one worker that was started.
    private func group() throws -> String {
        base + "/" + (try #require(directoryEntries(base).first { $0.hasPrefix("ipcframe-") }))
    }

    /// The kernel would remove the files with the group; nobody does here.
    private func clear() {
        for name in directoryEntries(base) {
            for file in directoryEntries("\(base)/\(name)") { unsafe unlink("\(base)/\(name)/\(file)") }
            if unsafe rmdir("\(base)/\(name)") != 0 { unsafe unlink("\(base)/\(name)") }
        }
    }

    @Test(
        "A made-up kill is believed, none is not",
        arguments: [(1, ExitReason.outOfMemory(.controlGroup(kills: 1, limit: 64 << 20))), (0, nil)]
    )
    func workerInAGroup(kills: Int, expected: ExitReason?) async throws {
        defer { clear() }
        let worker = try await worker("echo READY >&3; sleep 1000", memoryBase: base) { $0.memoryLimit = 64 << 20 }
        #expect(worker.memoryEnforcement == .controlGroup)
        try await worker.ready()
        let group = try group()
        #expect(contents(group + "/memory.max") == "67108864")
        #expect(contents(group + "/memory.swap.max") == "0")
        #expect(contents(group + "/memory.oom.group") == "1")
        // The child itself joined, before its program ran: 0 means the writer.
        #expect(contents(group + "/cgroup.procs") == "0")
        // The kernel keeps the limit there; no second ceiling.
        let limits = contents("/proc/\(worker.pid)/limits") ?? ""
        #expect(limits.split(separator: "\n").contains { $0.hasPrefix("Max data size") && $0.contains("unlimited") })

        _ = scratch.file(
            String(group.dropFirst(scratch.path.count + 1)) + "/memory.events",
            "oom 1\noom_kill \(kills)\n"
        )
        _ = scratch.file(String(group.dropFirst(scratch.path.count + 1)) + "/memory.peak", "67000000\n")
        Glibc.kill(Int32(worker.pid), SIGKILL)
        let exit = await worker.waitForExit()
        #expect(exit.reason == expected ?? .signalled(signal: 9, dumpedCore: false))
        #expect(exit.peakRSS ?? 0 >= 67_000_000)
        // Clean-up asked the kernel to kill what is left; the folder itself stays, since it has files.
        #expect(contents(group + "/cgroup.kill") == "1")
    }

    @Test("What is left in a made-up group is counted")
    func leftBehind() async throws {
        let stray = try await Spawner.shared.spawn(sleeper)
        defer { clear() }
        let group = try #require(MemoryGroup.make(in: base, name: "ipcframe-test", limit: 1 << 20))
        _ = scratch.file("delegated/ipcframe-test/cgroup.procs", "0\n\(stray.pid)\n99999999\n")
        #expect(await Reaper.shared.finish(group).strays == 1)
        Glibc.kill(stray.pid, SIGKILL)
        _ = await stray.finish()
    }

    @Test("A worker that cannot be started leaves no made-up group in use")
    func failedStart() async throws {
        defer { clear() }
        await #expect(throws: SpawnError.self) {
            _ = try await worker("exit 0", memoryBase: base) {
                $0.memoryLimit = 64 << 20
                $0.workingDirectory = "/no/such/directory"
            }
        }
        #expect(contents(try group() + "/cgroup.kill") == "1")
    }
}
