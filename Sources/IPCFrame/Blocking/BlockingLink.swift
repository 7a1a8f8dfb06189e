// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// A socket and the protocol's rules, driven by the one thread that waits for something.
///
/// Nothing is read or written between two calls of it. Whatever waits also does what the peer asks: answers pings,
/// takes what comes, writes what is queued; so two ends that both wait for each other never block each other's writing.
final class BlockingLink {
    /// All that it has, apart: what a class keeps is checked at each use, and so one use is a whole turn.
    var state: BlockingLinkState

    init(
        _ descriptor: consuming OwnedDescriptor,
        role: ConnectionStateMachine.Role,
        name: String,
        limits: ConnectionLimits,
        sharesMemory: Bool = true
    ) {
        state = BlockingLinkState(
            descriptor.release(),
            role: role,
            name: name,
            limits: limits,
            sharesMemory: sharesMemory
        )
    }

    var end: ConnectionEnd? { state.end }

    /// Does what the rules say and writes as much as the socket takes.
    func obey() { state.obey() }

    /// Reads and writes until `isDone`.
    ///
    /// - Returns: false when `deadline` has passed before.
    /// - Throws: why the connection is over, unless it was done first.
    @discardableResult
    func wait(until deadline: ContinuousMoment? = nil, _ isDone: () -> Bool) throws(ConnectionEnd) -> Bool {
        while true {
            state.obey()
            if isDone() { return true }
            guard try state.turn(until: deadline) else { return false }
        }
    }

    /// Takes what has come, and waits for nothing.
    func takeArrived() { state.takeArrived() }
}
