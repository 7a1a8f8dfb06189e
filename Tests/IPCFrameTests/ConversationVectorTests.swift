// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import IPCFrame

@Suite struct ConversationVectorTests {
    static let conversations = (try? vectors("conversations", ConversationVector.self)) ?? []

    @Test func thereAreConversations() {
        #expect(Self.conversations.count > 80)
    }

    @Test(arguments: conversations)
    func eachEndThatAConversationTestsHoldsIt(vector: ConversationVector) throws {
        if vector.tests != "child" { try Player(.parent, vector).play() }
        if vector.tests != "parent" { try Player(.child, vector).play() }
    }
}

/// Plays one end of a conversation: feeds the peer's frames to a machine and wishes for its own.
private final class Player {
    private var machine: ConnectionStateMachine
    private let role: ConnectionStateMachine.Role
    private let vector: ConversationVector
    private var delivered: [UInt64: Int] = [:]
    private var ended: Set<UInt64> = []
    private var atOnce: Set<UInt64> = []
    private var closed: ConnectionEnd?

    init(_ role: ConnectionStateMachine.Role, _ vector: ConversationVector) throws {
        self.role = role
        self.vector = vector
        var configuration = ConnectionStateMachine.Configuration()
        configuration.capabilities.name = role == .parent ? "ipc-parent" : "ipc-child"
        configuration.capabilities.pid = role == .parent ? 4710 : 4711
        if role == .child, let first = vector.steps.first, first.frame == "HELLO" {
            let hello = try Hello(parsing: Array(bytes(first.hex).dropFirst(FrameHeader.byteCount)))
            configuration.capabilities.features = hello.capabilities.features
            configuration.minVersion = hello.minVersion
            configuration.maxVersion = hello.maxVersion
        }
        // The parent can whatever is then put in force.
        if role == .parent {
            configuration.capabilities.features = Capabilities.arena | Capabilities.descriptor | Capabilities.whole
        }
        machine = ConnectionStateMachine(role: role, configuration: configuration)
    }

    func play() throws {
        for (number, step) in vector.steps.enumerated() {
            let place = "\(vector.name), as \(role), step \(number) (\(step.frame))"
            let whole = bytes(step.hex)
            let header = try FrameHeader(parsing: whole.span)
            let payload = Array(whole.dropFirst(FrameHeader.byteCount))
            if (step.from == "parent") == (role == .parent) {
                // A frame of a later version: this one does not send it.
                guard header.type != nil else { continue }
                try expectOutput(header, payload, place)
            } else {
                #expect(closed == nil, "\(place)")
                if machine.admit(header) { machine.receive(header, payload: payload) }
            }
            takeActions()
        }
        try expectEnd()
    }

    private func expectOutput(_ header: FrameHeader, _ payload: [UInt8], _ place: String) throws {
        if !machine.hasOutput { try wish(AnyFrame(header, payload), header) }
        let next = machine.nextFrame()
        let frame = try #require(next, "\(place)")
        #expect(frame.header.rawType == header.rawType, "\(place)")
        #expect(frame.header.stream == header.stream, "\(place)")
        switch frame.header.type {
        case .refuse, .reset: break  // the reasons are in the machine's own words
        case .reject:
            let reject = try Reject(parsing: Array(frame.payload))
            let expected = try Reject(parsing: payload)
            #expect(reject.code == expected.code && reject.limit == expected.limit, "\(place)")
        default: #expect(hex(Array(frame.payload)) == hex(payload), "\(place)")
        }
    }

    /// What an application does so that this frame is sent.
    private func wish(_ frame: AnyFrame, _ header: FrameHeader) throws {
        let id = header.stream
        switch frame {
        case .hello: machine.start()
        case .ready: machine.ready()
        case .request(let request):
            let opened = try machine.openCall(request)
            #expect(opened == id)
        case .response(let head): try machine.respond(id, head)
        case .accept: machine.accept(id)
        case .refuse(let refuse): machine.refuse(id, refuse)
        case .data(let payload):
            let flags = header.flags
            let delivery: BodyDelivery = flags.contains(.file) ? .descriptor : .arena
            let chunk = try Chunk(flags: flags, payload: payload, codec: .zlib, delivery: delivery, maxChunk: 262_144)
            if let file = chunk.file { return machine.send(file, on: id) }
            if let place = chunk.place {
                let room = machine.sendRoom(id, slots: 1)
                #expect(room.slots.contains(place.slot))
            }
            machine.send(chunk, on: id)
        case .credit: take(id)
        case .end(let end): machine.sendEnd(id, digest: end.digest, trailer: end.trailer)
        case .error(let error) where id == 0: machine.failToInitialise(error.reason)
        case .error(let error): machine.fail(id, error)
        case .halt(let halt) where header.type == .stop: machine.stop(id, code: halt.code, reason: halt.reason)
        case .halt(let halt): machine.cancel(id, code: halt.code, reason: halt.reason)
        case .progress(let progress): machine.sendProgress(id, progress)
        case .log(let line): machine.sendLog(id, line)
        case .number(let number) where header.type == .ping: machine.ping(number.value)
        case .number where header.type == .drain: machine.drain()
        case .bye(let trailer): machine.bye(trailer)
        case .arena: machine.announceArena()
        case .number, .welcome, .reject: break  // come by themselves, or not at all
        }
    }

    private func take(_ id: UInt64) {
        machine.consume(id, count: delivered[id] ?? 0)
        delivered[id] = 0
        if ended.contains(id) { machine.take(id) }
    }

    private func takeActions() {
        while let action = machine.nextAction() {
            switch action {
            case .call(let id, let request) where machine.isSentAtOnce(request.offer): atOnce.insert(id)
            case .response(let id, let head) where machine.isSentAtOnce(head.offer): atOnce.insert(id)
            case .deliver(let id, let chunk): delivered[id, default: 0] += chunk.rawCount
            case .end(let id, _):
                ended.insert(id)
                if atOnce.contains(id) { take(id) }
            case .arena: machine.adoptArena()
            case .close(let end): closed = end
            default: break
            }
        }
    }

    private func expectEnd() throws {
        let place = "\(vector.name), as \(role)"
        switch (vector.end, closed) {
        case ("orderly", nil):
            let isSilent = !machine.hasOutput
            #expect(isSilent, "\(place)")
            machine.receiveEndOfFile(duringFrame: false)
            takeActions()
            #expect(closed == .orderly, "\(place)")
        case ("rejected", .rejected(let code, _)):
            let last = try #require(vector.steps.last)
            let reject = try Reject(parsing: Array(bytes(last.hex).dropFirst(FrameHeader.byteCount)))
            #expect(code == reject.code, "\(place)")
        case ("reported", .reportedByPeer(.initialisationFailed, _)) where role == .parent: break
        case ("reported", .aborted) where role == .child: break
        case (let code, .violation(let violation)):
            #expect("\(violation.code)" == code, "\(place)")
            let next = machine.nextFrame()
            let frame = try #require(next, "\(place)")
            #expect(frame.header.type == .error && frame.header.stream == 0, "\(place)")
            let told = try RemoteError(parsing: Array(frame.payload), flags: frame.header.flags)
            #expect(told.code == violation.code, "\(place)")
        case (let expected, let end):
            Issue.record("\(place): \(expected) is expected, not \(String(describing: end))")
        }
    }
}
