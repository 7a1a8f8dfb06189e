// SPDX-License-Identifier: Apache-2.0

/// One end of a connection, as pure rules: frames and the application's wishes go in, actions and frames come out.
///
/// Knows no descriptor, no thread and no clock. The shell calls a method, then takes ``nextAction()`` until it is
/// nil and writes what ``nextFrame()`` gives. PROTOCOL.md §14 has the tables that it follows; the file
/// `ConnectionStateMachine+Streams.swift` is table 14.3.
package struct ConnectionStateMachine: ~Copyable {
    package enum Role: Sendable {
        case parent
        case child
    }

    package enum Phase: Equatable, CaseIterable {
        case awaitingHello
        case awaitingReady
        case awaitingWelcome
        case preparing
        case open
        /// BYE received.
        case closing
        case closed
    }

    package struct Configuration: Sendable {
        package var capabilities = Capabilities()
        package var minVersion: UInt16 = 1
        package var maxVersion: UInt16 = 1
        /// Raw bytes of credit that may be granted and not yet consumed.
        package var receiveBudget: UInt64 = 16 << 20
        /// The largest window of one body.
        package var maxWindow: UInt64 = 4 << 20
        /// Bytes of overtaking frames that may wait.
        package var maxControlBytes = 256 << 10

        package init() {}
    }

    package let role: Role
    let configuration: Configuration
    package internal(set) var phase: Phase
    /// The limits in force; our own until WELCOME.
    package internal(set) var limits: ConnectionLimits
    var codecs: UInt32
    var digests: UInt32
    var features: UInt64

    /// What the child said of itself; parent only.
    var peer: Hello?
    var peerCapabilities: Capabilities?

    var streams = CallTable<Stream>()
    var nextID: UInt64
    /// The newest call whose REQUEST has gone out: the peer can know of none above.
    var highestSentID: UInt64 = 0
    var highestPeerID: UInt64 = 0
    var openLocally: UInt32 = 0
    var openByPeer: UInt32 = 0

    var budget: ReceiveBudget
    /// Bodies that the application wants and the budget has no room for yet.
    var waitingAccepts = Queue<Stream>()

    /// The slots that this side sends from.
    var arena = ArenaSlots()
    var isArenaAnnounced = false
    /// The region can be used on this side.
    var isArenaMapped = false

    var out = OutQueue()
    var unsentRequests = 0
    var isDrainWanted = false
    var drainSent = false
    var drainReceived = false
    var byeReceived = false
    var byeSent = false
    /// BYE has been handed to the wire.
    var isOutputOver = false
    /// The end of the file has come after the peer's BYE.
    var isInputOver = false
    var isIdleTold = false

    private var actions = Queue<MachineAction>()

    package init(role: Role, configuration: Configuration = Configuration()) {
        precondition(configuration.capabilities.limits.fault == nil, "limits must be in their ranges")
        precondition(
            configuration.receiveBudget >= UInt64(configuration.capabilities.limits.maxChunk),
            "the receive budget must have room for one chunk"
        )
        var configuration = configuration
        // None is always there.
        configuration.capabilities.codecs |= 1
        configuration.capabilities.digests |= 1
        self.role = role
        self.configuration = configuration
        phase = role == .parent ? .awaitingHello : .awaitingWelcome
        limits = configuration.capabilities.limits
        codecs = configuration.capabilities.codecs
        digests = configuration.capabilities.digests
        features = configuration.capabilities.features
        nextID = role == .parent ? 1 : 2
        budget = ReceiveBudget(total: configuration.receiveBudget, maxWindow: configuration.maxWindow)
    }

    /// The first thing: a child says HELLO.
    package mutating func start() {
        guard role == .child else { return }
        var payload: [UInt8] = []
        Hello(
            minVersion: configuration.minVersion,
            maxVersion: configuration.maxVersion,
            capabilities: configuration.capabilities
        ).encode(into: &payload)
        out.append(OutboundFrame(.hello, payload: payload[...]))
    }

    /// The name that the peer gave itself; empty before the handshake.
    package var peerName: String { peerCapabilities?.name ?? "" }

    /// The process id that the peer states.
    package var peerPID: UInt32 { peerCapabilities?.pid ?? 0 }

    /// Whether chunks may be zlib streams.
    package var canCompress: Bool { codecs & (1 << UInt32(BodyCodec.zlib.rawValue)) != 0 }

    /// Whether bodies may be proved by a CRC-32.
    package var canDigest: Bool { digests & (1 << UInt32(BodyDigest.crc32.rawValue)) != 0 }

    /// Payload bytes that a frame may declare now.
    package var payloadLimit: UInt32 {
        switch phase {
        case .awaitingHello, .awaitingReady, .awaitingWelcome: ConnectionLimits.maxHandshakePayload
        case .preparing, .open, .closing, .closed: limits.maxPayload
        }
    }

    /// The next thing to do, or nil.
    package mutating func nextAction() -> MachineAction? { actions.popFirst() }

    mutating func act(_ action: MachineAction) {
        actions.append(action)
    }

    /// Whether there may be an action to take, or a frame to write.
    package var hasWork: Bool { !actions.isEmpty || !out.isEmpty || drainReceived || byeReceived || phase == .closed }

    /// Whether a frame waits for the wire.
    package var hasOutput: Bool { !out.isEmpty }

    /// The next frame for the wire, or nil.
    ///
    /// Taking one may bring new actions.
    package mutating func nextFrame() -> OutboundFrame? {
        guard let frame = out.popFirst() else {
            checkIdle()
            return nil
        }
        if frame.header.type == .request {
            unsentRequests -= 1
            highestSentID = frame.header.stream
            sendWantedDrain()
        }
        if frame.header.type == .bye {
            out.fail()
            isOutputOver = true
            if phase != .closed { act(.shutdownWrite) }
            closeIfOver()
        }
        if let stream = streams[frame.header.stream] {
            unblock(stream)
            forgetIfOver(stream)
        }
        checkIdle()
        return frame
    }

    /// Ends the connection; says so to the peer when `report` is a violation.
    mutating func close(_ end: ConnectionEnd) {
        guard phase != .closed else { return }
        phase = .closed
        out.removeStreams()
        streams.removeAll()
        waitingAccepts.removeAll()
        budget = ReceiveBudget(total: budget.total, maxWindow: budget.maxWindow)
        openLocally = 0
        openByPeer = 0
        unsentRequests = 0
        if case .violation(let violation) = end {
            out.removeAll()
            report(violation.code, violation.description)
        }
        act(.close(end))
    }

    /// The peer has shut down its writing half, or is gone.
    ///
    /// May be called again.
    ///
    /// After BYE it is no reason to be silent: the connection is over when our own BYE has been handed to the wire.
    package mutating func receiveEndOfFile(duringFrame: Bool) {
        guard phase == .closing, !duringFrame else {
            close(.peerVanished(duringFrame: duringFrame))
            return
        }
        isInputOver = true
        closeIfOver()
    }

    private mutating func closeIfOver() {
        if isInputOver, isOutputOver { close(.orderly) }
    }

    /// The handshake's time is over.
    package mutating func handshakeTimedOut() {
        switch phase {
        case .awaitingHello, .awaitingReady, .awaitingWelcome: close(.handshakeTimedOut)
        case .preparing, .open, .closing, .closed: break
        }
    }

    /// A write failed: nothing more can be sent, but the peer's last words are still to be read.
    package mutating func writeFailed() {
        out.fail()
        isOutputOver = true
        closeIfOver()
    }

    /// This side gives up.
    package mutating func abort(_ end: ConnectionEnd = .aborted) {
        close(end)
    }

    /// ERROR on stream 0, in a frame that is no larger than a handshake's.
    mutating func report(_ code: ErrorCode, _ reason: String) {
        let error = RemoteError(code: code, reason: String(reason.wholePrefix(2_048)) ?? "")
        queueControl(.error, payload: Self.encoded { error.encode(into: &$0) })
    }

    mutating func queueControl(_ type: FrameType, stream: UInt64 = 0, payload: [UInt8]) {
        out.appendControl(OutboundFrame(type, stream: stream, payload: payload[...]))
        if out.controlBytes > configuration.maxControlBytes { close(.peerNotReading) }
    }

    static func encoded(_ encode: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        // Most payloads are smaller.
        bytes.reserveCapacity(224)
        encode(&bytes)
        return bytes
    }

    var isPeerParityOdd: Bool { role == .child }
}
