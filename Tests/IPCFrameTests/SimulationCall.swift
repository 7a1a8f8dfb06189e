// SPDX-License-Identifier: Apache-2.0
@testable import IPCFrame

/// One call, as the application on one side lives through it.
final class SimulatedCall {
    let id: UInt64
    let isLocal: Bool
    var outbound: OutboundScript?
    var inbound: InboundScript?
    /// How it ended, once it has.
    private(set) var outcome: String?
    private(set) var isForgotten = false
    /// Answerer: it has said its last word.
    private var isAnswered = false
    /// Answerer: the answer waits until this other call is over.
    var dependency: SimulatedCall?
    /// Answerer: answers without the request body.
    private var ignoresBody: Bool
    private let largestBody: Int
    private let arena: SimulatedArena

    init(_ id: UInt64, isLocal: Bool, arena: SimulatedArena, largestBody: Int, ignoresBody: Bool = false) {
        self.id = id
        self.isLocal = isLocal
        self.ignoresBody = ignoresBody
        self.largestBody = largestBody
        self.arena = arena
    }

    private func finish(_ outcome: String) throws {
        try hold(self.outcome == nil, "call \(id) is \(outcome) and was \(self.outcome ?? "")")
        self.outcome = outcome
        inbound?.isOver = true
        outbound?.isOver = true
    }

    /// The connection is over.
    func lose() throws {
        if outcome == nil { try finish("lost") }
    }

    // MARK: What the machine tells

    func perform(_ action: MachineAction) throws {
        try hold(!isForgotten, "\(Rig.name(of: action)) of call \(id), which is forgotten")
        if isLocal {
            try performAsOpener(action)
        } else {
            try performAsAnswerer(action)
        }
    }

    /// A chunk in the arena goes where the body is collected, and is consumed; false if it is to wait.
    func land(_ chunk: Chunk, _ machine: inout ConnectionStateMachine) throws -> Bool {
        guard let place = chunk.place, inbound?.collects == true, outcome == nil else { return false }
        let found = arena.read(place.slot, of: machine.role == .parent ? .child : .parent)
        try inbound?.land(found, chunk.rawCount)
        machine.consume(id, count: chunk.rawCount, isFlush: chunk.isFlush)
        return true
    }

    private func performAsOpener(_ action: MachineAction) throws {
        switch action {
        case .sendable: outbound?.isBlocked = false
        case .consumed(_, let count): outbound?.consumed = count
        case .taken: try takeNote()
        case .stopped: outbound?.isOver = true
        case .forgotten:
            isForgotten = true
            // After the peer's BYE a whole answer is the application's alone.
            if outcome == nil, inbound?.isWhole == true { try finish("answered") }
            try hold(outcome != nil, "call \(id) is forgotten without an outcome")
        case .response(_, let head):
            try hold(outcome == nil && inbound == nil, "a second response")
            inbound = InboundScript(head.offer, salt: id * 2 + 1)
            if let whole = head.whole { try inbound?.take(whole) }
        case .deliver(_, let chunk):
            try hold(outcome == nil, "data of a call that is over")
            try inbound?.deliver(chunk)
        case .end(_, let end): try inbound?.end(end)
        case .failed(_, let error): try finish("failed: \(error.code)")
        case .refused(_, let refuse):
            try hold(refuse.code != .tooManyStreams, "an honest opener is told that it opens too many")
            try finish("refused: \(refuse.code)")
        case .reset(_, let halt): try finish("reset: \(halt.code)")
        case .progress, .log: try hold(outcome == nil, "news of a call that is over")
        default: throw SimulationFailure(description: "\(Rig.name(of: action)) for an opener")
        }
    }

    private func takeNote() throws {
        try hold(outbound?.isTaken == false, "taken twice")
        outbound?.isTaken = true
    }

