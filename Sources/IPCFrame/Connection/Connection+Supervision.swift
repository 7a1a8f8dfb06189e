// SPDX-License-Identifier: Apache-2.0

// What a supervisor asks, which knows more than the socket: the peer's process has ended.
extension Connection {
    /// Reads everything that has arrived.
    package func readArrived() { drainInput() }

    /// Reads everything that has arrived and takes that for the end of the stream, though somebody else may still hold
    /// the other end of the socket.
    package func peerHasEnded() -> ConnectionEnd {
        drainInput()
        if end == nil {
            machine.receiveEndOfFile(duringFrame: false)
            obey()
        }
        if let end { return end }
        abort()
        return end ?? .aborted
    }
}
