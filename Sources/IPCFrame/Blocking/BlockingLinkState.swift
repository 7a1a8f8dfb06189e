// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// What a ``BlockingLink`` has, and what it does in one turn.
struct BlockingLinkState: ~Copyable {
    var machine: ConnectionStateMachine
    /// Open calls of both sides.
    var streams = CallTable<BlockingStream>()
    /// Calls of the peer that nobody has taken yet.
    private var newCalls = Queue<(stream: BlockingStream, request: Request)>()
    /// Child: WELCOME has come.
    private(set) var isPrepared = false
    private(set) var end: ConnectionEnd?

    /// The memory that is shared with the other end, once it is.
    var region: ArenaRegion?
    var isArenaTried = false
    /// Goes with the ARENA frame that waits.
    var arenaDescriptor: PassedDescriptor?
    /// Our half has been used; reading gives up after ``arenaIdleTime``, so that its memory can go back.
    var isArenaUsed = false
    /// Without a word from the other end for so long, our half's memory goes back to the system.
    var arenaIdleTime = Duration.seconds(10)

    let role: ConnectionStateMachine.Role
    private(set) var descriptor: CInt
    var reader = FrameReader()
    private(set) var writer = FrameWriter()
    private var polling = BusyPolling()
    private var isShutdownWanted = false
    private var isWritingOver = false
    /// The end of the file has come: the socket would be ready for reading for ever.
    private var isReadingOver = false

    init(
        _ descriptor: CInt,
        role: ConnectionStateMachine.Role,
        name: String,
        limits: ConnectionLimits,
        sharesMemory: Bool
    ) {
        self.descriptor = descriptor
        self.role = role
        clinux_widen(descriptor)
        var rules = ConnectionStateMachine.Configuration()
        rules.capabilities.limits = limits
        rules.capabilities.features = Capabilities.whole
        if sharesMemory { rules.capabilities.features |= Capabilities.arena }
        rules.capabilities.name = name
        rules.capabilities.pid = UInt32(truncatingIfNeeded: getpid())
        machine = ConnectionStateMachine(role: role, configuration: rules)
        reader.readsUntilEmpty = true
    }

    deinit {
        if descriptor >= 0 { _ = close(descriptor) }
    }

    /// Whether a call of the peer waits.
    var hasCalls: Bool { !newCalls.isEmpty }

    /// The calls of the peer, in their order; nil when none waits.
    mutating func takeCall() -> (stream: BlockingStream, request: Request)? {
        while let call = newCalls.popFirst() {
            // It may be over already.
            if streams[call.stream.id] != nil { return call }
        }
        return nil
    }

    // MARK: Calling

    /// Opens a call; `whole` is all of its body, if that is in memory.
    ///
    /// - Returns: the call, how its body is offered, and whether that has been queued with it.
    mutating func open(
        _ method: String,
        _ arguments: [Argument],
        _ size: UInt64?,
        _ whole: [UInt8]?,
        _ options: CallOptions
    ) throws(CallError) -> (stream: BlockingStream, offer: Offer, isSent: Bool) {
        if let end { throw .connection(end) }
        let codec = machine.canCompress ? options.codec : .none
        let offer = Offer(
            size: size,
            codec: codec,
            delivery: delivery(of: size, codec, options.delivery),
            digest: machine.canDigest ? options.digest : .none,
            isHeld: options.holdsBody
        )
        let whole = machine.isSentAtOnce(offer) ? whole.map { WholeBody($0, as: offer) } : nil
        let deadline = options.timeout.map { UInt64(max(0, $0.wholeNanoseconds / 1_000_000)) }
        let request = Request(method: method, arguments: arguments, deadline: deadline, offer: offer, whole: whole)
        do throws(CallRejection) {
            let id = try machine.openCall(request)
            let stream = BlockingStream(id: id, limits: machine.limits)
            stream.delivery = options.delivery
            streams[id] = stream
            return (stream, offer, whole != nil)
        } catch {
            throw CallError(error, end: end)
        }
    }

