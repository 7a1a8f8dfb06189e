// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import IPCFrame

// Here, since nothing can be spawned meanwhile: a child of this process is a worker that is known, or an orphan.
extension Spawner {
    /// A worker has been reaped: ends the orphans, as soon as no other worker lives to which they may belong.
    ///
    /// Returns how many there were outside the worker's session, without those that have been `counted` before.
    func ended(_ worker: Int32, counted: Set<Int32>) -> Int {
        workers.remove(worker)
        Keeper.ended(worker)
        guard Subreaper.isActive else { return 0 }
        var seen = counted
        // What an orphan leaves behind comes to us when it ends, hence again and again; what hangs in the kernel stays.
        for _ in 0..<500 {
            let orphans = reapOrphans()
            guard workers.isEmpty, !orphans.isEmpty else { break }
            for pid in orphans {
                let isOurs = ProcessStat.read(pid: pid)?.session == worker
                // Our own child, which nobody else waits for: its number is nobody else's.
                kill(pid, SIGKILL)
                if !isOurs { seen.insert(pid) }
            }
            usleep(1_000)
        }
        return seen.count - counted.count
    }

    /// Takes the statuses of orphans that have ended; returns the others.
    @discardableResult
    private func reapOrphans() -> [Int32] {
        ProcessTree.children(of: clinux_own_pid()).filter { pid in
            !workers.contains(pid) && clinux_reap_orphan(pid) == 0
        }
    }

    /// A worker has been spawned.
    func began(_ worker: Int32) {
        Keeper.began(worker)
        guard Subreaper.isActive else { return }
        workers.insert(worker)
        guard !isWatchingOrphans else { return }
        isWatchingOrphans = true
        watchOrphans()
    }

    /// While workers live their orphans live too; those that end by themselves must not pile up as zombies.
    private func watchOrphans() {
        _ = thread.schedule(at: .now + Subreaper.interval) {
            self.assumeIsolated {
                $0.reapOrphans()
                $0.watchOrphans()
            }
        }
    }
}
