// SPDX-License-Identifier: Apache-2.0
internal import CLinux
package import IPCFrame
internal import Synchronization

/// A small process that outlives this one, to end its workers when it is killed by SIGKILL, those too that are stopped.
///
/// For programs of our own, which start it while they have one thread; a library cannot fork its host.
package enum Keeper {
    /// -1: none.
    private static let descriptor = Atomic<CInt>(-1)

    /// Starts the keeper.
    ///
    /// - Precondition: the process has one thread.
    package static func start() throws(SystemError) {
        let result = clinux_keeper_start()
        guard result >= 0 else { throw SystemError(call: "fork", errno: -result) }
        descriptor.store(result, ordering: .releasing)
    }

    /// A worker has been spawned.
    static func began(_ worker: Int32) {
        let keeper = descriptor.load(ordering: .acquiring)
        guard keeper >= 0, let stat = ProcessStat.read(pid: worker) else { return }
        // A keeper that is gone cannot be helped; the kernel's signal and the end of the socket remain.
        _ = clinux_keeper_tell(keeper, worker, stat.start)
    }

    /// A worker has been reaped.
    static func ended(_ worker: Int32) {
        let keeper = descriptor.load(ordering: .acquiring)
        if keeper >= 0 { _ = clinux_keeper_tell(keeper, worker, 0) }
    }
}
