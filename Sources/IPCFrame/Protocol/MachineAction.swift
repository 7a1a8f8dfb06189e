// SPDX-License-Identifier: Apache-2.0

/// What the shell must do, in the order in which it happened (PROTOCOL.md §14.4).
package enum MachineAction: Sendable {
    /// Child: WELCOME came. Initialise, then call `ready()`.
    case prepare(Welcome)
    /// Parent: READY came. Calls may be opened.
    case open(Hello)
    /// A call came in.
    case call(UInt64, Request)
    /// The answer to our call begins.
    case response(UInt64, ResponseHead)
    /// There is room to send where there was none.
    case sendable(UInt64)
    /// The peer's application has consumed this many raw bytes of the body that we send.
    case consumed(UInt64, UInt64)
    /// The peer's application has taken the whole body.
    case taken(UInt64)
    /// The peer does not take the call, or our response.
    case refused(UInt64, Refuse)
    /// The peer wants no more of our body.
    case stopped(UInt64, Halt)
    /// A chunk of a body for us.
    case deliver(UInt64, Chunk)
    /// The body for us is complete.
    case end(UInt64, End)
    /// The opener cancels its call; answer with an error or an end.
    case cancel(UInt64, Halt)
    /// Our call failed.
    case failed(UInt64, RemoteError)
    /// The answerer gave up our call without an outcome.
    case reset(UInt64, Halt)
    case progress(UInt64, Progress)
    case log(UInt64, LogLine)
    /// Both halves are over; nothing more will be said of this stream.
    case forgotten(UInt64)
    /// Child: the parent shares memory, whose descriptor has come; call `adoptArena()` once it is mapped.
    case arena
    /// Answers every PING up to this value.
    case pong(UInt64)
    /// The peer drains: open no more calls.
    case drain
    /// Nothing is left to do on this side: call `bye(_:)` with what it should carry.
    case idle
    /// BYE has been handed to the wire: shut down the writing half once it is written.
    case shutdownWrite
    /// It is over: write what is queued if that can be done at once, then close.
    case close(ConnectionEnd)
}

/// Why a call could not even be opened.
package enum CallRejection: Error, Equatable, Sendable {
    /// The handshake is not complete.
    case notReady
    case closed
    case draining
    case tooManyCalls(limit: UInt32)
    case argumentsTooLarge(Int)
}