    // MARK: Waiting

    /// Takes what has come, and waits for nothing.
    mutating func takeArrived() {
        obey()
        while end == nil, !isReadingOver {
            let bytes = clinux_readable(descriptor)
            guard reader.holdsBytes || bytes != 0 else { break }
            readFrames(waits: false)
            obey()
        }
    }

    /// What could be read or written; false when `deadline` has passed.
    ///
    /// - Throws: why the connection is over.
    mutating func turn(until deadline: ContinuousMoment?) throws(ConnectionEnd) -> Bool {
        if let end { throw end }
        let mayOnlyRead = writer.isEmpty || isWritingOver
        if isReadingOver, mayOnlyRead {
            // Nothing can change any more.
            machine.abort(.peerVanished(duringFrame: false))
            return true
        }
        let isWaiting = mayOnlyRead && !reader.holdsBytes
        if isWaiting { _ = polling.look { clinux_readable(descriptor) != 0 } }
        defer { if isWaiting { polling.end(at: clinux_monotonic_now()) } }
        if mayOnlyRead, deadline == nil {
            readFrames(waits: true)
            return true
        }
        if !reader.holdsBytes {
            let events = (isReadingOver ? 0 : POLLIN) | (mayOnlyRead ? 0 : POLLOUT)
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let result = unsafe poll(&entry, 1, Self.milliseconds(until: deadline))
            if result == 0 { return false }
            guard result > 0, entry.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 else { return true }
        }
        if !isReadingOver { readFrames(waits: false) }
        return true
    }

    private static func milliseconds(until deadline: ContinuousMoment?) -> CInt {
        guard let deadline else { return -1 }
        let left = max(0, (deadline - .now).wholeNanoseconds)
        return CInt(clamping: left / 1_000_000 + (left % 1_000_000 == 0 ? 0 : 1))
    }

    // MARK: The socket

    /// Why reading stopped.
    private enum ReadingStop { case noMoreFrames, nothing, endOfFile, arena }

    /// Reads until a frame is whole, as far as there is something or it `waits`, and takes those that came with it.
    private mutating func readFrames(waits: Bool) {
        var stop = Self.readFrames(waits: waits, from: descriptor, &reader, into: &machine, for: streams)
        while stop == .arena, reader.holdsFrame, machine.phase != .closed {
            performActions()
            stop = Self.readFrames(waits: false, from: descriptor, &reader, into: &machine, for: streams)
        }
        isReadingOver = stop == .endOfFile
        if waits, stop == .nothing { releaseArena() }
    }

    private static func readFrames(
        waits: Bool,
        from descriptor: CInt,
        _ reader: inout FrameReader,
        into machine: inout ConnectionStateMachine,
        for streams: CallTable<BlockingStream>
    ) -> ReadingStop {
        repeat {
            switch reader.next(
                from: descriptor,
                waits: waits,
                admit: { machine.admit($0) },
                landing: { machine.canLand($0) ? streams[$0.stream]?.landing : nil }
            ) {
            case .frame(let header, let payload):
                machine.receive(header, payload: payload)
                // What it brings is taken before the next frame comes: a descriptor, or bytes that the next may land behind.
                if header.type == .arena || (header.type == .data && header.flags.contains(.arena)) { return .arena }
            case .landed(let header): _ = machine.receiveLanded(header)
            case .wouldBlock: return .nothing
            case .rejected: break
            case .endOfFile(let duringFrame):
                machine.receiveEndOfFile(duringFrame: duringFrame)
                return .endOfFile
            case .violation(let violation): machine.abort(.violation(violation))
            case .failed(let error): machine.abort(.system(error))
            }
        } while reader.holdsFrame && machine.phase != .closed
        return .noMoreFrames
    }

    /// Does what the rules say and writes as much as the socket takes.
    mutating func obey() {
        guard machine.hasWork || !writer.isEmpty else { return }
        var action = machine.nextAction()
        repeat {
            while let next = action {
                perform(next)
                action = machine.nextAction()
            }
            flush()
            action = machine.nextAction()
        } while action != nil
    }

