// SPDX-License-Identifier: Apache-2.0

/// One thing that a worker must do, named after its place in PROTOCOL.md.
struct ConformanceCase: Sendable {
    let name: String
    let run: @Sendable (Session) throws -> Void

    init(_ name: String, _ run: @escaping @Sendable (Session) throws -> Void) {
        self.name = name
        self.run = run
    }

    /// A case for workers that offer a feature; others have nothing to show.
    init(_ name: String, needing feature: UInt64, _ run: @escaping @Sendable (Session) throws -> Void) {
        self.init(name) { session in
            session.wantedFeatures = feature
            try session.open()
            if session.features != 0 { try run(session) } else { try session.close() }
        }
    }

    /// Every case, in the order of PROTOCOL.md.
    static let all: [ConformanceCase] =
        handshake + handshakeViolations + connectionRows + streamIDs + requestLayouts + bodies + credit + endings
        + whole + sendRows + receiveRows + chunks + arena + files + transport + draining
}