    private func performAsAnswerer(_ action: MachineAction) throws {
        switch action {
        case .sendable: outbound?.isBlocked = false
        case .consumed(_, let count): outbound?.consumed = count
        case .taken: try takeNote()
        case .forgotten:
            isForgotten = true
            try hold(outcome != nil, "call \(id) is forgotten without an outcome")
        case .deliver(_, let chunk):
            try hold(!isAnswered, "data of a call that is answered")
            if outcome == nil { try inbound?.deliver(chunk) }
        case .end(_, let end): if outcome == nil { try inbound?.end(end) }
        // Each may come when the answer is on its way already.
        case .refused: if outcome == nil { try finish("refused by the opener") }
        case .stopped: if outcome == nil { try finish("stopped by the opener") }
        case .cancel: if outcome == nil { try finish("cancelled by the opener") }
        default: throw SimulationFailure(description: "\(Rig.name(of: action)) for an answerer")
        }
    }

    // MARK: What the application does

    /// One step towards the call's end; `isRash` lets it end in any other way too.
    func step(
        _ machine: inout ConnectionStateMachine,
        _ random: inout SeededRandom,
        isRash: Bool
    ) throws -> Bool {
        guard !isForgotten else { return false }
        if outbound?.giveUpSlot(id, &machine) == true { return true }
        // An answer that has begun is the rarest state: there it happens more often.
        if isRash, outcome == nil, random.once(in: isLocal && inbound != nil ? 4 : 25), try end(&machine, &random) {
            return true
        }
        if isLocal {
            guard outcome == nil else { return false }
            if try outbound?.step(id, &machine, &random, arena) == true { return true }
            let hasMoved = try inbound?.step(id, &machine, &random, arena) ?? false
            if inbound?.isTaken == true { try finish("answered") }
            return hasMoved
        }
        return try answer(&machine, &random)
    }

    private func answer(_ machine: inout ConnectionStateMachine, _ random: inout SeededRandom) throws -> Bool {
        guard !isAnswered else { return false }
        if outcome != nil {
            // Cancelled or stopped: the last word is still to be said.
            isAnswered = true
            if random.once(in: 2) || machine.streams[id]?.send.state != .sending {
                machine.fail(id, RemoteError(code: .cancelled, reason: ""))
            } else if let stream = machine.streams[id], stream.send.sent == stream.send.offer?.size ?? stream.send.sent
            {
                machine.sendEnd(id, digest: 0, trailer: Trailer())
            } else {
                machine.fail(id, RemoteError(code: .cancelled, reason: ""))
            }
            return true
        }
        if !ignoresBody, try inbound?.step(id, &machine, &random, arena) == true { return true }
        if outbound == nil {
            guard ignoresBody || inbound?.isTaken == true, dependency?.isForgotten != false else { return false }
            var script = OutboundScript(
                &random,
                largest: largestBody,
                salt: id * 2 + 1,
                for: machine
            )
            let whole = script.takeWhole(&random, machine)
            outbound = script
            try machine.respond(id, ResponseHead(offer: script.offer, whole: whole))
            guard whole != nil else { return true }
            isAnswered = true
            try finish("answered")
            return true
        }
        guard try outbound?.step(id, &machine, &random, arena) == true else { return false }
        if outbound?.isOver == true {
            isAnswered = true
            try finish("answered")
        }
        return true
    }

    /// Ends the call as no plan had foreseen.
    private func end(_ machine: inout ConnectionStateMachine, _ random: inout SeededRandom) throws -> Bool {
        switch random.below(isLocal && inbound == nil ? 1 : 3) {
        case 0 where isLocal:
            try finish("cancelled")
            machine.cancel(id)
        case 1 where isLocal && inbound != nil:
            try finish("refused")
            machine.refuse(id, Refuse(code: .notWanted, reason: "no"))
        case 2 where isLocal && inbound != nil:
            try finish("stopped")
            machine.stop(id)
        case 0 where !isLocal:
            isAnswered = true
            try finish("failed")
            machine.fail(id, RemoteError(code: .failed, isRetryable: true, reason: "no"))
        case 1 where !isLocal && outbound == nil:
            isAnswered = true
            try finish("refused")
            machine.refuse(id, Refuse(code: .tooLarge, reason: "no"))
        case 2 where !isLocal && inbound?.isOver == false:
            inbound?.isOver = true
            ignoresBody = true
            machine.stop(id)
        default: return false
        }
        return true
    }
}