    private mutating func performActions() {
        while let action = machine.nextAction() { perform(action) }
    }

    private mutating func flush() {
        guard descriptor >= 0, !isWritingOver else { return }
        switch Self.write(to: descriptor, with: &writer, from: &machine, &arenaDescriptor) {
        case .done:
            guard isShutdownWanted else { return }
            isWritingOver = true
            _ = clinux_shutdown_write(descriptor)
        case .wouldBlock: break
        case .failed:
            // The peer's last words may still be read.
            isWritingOver = true
            machine.writeFailed()
        }
    }

    private static func write(
        to descriptor: CInt,
        with writer: inout FrameWriter,
        from machine: inout ConnectionStateMachine,
        _ arenaDescriptor: inout PassedDescriptor?
    ) -> FrameWriter.Outcome {
        // Only ARENA goes with one.
        writer.write(to: descriptor, next: { machine.nextFrame() }, passed: { _ in arenaDescriptor.take() })
    }

    // MARK: The rules

    private mutating func perform(_ action: MachineAction) {
        switch action {
        case .prepare: isPrepared = true
        case .arena: adoptArena()
        case .open, .drain, .pong, .taken, .sendable, .consumed: break
        case .call(let id, let request):
            let stream = BlockingStream(id: id, limits: machine.limits)
            stream.begin(request.offer, request.whole)
            streams[id] = stream
            newCalls.append((stream, request))
        case .response(let id, let head): streams[id]?.begin(head)
        case .deliver(let id, let chunk): deliver(id, chunk)
        case .end(let id, let end):
            streams[id]?.inbound.put(.end(end))
            machine.takeIfSentAtOnce(id)
        case .refused(let id, let refuse):
            streams[id]?.fail(.refused(code: refuse.code, limit: refuse.limit, reason: refuse.reason))
        case .stopped(let id, let halt): streams[id]?.outboundFailure = .stopped(code: halt.code, reason: halt.reason)
        case .cancel(let id, let halt):
            streams[id]?.isCancelled = true
            streams[id]?.fail(.reset(code: halt.code, reason: halt.reason))
        case .reset(let id, let halt): streams[id]?.fail(.reset(code: halt.code, reason: halt.reason))
        case .failed(let id, let error): streams[id]?.fail(.failed(error))
        case .progress(let id, let progress): streams[id]?.tell(.progress(progress))
        case .log(let id, let line): streams[id]?.tell(.log(line))
        case .forgotten(let id): streams[id] = nil
        case .idle:
            var trailer = Trailer()
            ProcessUsage.current.fill(&trailer)
            machine.bye(trailer)
        case .shutdownWrite: isShutdownWanted = true
        case .close(let reason): finish(reason)
        }
    }

    private mutating func deliver(_ id: UInt64, _ chunk: Chunk) {
        guard let stream = streams[id] else { return }
        if let place = chunk.place, let region, let landing = stream.landing {
            landing.add(place, from: region)
            return machine.consume(id, count: place.count, isFlush: chunk.isFlush)
        }
        guard !stream.inbound.put(.chunk(chunk)) else { return }
        let detail = "the chunks that wait take far more memory than the bytes that they carry"
        stream.fail(.corruptBody(detail))
        machine.stop(id, code: .corruptChunk, reason: detail)
    }

    private mutating func finish(_ reason: ConnectionEnd) {
        guard end == nil else { return }
        flush()
        // The last words of an orderly end wait for a slow reader, but not for ever.
        let patience = ContinuousMoment.now + .seconds(1)
        while reason == .orderly, !writer.isEmpty, !isWritingOver, .now < patience {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = unsafe poll(&entry, 1, 100)
            flush()
        }
        end = reason
        _ = close(descriptor)
        descriptor = -1
        reader.descriptors.removeAll()
        writer.closeDescriptors()
        arenaDescriptor = nil
        for stream in streams.values { stream.fail(.connection(reason), isDropping: false) }
        streams.removeAll()
    }
}
