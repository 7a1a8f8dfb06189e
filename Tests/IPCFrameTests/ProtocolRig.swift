// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// One machine under test; the test plays its peer, its application and its shell.
final class Rig {
    var machine: ConnectionStateMachine
    /// What the machine wanted and sent since the last step.
    private(set) var actions: [MachineAction] = []
    private(set) var frames: [OutboundFrame] = []
    /// How the connection ended, once it has.
    private(set) var end: ConnectionEnd?

    /// A machine that has done nothing but ``ConnectionStateMachine/start()``.
    init(_ role: ConnectionStateMachine.Role, _ configuration: ConnectionStateMachine.Configuration = .init()) {
        machine = ConnectionStateMachine(role: role, configuration: configuration)
        machine.start()
        collect()
    }

    /// A machine whose handshake is done.
    static func open(
        _ role: ConnectionStateMachine.Role,
        _ configuration: ConnectionStateMachine.Configuration = .init()
    ) -> Rig {
        let rig = Rig(role, configuration)
        switch role {
        case .parent:
            rig.feed(.hello, payload: Sample.hello(configuration.capabilities))
            rig.feed(.ready)
        case .child:
            rig.feed(.welcome, payload: Sample.welcome(configuration.capabilities))
            rig.perform { $0.ready() }
        }
        return rig
    }

    /// Does something as the application or the shell, and notes what comes of it.
    @discardableResult
    func perform<Value>(
        writing: Bool = true,
        _ body: (inout ConnectionStateMachine) throws -> Value
    ) rethrows -> Value {
        actions = []
        frames = []
        let value = try body(&machine)
        collect(writing: writing)
        return value
    }

    /// Plays the peer: sends the machine a frame.
    func feed(
        _ type: FrameType,
        flags: FrameFlags = [],
        stream: UInt64 = 0,
        payload: [UInt8] = [],
        writing: Bool = true
    ) {
        let header = FrameHeader(type, flags: flags, stream: stream, length: UInt32(payload.count))
        feed(header, payload, writing: writing)
    }

    func feed(_ header: FrameHeader, _ payload: [UInt8], writing: Bool = true) {
        perform(writing: writing) { machine in
            if machine.admit(header) { machine.receive(header, payload: payload) }
        }
    }

    /// Lets go out what waits, as part of the step before.
    func keepWriting() { collect() }

    private func collect(writing: Bool = true) {
        var busy = true
        while busy {
            busy = false
            while let action = machine.nextAction() {
                actions.append(action)
                if case .close(let reason) = action { end = reason }
                busy = true
            }
            while writing, let frame = machine.nextFrame() {
                frames.append(frame)
                busy = true
            }
        }
    }

    // MARK: What the machine did

    var hasOutput: Bool { machine.hasOutput }

    /// The names of the actions, as `deliver` or `forgotten`.
    var actionNames: [String] { actions.map(Rig.name) }

    /// The types of the frames that went out.
    var frameTypes: [FrameType?] { frames.map(\.header.type) }

    static func name(of action: MachineAction) -> String {
        Mirror(reflecting: action).children.first?.label ?? "\(action)"
    }

    /// The code of the violation that ended the connection.
    var violation: ErrorCode? {
        guard case .violation(let violation)? = end else { return nil }
        return violation.code
    }

    func stream(_ id: UInt64) -> IPCFrame.Stream? { machine.streams[id] }

    // MARK: Short ways to a state

    var nextPeerID: UInt64 {
        if machine.highestPeerID != 0 { return machine.highestPeerID + 2 }
        return machine.role == .parent ? 2 : 1
    }

    /// Opens a call as the application.
    func call(_ offer: Offer, writing: Bool = true) throws -> UInt64 {
        try perform(writing: writing) { try $0.openCall(Request(method: "echo", offer: offer)) }
    }

    /// Lets the peer open a call.
    func beCalled(_ offer: Offer) -> UInt64 {
        let id = nextPeerID
        feed(.request, stream: id, payload: Sample.request(offer))
        return id
    }

    /// Sends `count` raw bytes of our body.
    func send(_ count: Int, on id: UInt64, isFlush: Bool = false, writing: Bool = true) {
        let bytes = [UInt8](repeating: 7, count: count)
        perform(writing: writing) { $0.send(Chunk(stored: bytes[...], isFlush: isFlush), on: id) }
    }

    func sendEnd(_ id: UInt64, writing: Bool = true) {
        perform(writing: writing) { $0.sendEnd(id, digest: 0, trailer: Trailer()) }
    }

