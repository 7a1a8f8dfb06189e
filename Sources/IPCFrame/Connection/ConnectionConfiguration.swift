// SPDX-License-Identifier: Apache-2.0

/// How one end of a connection behaves.
public struct ConnectionConfiguration: Sendable {
    /// Who this is, for the other end's logs; at most 256 bytes.
    public var name = ""
    /// The limits that this end keeps; the lower of both ends' is in force.
    public var limits = ConnectionLimits()
    /// Raw bytes of credit that may be granted and not yet consumed, over all bodies.
    public var receiveBudget: UInt64 = 16 << 20
    /// The time from start to READY.
    public var handshakeTimeout: Duration = .seconds(10)
    /// Takes the calls that the other end opens, on the connection's thread; nil fails each as an unknown method.
    ///
    /// See ``handle(with:)``.
    public var onCall: (@Sendable (IncomingCall) -> Void)?

    /// The defaults.
    public init(name: String = "") {
        self.name = name
    }

    /// Takes the calls that the other end opens, each on a thread of its own, where the handler may block.
    public mutating func handle(
        with handler: @escaping @Sendable @concurrent (IncomingCall) async throws -> Void
    ) {
        onCall = { call in
            CallThreads.shared.run { await call.run(handler) }
        }
    }
}

/// Who is at the other end, and what was agreed.
public struct PeerDescription: Equatable, Sendable {
    /// The name that the peer gave itself.
    public let name: String
    /// The process id that the peer states; a statement, not a proof.
    public let pid: UInt32
    /// The limits in force.
    public let limits: ConnectionLimits
    /// Whether chunks may be compressed.
    public let canCompress: Bool
}

/// How one call is made.
public struct CallOptions: Sendable {
    /// How the request body's chunks are coded; `none` is used where the peer cannot inflate.
    public var codec: BodyCodec = .zlib
    /// What proves that the request body is whole.
    public var digest: BodyDigest = .crc32
    /// What remains of the call's time; told to the answerer, enforced by whoever set it.
    public var timeout: Duration?
    /// The body's source is not touched before the answerer accepts the body, however small it is.
    public var holdsBody = false

    /// The defaults.
    public init() {}
}
