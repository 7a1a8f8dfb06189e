// SPDX-License-Identifier: Apache-2.0

/// Where code runs that a connection calls: handlers of calls, and sources of bodies.
public enum Placement: Sendable, CaseIterable {
    /// On a thread of its own, where it may block, in C too.
    case onThread
    /// On the thread of the connection, without a change of threads: for a small call that change is most of its time.
    ///
    /// Only for what never blocks and is done in microseconds: meanwhile nothing on that reactor moves, no ping is
    /// answered, and a cancel is not heard. It may wait with `await`. A body that comes as a file is read, and one that is
    /// compressed is inflated, by the code that asks for its pieces: neither belongs here if it may be large.
    case onReactor
}
