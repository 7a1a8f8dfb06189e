// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import IPCFrame
internal import Synchronization

/// Waits for somebody else's descriptor without changing it, and can be told from any thread to stop waiting.
///
/// The descriptors of a shell are shared with it, so O_NONBLOCK is never set on them: a call is made only after poll(2)
/// has said that it will not block. One that was non-blocking already works all the same.
final class Readiness: Sendable {
    private let alarm: OwnedDescriptor
    private let isInterrupted = Atomic(false)

    init() throws(SystemError) {
        alarm = OwnedDescriptor(adopting: try SystemError.check("eventfd", clinux_eventfd_create()))
    }

    /// Ends the present wait, and every later one.
    func interrupt() {
        isInterrupted.store(true, ordering: .releasing)
        alarm.withRawValue { _ = clinux_eventfd_signal($0) }
    }

    /// Takes an interruption back.
    func reset() {
        isInterrupted.store(false, ordering: .releasing)
        alarm.withRawValue { _ = clinux_eventfd_clear($0) }
    }

    /// Whether `fd` has something to read now; never waits.
    func hasInput(_ fd: CInt) -> Bool {
        var set = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        // One element, as named.
        return unsafe poll(&set, 1, 0) == 1 && set.revents & Int16(POLLIN) != 0
    }

    /// Waits until `fd` is ready for `events` (POLLIN, POLLOUT), or in error; false when interrupted.
    func wait(for fd: CInt, _ events: CInt) throws(SystemError) -> Bool {
        if isInterrupted.load(ordering: .acquiring) { return false }
        let bell = alarm.withRawValue { $0 }
        var sets = [
            pollfd(fd: fd, events: Int16(events), revents: 0), pollfd(fd: bell, events: Int16(POLLIN), revents: 0),
        ]
        // The array has as many elements as are named.
        try File.retrying("poll") { unsafe poll(&sets, 2, -1) }
        return sets[1].revents == 0
    }
}
