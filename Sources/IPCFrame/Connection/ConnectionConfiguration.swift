// SPDX-License-Identifier: Apache-2.0

/// How one end of a connection behaves.
public struct ConnectionConfiguration: Sendable {
    /// Who this is, for the other end's logs; at most 256 bytes.
    public var name = ""
    /// The limits that this end keeps; the lower of both ends' is in force.
    public var limits = ConnectionLimits()
    /// Raw bytes of credit that may be granted and not yet consumed, over all bodies.
    public var receiveBudget: UInt64 = 16 << 20
    /// Whether bodies may travel through memory that both ends share; what is used is said call by call.
    public var sharesMemory = true
    /// Whether bodies may travel as open files; what is used is said call by call.
    public var passesFiles = true
    /// The time from start to READY.
    public var handshakeTimeout: Duration = .seconds(10)
    /// Takes the calls that the other end opens, on the connection's thread; nil fails each as an unknown method.
    ///
    /// See ``handle(placement:with:)``.
    public var onCall: (@Sendable (IncomingCall) -> Void)?
    /// Who compresses the chunks of large bodies, and with what.
    var chunkPool = ChunkPool.shared

    /// The defaults.
    public init(name: String = "") {
        self.name = name
    }

    /// Takes the calls that the other end opens, each on a thread of its own, where the handler may block.
    ///
    /// `placement` says for a method where its calls run instead.
    public mutating func handle(
        placement: (@Sendable (_ method: String) -> Placement)? = nil,
        with handler: @escaping @Sendable @concurrent (IncomingCall) async throws -> Void
    ) {
        onCall = { call in
            let place = placement?(call.method) ?? .onThread
            CallThreads.shared.run(place, of: call.connection.reactor) { await call.run(handler) }
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
    /// Whether bodies may travel through shared memory.
    public let canShareMemory: Bool
    /// Whether bodies may travel as open files.
    public let canPassFiles: Bool
}

/// How one call is made.
public struct CallOptions: Sendable {
    /// How the call's two bodies travel; what the other end or the body does not allow goes inline.
    public enum Delivery: String, Sendable, CaseIterable {
        /// Whatever is best for the body.
        case auto
        /// Over the socket.
        case inline
        /// Through shared memory, save bodies that are compressed or small.
        case arena
        /// A body that is a file goes as that file, opened once more for reading, and its receiver reads it where it lies:
        /// no byte of it crosses the connection, and it has no digest. Others go as with ``auto``.
        ///
        /// The receiver can read all of the file, also where the body is a part of it. It must not become shorter before
        /// the receiver has read it, or the call fails.
        case descriptor

        /// Whether a body of `size` raw bytes, nil where unknown, should go through shared memory.
        func usesArena(size: UInt64?) -> Bool {
            switch self {
            case .auto, .descriptor: size.map { $0 >= Self.worthwhileBytes } ?? true
            case .inline: false
            case .arena: true
            }
        }

        /// The same for a body of ours: one that is sent at once, or compressed, never goes so.
        func usesArena(_ size: UInt64?, _ codec: BodyCodec, _ limits: ConnectionLimits) -> Bool {
            codec == .none && usesArena(size: size) && size.map { $0 > UInt64(limits.initialCredit) } ?? true
        }

        /// A single chunk gains nothing from the arena.
        private static let worthwhileBytes = UInt64(ArenaLayout.slotBytes)
    }

    /// How the request body's chunks are coded; `none` is used where the peer cannot inflate.
    public var codec: BodyCodec = .zlib
    /// What proves that the request body is whole.
    public var digest: BodyDigest = .crc32
    /// How the bodies of the request and of the answer travel.
    public var delivery: Delivery = .auto
    /// What remains of the call's time; told to the answerer, enforced by whoever set it.
    public var timeout: Duration?
    /// The body's source is not touched before the answerer accepts the body, however small it is.
    public var holdsBody = false

    /// The defaults.
    public init() {}
}
