// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The three descriptors that a program is started with, or should be.
///
/// One that is closed is filled with /dev/null, so that no file opened later takes its number and is then written to
/// by mistake; but it is remembered as closed.
struct StandardDescriptors {
    let input: CInt?
    let output: CInt?

    /// Looks at them; to be called before anything else is opened.
    init() {
        input = Self.isOpen(STDIN_FILENO) ? STDIN_FILENO : nil
        output = Self.isOpen(STDOUT_FILENO) ? STDOUT_FILENO : nil
        for fd in STDIN_FILENO...STDERR_FILENO where !Self.isOpen(fd) {
            // The lowest free number is taken, which is this one. Not close-on-exec, as its neighbours.
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }

    private static func isOpen(_ fd: CInt) -> Bool { fcntl(fd, F_GETFD) >= 0 }
}
