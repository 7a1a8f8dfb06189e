// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// A socket and the protocol's rules, driven by the one thread that waits for something.
///
/// Nothing is read or written between two calls of it. Whatever waits also does what the peer asks: answers pings,
/// takes what comes, writes what is queued; so two ends that both wait for each other never block each other's writing.
final class BlockingLink {
    var machine: ConnectionStateMachine
    /// Open calls of both sides.
    var streams = CallTable<BlockingStream>()
    /// Calls of the peer that nobody has taken yet.
    private var newCalls = Queue<(id: UInt64, request: Request)>()
    /// Child: WELCOME has come.
    private(set) var isPrepared = false
    private(set) var end: ConnectionEnd?

    private var descriptor: CInt
    private(set) var reader = FrameReader()
    private(set) var writer = FrameWriter()
    private var isShutdownWanted = false
    private var isWritingOver = false
    /// The end of the file has come: the socket would be ready for reading for ever.
    private var isReadingOver = false

    init(
        _ descriptor: consuming OwnedDescriptor,
        role: ConnectionStateMachine.Role,
        name: String,
        limits: ConnectionLimits
    ) {
        self.descriptor = descriptor.release()
        clinux_widen(self.descriptor)
        var rules = ConnectionStateMachine.Configuration()
        rules.capabilities.limits = limits
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
    func takeCall() -> (id: UInt64, request: Request)? { newCalls.popFirst() }

    // MARK: Waiting

    /// Reads and writes until `isDone`.
    ///
    /// - Returns: false when `deadline` has passed before.
    /// - Throws: why the connection is over, unless it was done first.
    @discardableResult
    func wait(until deadline: ContinuousMoment? = nil, _ isDone: () -> Bool) throws(ConnectionEnd) -> Bool {
        while true {
            obey()
            if isDone() { return true }
            if let end { throw end }
            guard turn(until: deadline) else { return false }
        }
    }

    /// Takes what has come, and waits for nothing.
    func takeArrived() {
        obey()
        while end == nil, !isReadingOver {
            let bytes = clinux_readable(descriptor)
            guard reader.holdsBytes || bytes != 0 else { break }
            readFrames(waits: false)
            obey()
        }
    }

    /// What could be read or written; false when `deadline` has passed.
    private func turn(until deadline: ContinuousMoment?) -> Bool {
        let mayOnlyRead = writer.isEmpty || isWritingOver
        if isReadingOver, mayOnlyRead {
            // Nothing can change any more.
            machine.abort(.peerVanished(duringFrame: false))
            return true
        }
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

    /// Reads until a frame is whole, as far as there is something or it `waits`, and takes those that came with it.
    private func readFrames(waits: Bool) {
        isReadingOver = Self.readFrames(waits: waits, from: descriptor, &reader, into: &machine, for: streams)
    }

    /// Has both for itself: what a class keeps is checked at each use.
    private static func readFrames(
        waits: Bool,
        from descriptor: CInt,
        _ reader: inout FrameReader,
        into machine: inout ConnectionStateMachine,
        for streams: CallTable<BlockingStream>
    ) -> Bool {
        repeat {
            switch reader.next(
                from: descriptor,
                waits: waits,
                admit: { machine.admit($0) },
                landing: { machine.canLand($0) ? streams[$0.stream]?.landing : nil }
            ) {
            case .frame(let header, let payload): machine.receive(header, payload: payload)
            case .landed(let header): _ = machine.receiveLanded(header)
            case .wouldBlock, .rejected: break
            case .endOfFile(let duringFrame):
                machine.receiveEndOfFile(duringFrame: duringFrame)
                return true
            case .violation(let violation): machine.abort(.violation(violation))
            case .failed(let error): machine.abort(.system(error))
            }
        } while reader.holdsFrame && machine.phase != .closed
        return false
    }

    /// Does what the rules say and writes as much as the socket takes.
    func obey() {
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

    private func flush() {
        guard descriptor >= 0, !isWritingOver else { return }
        switch Self.write(to: descriptor, with: &writer, from: &machine) {
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
        from machine: inout ConnectionStateMachine
    ) -> FrameWriter.Outcome {
        writer.write(to: descriptor, next: { machine.nextFrame() })
    }

    // MARK: The rules

    private func perform(_ action: MachineAction) {
        switch action {
        case .prepare: isPrepared = true
        // Neither end of this kind offers to share memory.
        case .arena: break
        case .open, .drain, .pong, .taken, .sendable, .consumed: break
        case .call(let id, let request):
            streams[id] = BlockingStream(id: id, offer: request.offer, limits: machine.limits)
            newCalls.append((id, request))
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
        case .progress(let id, let progress): streams[id]?.events.append(.progress(progress))
        case .log(let id, let line): streams[id]?.events.append(.log(line))
        case .forgotten(let id): streams[id] = nil
        case .idle:
            var trailer = Trailer()
            ProcessUsage.current.fill(&trailer)
            machine.bye(trailer)
        case .shutdownWrite: isShutdownWanted = true
        case .close(let reason): finish(reason)
        }
    }

    private func deliver(_ id: UInt64, _ chunk: Chunk) {
        guard let stream = streams[id], !stream.inbound.put(.chunk(chunk)) else { return }
        let detail = "the chunks that wait take far more memory than the bytes that they carry"
        stream.fail(.corruptBody(detail))
        machine.stop(id, code: .corruptChunk, reason: detail)
    }

    private func finish(_ reason: ConnectionEnd) {
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
        for stream in streams.values { stream.fail(.connection(reason), isDropping: false) }
        streams.removeAll()
    }
}
