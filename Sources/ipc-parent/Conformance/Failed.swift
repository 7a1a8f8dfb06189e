// SPDX-License-Identifier: Apache-2.0

/// Why a case does not hold.
struct Failed: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Throws with `text` unless `condition` holds.
func check(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    if !condition { throw Failed(text()) }
}

/// One thing that a worker must do, named after its place in PROTOCOL.md.
struct ConformanceCase: Sendable {
    let name: String
    let run: @Sendable (Session) throws -> Void

    init(_ name: String, _ run: @escaping @Sendable (Session) throws -> Void) {
        self.name = name
        self.run = run
    }

    /// Every case, in the order of PROTOCOL.md.
    static let all: [ConformanceCase] =
        handshake + handshakeViolations + connectionRows + streamIDs + requestLayouts + bodies + credit + endings
        + sendRows + receiveRows + chunks + arena + files + transport + draining
}
