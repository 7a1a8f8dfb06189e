// SPDX-License-Identifier: Apache-2.0
internal import CLinux
package import IPCFrame
internal import Synchronization

/// Takes in what workers leave behind even outside their sessions.
///
/// For a program whose only children are workers, such as `ipc-parent run`, and never for a library's host: every other
/// child of the process is taken for an orphan, and ended.
package enum Subreaper {
    /// The pause between two looks for orphans that have ended by themselves.
    static let interval = Duration.seconds(5)

    private static let state = Atomic(false)

    static var isActive: Bool { state.load(ordering: .acquiring) }

    /// From now on orphans among the descendants become children of this process.
    ///
    /// Returns false, and changes nothing, on a kernel that does not tell who one's children are: nobody would wait for
    /// them.
    @discardableResult
    package static func become() throws(SystemError) -> Bool {
        guard ProcessTree.isKnown else { return false }
        let result = clinux_become_subreaper()
        guard result == 0 else { throw SystemError(call: "prctl", errno: -result) }
        state.store(true, ordering: .releasing)
        return true
    }
}
