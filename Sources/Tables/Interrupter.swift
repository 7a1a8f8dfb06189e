// SPDX-License-Identifier: Apache-2.0

internal import CSQLite
internal import Synchronization

/// Stops an import or an export from another thread, at once, also in the middle of a statement.
package final class Interrupter: Sendable {
    /// A connection's handle, which SQLite allows other threads for interrupting only.
    @safe
    private struct Handle: @unchecked Sendable {
        let raw: OpaquePointer
    }

    private let isRaised = Atomic<Bool>(false)
    private let connection = Mutex<Handle?>(nil)

    init() {}

    /// Stops the work, which ends with the error `cancelled`; what has been committed is not undone.
    package func interrupt() {
        isRaised.store(true, ordering: .relaxed)
        connection.withLock { handle in
            // The owner clears the handle, under the same lock, before it closes the connection.
            if let handle { unsafe sqlite3_interrupt(handle.raw) }
        }
    }

    /// Whether somebody asked to stop.
    package var isInterrupted: Bool { isRaised.load(ordering: .relaxed) }

    func check() throws(TableError) {
        if isInterrupted { throw TableError(.cancelled, "cancelled; nothing was changed") }
    }

    @unsafe func attach(_ raw: OpaquePointer) {
        connection.withLock { unsafe $0 = Handle(raw: raw) }
    }

    func detach() {
        connection.withLock { $0 = nil }
    }
}
