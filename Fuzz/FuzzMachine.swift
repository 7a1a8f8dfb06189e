// SPDX-License-Identifier: Apache-2.0

// Either end of a connection: frames of any kind, and an application that keeps its side of the bargain. The machine
// must not trap, must keep to its limits, and must be silent once it is closed.

/// What libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzzMachine(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzInput(start, count)
    let end = FuzzedEnd(isParent: input.byte() & 1 == 0, isOpen: input.byte() & 1 == 0)
    while !input.isEmpty { end.step(&input) }
    return 0
}

private final class FuzzedEnd {
    private var machine: ConnectionStateMachine
    private let budget: UInt64 = 16_384
    /// Raw bytes that were delivered and not consumed, of each body that runs.
    private var unconsumed: [UInt64: Int] = [:]
    private var ended: Set<UInt64> = []
    private var pings: UInt64 = 0
    private var isClosed = false

    init(isParent: Bool, isOpen: Bool) {
        var configuration = ConnectionStateMachine.Configuration()
        // Small, so that few bytes reach them.
        configuration.capabilities.limits.maxChunk = 4_096
        configuration.capabilities.limits.maxStreams = 3
        configuration.capabilities.limits.initialCredit = 8
        configuration.capabilities.features = Capabilities.arena | Capabilities.descriptor | Capabilities.whole
        configuration.receiveBudget = budget
        configuration.maxWindow = 8_192
        configuration.maxControlBytes = 8_192
        machine = ConnectionStateMachine(role: isParent ? .parent : .child, configuration: configuration)
        machine.start()
        guard isOpen else { return }
        if isParent {
            receive(.hello) { Hello(capabilities: configuration.capabilities).encode(into: &$0) }
            receive(.ready) { _ in }
        } else {
            receive(.welcome) { Welcome(version: 1, capabilities: configuration.capabilities).encode(into: &$0) }
            machine.ready()
        }
        takeActions()
    }

    func step(_ input: inout FuzzInput) {
        let operation = input.byte()
        if operation & 0x80 == 0 {
            receiveAny(type: operation, &input)
        } else {
            wish(operation & 0x1F, &input)
        }
        takeActions()
        require(machine.budget.held <= budget, "\(machine.budget.held) bytes are granted of \(budget)")
    }

    // MARK: The peer

    private func receiveAny(type: UInt8, _ input: inout FuzzInput) {
        var header = FrameHeader(.data, flags: FrameFlags(rawValue: input.byte()), stream: UInt64(input.byte()))
        header.rawType = type
        if header.type == .arena || header.type == .data && header.flags.contains(.file) { header.descriptors = 1 }
        let shape = input.byte()
        let payload = shape & 0x80 == 0 ? input.take(Int(shape)) : likely(header, shape, &input)
        header.length = UInt32(payload.count)
        receive(header, payload)
    }

    /// A payload with the right layout, which chance alone seldom finds.
    private func likely(_ header: FrameHeader, _ shape: UInt8, _ input: inout FuzzInput) -> [UInt8] {
        let number = UInt64(input.number())
        let offer = Offer(
            size: shape & 1 == 0 ? number : nil,
            codec: shape & 2 == 0 ? .none : .zlib,
            delivery: shape & 16 == 0 ? .inline : .descriptor,
            digest: shape & 4 == 0 ? .none : .crc32,
            isHeld: shape & 8 == 0
        )
        return ConnectionStateMachine.encoded { bytes in
            switch header.type {
            case .request: Request(method: "m", offer: offer, whole: whole(number, shape)).encode(into: &bytes)
            case .response: ResponseHead(offer: offer, whole: whole(number, shape)).encode(into: &bytes)
            case .accept: Accept(limit: number, delivery: shape & 6 == 6 ? .descriptor : .inline).encode(into: &bytes)
            case .data where header.flags.contains(.file): FileRange(offset: 0, count: number)?.encode(into: &bytes)
            case .refuse: Refuse(code: .failed, reason: "").encode(into: &bytes)
            case .credit: Credit(consumed: number, limit: number + UInt64(shape)).encode(into: &bytes)
            case .end: End(total: number, digestKind: offer.digest, digest: 0, trailer: Trailer()).encode(into: &bytes)
            case .error: RemoteError(code: .failed, reason: "").encode(into: &bytes)
            case .reset, .stop: Halt(code: shape & 1 == 0 ? .stopped : .cancelled).encode(into: &bytes)
            case .progress: Progress(completed: number, unit: "").encode(into: &bytes)
            case .log: LogLine(level: .info, text: "").encode(into: &bytes)
            case .ping, .pong, .drain: Number(number).encode(into: &bytes)
            default: bytes = [UInt8](repeating: 1, count: Int(number & 0x1FFF))
            }
        }
    }

    /// A body of up to 15 bytes that comes with its frame, for one shape in four.
    private func whole(_ number: UInt64, _ shape: UInt8) -> WholeBody? {
        shape & 0x60 == 0x60 ? WholeBody([UInt8](repeating: 2, count: Int(number & 15))[...]) : nil
    }

