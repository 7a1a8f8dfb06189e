// SPDX-License-Identifier: Apache-2.0
@testable import IPCFrame

/// The application on one end, driven by the seed, and the checks of its machine.
final class SimulatedApplication {
    let name: String
    var machine: ConnectionStateMachine
    /// In the order in which they were opened: the seed alone decides what happens.
    private(set) var calls: [SimulatedCall] = []
    private(set) var end: ConnectionEnd?
    private(set) var isWritingOver = false
    private(set) var opened = 0
    /// How calls ended here, and how often.
    private(set) var outcomes: [String: Int] = [:]
    private let largestBody: Int
    private let arena: SimulatedArena
    private var isReadyDue = false
    private var isByeDue = false
    private var hasDrained = false
    private var pings: UInt64 = 0
    private var pong: UInt64 = 0

    init(
        _ role: ConnectionStateMachine.Role,
        _ configuration: ConnectionStateMachine.Configuration,
        _ arena: SimulatedArena,
        largestBody: Int
    ) {
        name = "\(role)"
        self.largestBody = largestBody
        self.arena = arena
        machine = ConnectionStateMachine(role: role, configuration: configuration)
        machine.start()
    }

    func obey() throws {
        while let action = machine.nextAction() {
            try hold(end == nil, "\(name): \(Rig.name(of: action)) after the end")
            switch action {
            case .prepare: isReadyDue = true
            case .open: machine.announceArena()
            case .arena: machine.adoptArena()
            case .drain: break
            case .idle:
                try hold(!isByeDue, "\(name): idle twice")
                isByeDue = true
            case .shutdownWrite: isWritingOver = true
            case .pong(let value):
                try hold(value > pong && value <= pings, "\(name): pong \(value) after \(pong) of \(pings)")
                pong = value
            case .close(let reason):
                end = reason
                isWritingOver = true
                for call in calls {
                    try call.lose()
                    count(call)
                }
            case .call(let id, let request):
                let call = SimulatedCall(
                    id,
                    isLocal: false,
                    arena: arena,
                    largestBody: largestBody,
                    ignoresBody: id % 5 == 0
                )
                call.inbound = InboundScript(request.offer, salt: id * 2)
                if let whole = request.whole { try call.inbound?.take(whole) }
                // An answer may need what a younger call brings: no body may wait for the end of an older one.
                if id % 3 == 0 { calls.last { !$0.isLocal && !$0.isForgotten }?.dependency = call }
                calls.append(call)
            case .response(let id, _), .sendable(let id), .consumed(let id, _), .taken(let id), .refused(let id, _),
                .stopped(let id, _), .deliver(let id, _), .end(let id, _), .cancel(let id, _), .failed(let id, _),
                .reset(let id, _), .progress(let id, _), .log(let id, _), .forgotten(let id):
                guard let call = calls.first(where: { $0.id == id }) else {
                    throw SimulationFailure(description: "\(name): \(Rig.name(of: action)) of an unknown call \(id)")
                }
                if case .deliver(_, let chunk) = action, collects(id), try call.land(chunk, &machine) { continue }
                try call.perform(action)
                if call.isForgotten {
                    calls.removeAll { $0 === call }
                    machine.giveBack(id)
                    count(call)
                }
            }
        }
    }

    /// Whether the application wants the body of this call where it belongs, as far as it comes as it is.
    func collects(_ id: UInt64) -> Bool { id % 4 >= 2 }

    /// Bytes have come to their place, and are consumed.
    func land(_ payload: [UInt8], of id: UInt64) throws {
        let call = calls.first { $0.id == id }
        try hold(call?.inbound != nil, "\(name): bytes of an unknown call \(id)")
        try call?.inbound?.land(payload)
    }

    private func count(_ call: SimulatedCall) {
        outcomes["\(call.isLocal ? "opener" : "answerer") \(call.outcome ?? "none")", default: 0] += 1
    }

    // MARK: What it does

    /// Something, as the seed decides; not always anything.
    func act(_ random: inout SeededRandom) throws {
        guard end == nil else { return }
        switch random.below(20) {
        case 0...3: try open(&random)
        case 4 where random.once(in: 4):
            pings += 1
            machine.ping(pings)
        case 5 where random.once(in: 10): drain()
        case 6: report(&random)
        case 7 where isReadyDue: ready()
        case 8 where isByeDue: bye()
        default:
            guard !calls.isEmpty else { break }
            _ = try random.pick(calls).step(&machine, &random, isRash: true)
        }
        try obey()
        try check()
    }

    /// Everything that is still to be done, a step of each.
    func finish(_ random: inout SeededRandom) throws -> Bool {
        guard end == nil else { return false }
        var hasMoved = isReadyDue || isByeDue
        if isReadyDue { ready() }
        try obey()
        for call in calls where try call.step(&machine, &random, isRash: false) {
            hasMoved = true
            try obey()
        }
        if isByeDue { bye() }
        try obey()
        try check()
        return hasMoved
    }

