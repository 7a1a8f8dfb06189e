// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// A system call that failed, and how.
public struct SystemError: Error, Equatable, Sendable {
    /// The call's name, as in its manual page.
    public let call: String

    /// The kernel's error number; positive.
    public let errno: CInt

    /// Describes a failure of `call`.
    public init(call: String, errno: CInt) {
        self.call = call
        self.errno = errno
    }

    /// Passes a result through, or throws when it is the `-errno` of a failed `call`.
    @discardableResult
    package static func check(_ call: String, _ result: CInt) throws(SystemError) -> CInt {
        guard result < 0 else { return result }
        throw SystemError(call: call, errno: -result)
    }

    /// The text for `errno`, such as "No such file or directory".
    public var reason: String {
        // A constant of the C library, or null for a number that it does not know.
        guard let text = unsafe clinux_error_text(errno) else { return "error \(errno)" }
        return unsafe String(cString: text)
    }
}

extension SystemError: CustomStringConvertible {
    /// Call and reason, as in "open: No such file or directory".
    public var description: String { "\(call): \(reason)" }
}