    private func receive(_ type: FrameType, _ encode: (inout [UInt8]) -> Void) {
        let payload = ConnectionStateMachine.encoded(encode)
        receive(FrameHeader(type, length: UInt32(payload.count)), payload)
    }

    private func receive(_ header: FrameHeader, _ payload: [UInt8]) {
        if machine.admit(header) { machine.receive(header, payload: payload) }
    }

    // MARK: The application

    private func wish(_ operation: UInt8, _ input: inout FuzzInput) {
        let id = UInt64(input.byte())
        switch operation {
        case 0: openCall(&input)
        case 1:
            let offer = offer(&input)
            _ = try? machine.respond(id, ResponseHead(offer: offer, whole: whole(of: offer, id)))
        case 2: machine.accept(id)
        case 3: consume(id, upTo: Int(input.number()), isFlush: input.byte() & 1 == 0)
        case 4: take(id)
        case 5: send(id, &input)
        case 6: machine.sendEnd(id, digest: 0, trailer: Trailer())
        case 7: machine.fail(id, RemoteError(code: .failed, reason: "r"))
        case 8: machine.cancel(id)
        case 9: machine.stop(id)
        case 10: machine.refuse(id, Refuse(code: .notWanted, reason: ""))
        case 11: machine.sendProgress(id, Progress(completed: 1, unit: "u", isFinal: id & 1 == 0))
        case 12: machine.sendLog(id, LogLine(level: .info, text: "l"))
        case 13:
            pings += 1
            machine.ping(pings)
        case 14: machine.drain()
        case 15: machine.ready()
        case 16: machine.failToInitialise("r")
        case 17: machine.receiveEndOfFile(duringFrame: id & 1 == 0)
        case 18: machine.handshakeTimedOut()
        case 19: machine.writeFailed()
        case 20: machine.announceArena()
        case 21: machine.adoptArena()
        case 22: machine.giveBack(id)
        default: writeFrames(Int(id & 15) + 1)
        }
    }

    private func offer(_ input: inout FuzzInput) -> Offer {
        let shape = input.byte()
        let size = shape & 1 == 0 ? UInt64(input.byte()) : nil
        let delivery: BodyDelivery = shape & 4 == 0 ? .inline : shape & 8 == 0 ? .arena : .descriptor
        return Offer(size: size, delivery: delivery, isHeld: shape & 2 == 0)
    }

    /// What the offer says, if it needs no verdict, for every second number.
    private func whole(of offer: Offer, _ number: UInt64) -> WholeBody? {
        guard number & 1 == 0, machine.isSentAtOnce(offer), let size = offer.size else { return nil }
        return WholeBody([UInt8](repeating: 3, count: Int(size))[...])
    }

    private func openCall(_ input: inout FuzzInput) {
        let offer = offer(&input)
        let whole = whole(of: offer, UInt64(input.byte()))
        _ = try? machine.openCall(Request(method: "m", offer: offer, whole: whole))
    }

    private func consume(_ id: UInt64, upTo wanted: Int, isFlush: Bool) {
        let count = min(wanted, unconsumed[id] ?? 0)
        unconsumed[id]? -= count
        machine.consume(id, count: count, isFlush: isFlush)
    }

    private func take(_ id: UInt64) {
        guard ended.contains(id) else { return }
        consume(id, upTo: .max, isFlush: false)
        machine.take(id)
    }

    private func send(_ id: UInt64, _ input: inout FuzzInput) {
        let number = Int(input.number())
        if machine.canSendFile(id), number & 4 == 0, let size = machine.streams[id]?.send.offer?.size,
            let file = FileRange(offset: UInt64(number), count: size)
        {
            return machine.send(file, on: id)
        }
        let room = machine.sendRoom(id, slots: number & 3)
        let count = room.isEmpty ? 0 : min(room.bytes, Int(machine.limits.maxChunk), number)
        guard count > 0 else { return }
        if let slot = room.slots.first {
            return machine.send(Chunk(in: ArenaPlace(slot: slot, count: count)), on: id)
        }
        let bytes = [UInt8](repeating: 7, count: count)
        machine.send(Chunk(stored: bytes[...], isFlush: count & 1 == 0), on: id)
    }

    // MARK: What comes out

    private func writeFrames(_ limit: Int) {
        for _ in 0..<limit {
            guard let frame = machine.nextFrame() else { return }
            require(Int(frame.header.length) == frame.payload.count, "a header has another length than its payload")
            require(frame.header.length <= machine.limits.maxPayload, "a frame is above maxPayload")
            takeActions()
        }
    }

    private func takeActions() {
        while let action = machine.nextAction() {
            require(!isClosed, "\(action) after the end")
            switch action {
            case .deliver(let id, let chunk): unconsumed[id, default: 0] += chunk.rawCount
            case .end(let id, _): ended.insert(id)
            case .forgotten(let id):
                unconsumed[id] = nil
                ended.remove(id)
            case .idle: machine.bye(Trailer())
            case .close: isClosed = true
            default: break
            }
        }
        require(isClosed == (machine.phase == .closed), "the end was not told")
    }
}
