// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// A thread of the operating system, with a name that `ps -L` and debuggers show, and with every signal blocked.
package enum NamedThread {
    /// Runs `body` on a new thread, which ends with it.
    ///
    /// A process that can have no thread more stops here.
    ///
    /// `name` is cut to 15 bytes, as much as Linux keeps.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        final class Start: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        // The pointer carries the one reference that was retained; the new thread takes it back.
        let start = unsafe Unmanaged.passRetained(Start(body)).toOpaque()
        let result = unsafe clinux_thread_start(
            name,
            { context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body()
            },
            start
        )
        precondition(result == 0, "cannot start a thread: \(SystemError(call: "pthread_create", errno: -result))")
    }
}
