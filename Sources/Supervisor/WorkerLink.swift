// SPDX-License-Identifier: Apache-2.0

/// What a supervised worker needs of its connection.
///
/// It must live on the worker's reactor.
package protocol WorkerLink: Actor {
    /// Begins to read and write.
    func start()
    /// Returns when the worker is READY; throws when it will never be.
    func becomeReady() async throws
    /// Returns when a ping is answered; throws when the connection ends first.
    func probe() async throws
    /// Sends DRAIN.
    func drain()
    /// Ends the connection at once.
    func abort()
    /// Reads what has arrived, until there is no more for now.
    func drainInput()
    /// The worker's process is gone: reads what is left, and takes that for the end of the stream, though somebody else
    /// may still hold the other end. Returns how the connection ended.
    func peerEnded() -> LinkEnd
    /// Returns when the connection has ended.
    func ended() async -> LinkEnd
}

/// How a worker's connection ended, as far as supervision minds.
package enum LinkEnd: Equatable, Sendable {
    /// BYE both ways.
    case orderly
    /// End of stream, without BYE.
    case vanished
    /// The worker broke the protocol.
    case violation(String)
    /// We would not have it: another version, or an impossible limit.
    case rejected(String)
    /// It did not shake hands in time.
    case handshakeTimedOut
    /// It does not read what is sent to it.
    case notReading
    /// We ended it.
    case aborted
    /// A system call failed.
    case failed(String)
}