    func feedData(_ count: Int, on id: UInt64, flags: FrameFlags = []) {
        feed(.data, flags: flags, stream: id, payload: [UInt8](repeating: 7, count: count))
    }

    func feedEnd(_ total: UInt64, on id: UInt64, digest: BodyDigest = .none) {
        feed(.end, stream: id, payload: Sample.end(total, digest: digest))
    }

    func feedAccept(_ limit: UInt64, on id: UInt64) {
        feed(.accept, stream: id, payload: Sample.encoded { Accept(limit: limit).encode(into: &$0) })
    }

    func feedCredit(_ consumed: UInt64, _ limit: UInt64, on id: UInt64) {
        feed(
            .credit,
            stream: id,
            payload: Sample.encoded { Credit(consumed: consumed, limit: limit).encode(into: &$0) }
        )
    }

    func feedHalt(_ type: FrameType, _ code: ErrorCode, on id: UInt64) {
        feed(type, stream: id, payload: Sample.halt(code))
    }
}

/// Payloads that have their layout.
enum Sample {
    static let small = Offer(size: 5)
    static let unknown = Offer(size: nil)

    static func encoded(_ encode: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        encode(&bytes)
        return bytes
    }

    static func hello(_ capabilities: Capabilities = Capabilities(), versions: ClosedRange<UInt16> = 1...1) -> [UInt8] {
        encoded { bytes in
            Hello(minVersion: versions.lowerBound, maxVersion: versions.upperBound, capabilities: capabilities)
                .encode(into: &bytes)
        }
    }

    static func welcome(_ capabilities: Capabilities = Capabilities(), version: UInt16 = 1) -> [UInt8] {
        encoded { Welcome(version: version, capabilities: capabilities).encode(into: &$0) }
    }

    static func request(_ offer: Offer) -> [UInt8] {
        encoded { Request(method: "echo", offer: offer).encode(into: &$0) }
    }

    static func response(_ offer: Offer) -> [UInt8] {
        encoded { ResponseHead(offer: offer).encode(into: &$0) }
    }

    static var wholeRequest: [UInt8] {
        encoded { Request(method: "echo", offer: small, whole: wholeBody).encode(into: &$0) }
    }

    static var wholeResponse: [UInt8] {
        encoded { ResponseHead(offer: small, whole: wholeBody).encode(into: &$0) }
    }

    /// What ``small`` offers.
    static var wholeBody: WholeBody { WholeBody([UInt8](repeating: 7, count: Int(small.size ?? 0))[...]) }

    static func end(_ total: UInt64, digest: BodyDigest = .none) -> [UInt8] {
        encoded { End(total: total, digestKind: digest, digest: 0, trailer: Trailer()).encode(into: &$0) }
    }

    static func halt(_ code: ErrorCode) -> [UInt8] {
        encoded { Halt(code: code).encode(into: &$0) }
    }

    static func error(_ code: ErrorCode) -> [UInt8] {
        encoded { RemoteError(code: code, reason: "because").encode(into: &$0) }
    }

    static func number(_ value: UInt64) -> [UInt8] {
        encoded { Number(value).encode(into: &$0) }
    }

    /// A payload of its layout for any type; one that a stream of small bodies would see.
    static func payload(_ type: FrameType) -> [UInt8] {
        switch type {
        case .hello: hello()
        case .welcome: welcome()
        case .reject:
            encoded { bytes in
                Reject(code: .versionMismatch, minVersion: 2, maxVersion: 3, limit: 0, reason: "too old")
                    .encode(into: &bytes)
            }
        case .ready, .bye: []
        case .request: request(small)
        case .response: response(unknown)
        case .accept: encoded { Accept(limit: 100_000).encode(into: &$0) }
        case .refuse: encoded { Refuse(code: .notWanted, reason: "no").encode(into: &$0) }
        case .data: [1, 2, 3, 4, 5]
        case .credit: encoded { Credit(consumed: 0, limit: 100_000).encode(into: &$0) }
        case .end: end(0)
        case .error: error(.failed)
        case .reset, .stop: halt(.cancelled)
        case .progress: encoded { Progress(completed: 1, unit: "rows").encode(into: &$0) }
        case .log: encoded { LogLine(level: .info, text: "a line").encode(into: &$0) }
        case .ping, .pong, .drain: number(7)
        case .arena: [0, 0, 4, 0, 16, 0, 0, 0]
        }
    }
}
