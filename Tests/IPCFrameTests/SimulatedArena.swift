// SPDX-License-Identifier: Apache-2.0
@testable import IPCFrame

/// The shared region of two simulated ends: what each slot of each half holds.
final class SimulatedArena {
    /// Bytes of a body, told by where they come from.
    struct Content: Equatable {
        let salt: UInt64
        let offset: UInt64
        let count: Int
    }

    private var halves: [[Content?]] = [[Content?]](
        repeating: [Content?](repeating: nil, count: ArenaLayout.slots),
        count: 2
    )

    /// Copies into a slot of the side with that role.
    func write(_ content: Content, to slot: Int, of role: ConnectionStateMachine.Role) {
        halves[role == .parent ? 0 : 1][slot] = content
    }

    /// What is now in a slot of the side with that role.
    func read(_ slot: Int, of role: ConnectionStateMachine.Role) -> Content? {
        halves[role == .parent ? 0 : 1][slot]
    }
}
