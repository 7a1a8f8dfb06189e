// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Sole owner of an open file descriptor; closes it exactly once.
public struct OwnedDescriptor: ~Copyable, Sendable {
    private let rawValue: CInt

    /// Takes ownership of `rawValue`.
    ///
    /// The caller must not close it afterwards.
    public init(adopting rawValue: CInt) {
        precondition(rawValue >= 0, "a negative descriptor owns nothing")
        self.rawValue = rawValue
    }

    deinit { _ = Glibc.close(rawValue) }

    /// Lends the number for the length of `body`.
    public borrowing func withRawValue<Result: ~Copyable, Failure: Error>(
        _ body: (CInt) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(rawValue)
    }

    /// Closes now, reporting the error that `deinit` would swallow.
    public consuming func close() throws(SystemError) {
        let descriptor = rawValue
        discard self
        // Not repeated after EINTR: Linux has released the number by then.
        guard Glibc.close(descriptor) == 0 else { throw SystemError(call: "close", errno: errno) }
    }

    /// Gives the number away; closing it is the caller's duty from now on.
    public consuming func release() -> CInt {
        let descriptor = rawValue
        discard self
        return descriptor
    }
}