    func drain() {
        guard !hasDrained else { return }
        hasDrained = true
        machine.drain()
    }

    private func ready() {
        isReadyDue = false
        machine.ready()
    }

    private func bye() {
        isByeDue = false
        machine.bye(Trailer())
    }

    private func open(_ random: inout SeededRandom) throws {
        var script = OutboundScript(
            &random,
            largest: largestBody,
            salt: 2 * machine.nextID,
            for: machine
        )
        let whole = script.takeWhole(&random, machine)
        do throws(CallRejection) {
            let id = try machine.openCall(Request(method: "work", offer: script.offer, whole: whole))
            let call = SimulatedCall(id, isLocal: true, arena: arena, largestBody: largestBody)
            call.outbound = script
            calls.append(call)
            opened += 1
        } catch {
            try hold(error != .argumentsTooLarge(0), "no arguments")
        }
    }

    private func report(_ random: inout SeededRandom) {
        guard let call = calls.first(where: { !$0.isLocal }) else { return }
        switch random.below(3) {
        case 0: machine.sendProgress(call.id, Progress(completed: 1, unit: "rows", isFinal: random.once(in: 2)))
        case 1: machine.sendLog(call.id, LogLine(level: .info, text: "a line"))
        default:
            for _ in 0..<100 { machine.sendLog(call.id, LogLine(level: .debug, text: "one of a flood")) }
        }
    }

    // MARK: What holds after each step

    private func check() throws {
        let limits = machine.limits
        var (held, bodies, local, peers, unsent) = (UInt64(0), UInt64(0), UInt32(0), UInt32(0), 0)
        for stream in machine.streams.values {
            let half = stream.receive
            held += half.held
            if half.isBudgeted { bodies += 1 }
            if stream.isLocal { local += 1 } else { peers += 1 }
            if stream.queue.hasUnsentRequest { unsent += 1 }
            if half.isBudgeted, half.state == .receiving {
                let rest = half.offer?.size.map { $0 - half.consumed } ?? UInt64.max
                try hold(half.held >= min(UInt64(limits.maxChunk), rest), "\(name): a body without room for a chunk")
                try hold(half.limit > half.consumed || rest == 0, "\(name): a body whose sender has no credit")
                try hold(half.limit - half.consumed <= half.held, "\(name): more credit than is held")
            }
            try hold(half.consumed <= half.received && half.received <= half.limit, "\(name): offsets out of order")
            try hold(stream.send.sent <= stream.send.limit, "\(name): credit exceeded")
            let atOnceChunks = Int(limits.initialCredit)
            try hold(
                stream.queue.count <= StreamQueue.maxLogs + StreamQueue.maxChunks + 5 + atOnceChunks,
                "\(name): a queue of \(stream.queue.count) frames"
            )
        }
        try hold(held == machine.budget.held && bodies == machine.budget.bodies, "\(name): the budget does not add up")
        try hold(held <= machine.budget.total, "\(name): \(held) of \(machine.budget.total) bytes are held")
        try hold(local == machine.openLocally && peers == machine.openByPeer, "\(name): calls are counted wrong")
        try hold(local <= limits.maxStreams && peers <= limits.maxStreams, "\(name): too many calls")
        try hold(unsent == machine.unsentRequests, "\(name): unsent requests are counted wrong")
        try hold(machine.out.controlBytes <= machine.configuration.maxControlBytes, "\(name): too many control frames")
        try hold(machine.out.entryCount <= 4_096, "\(name): \(machine.out.entryCount) entries in the out-queue")
    }

    /// An honest peer says BYE when it knows of no call: of ours, only whole answers may wait to be taken.
    func checkBye() throws {
        for stream in machine.streams.values {
            try hold(stream.isLocal && stream.receive.state == .taking, "BYE, and \(state)")
        }
    }

    /// For a person: what is still open.
    var state: String {
        let streams = machine.streams.values.sorted { $0.id < $1.id }
            .map { "\($0.id): \($0.send.state)/\($0.receive.state)" }.joined(separator: ", ")
        return "\(name) is \(machine.phase) with [\(streams)]"
    }

    /// Nothing is left when the connection is over.
    func checkEnd(_ expected: (ConnectionEnd) -> Bool) throws {
        guard let end else { throw SimulationFailure(description: "\(name) has not ended") }
        try hold(expected(end), "\(name) has ended: \(end)")
        try hold(machine.streams.isEmpty && machine.budget.held == 0 && machine.budget.bodies == 0, "\(name): a rest")
        try hold(machine.openLocally == 0 && machine.openByPeer == 0, "\(name): calls are counted after the end")
    }
}
