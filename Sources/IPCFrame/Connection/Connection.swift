// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// One end of a connection: a socket, the protocol's rules, and the calls that run over it.
///
/// An actor on its reactor's thread: readiness of the socket, the rules and this actor's code run without a hop.
/// Nothing here blocks; bodies are coded and decoded by whoever sends and receives them, and by the threads of a
/// ``ChunkPool``.
public actor Connection {
    /// Which end this is.
    public enum Role: Sendable {
        /// The process that started the other.
        case parent
        /// The process that was started.
        case child
    }

    let reactor: Reactor
    let configuration: ConnectionConfiguration
    var machine: ConnectionStateMachine
    var reader = FrameReader()
    var writer = FrameWriter()
    /// The memory that is shared with the other end, once it is.
    nonisolated let arena = ArenaHolder()
    let role: Role
    var isArenaTried = false
    /// Goes with the ARENA frame that waits.
    var arenaDescriptor: PassedDescriptor?
    /// Counts what goes through our half of the arena.
    var arenaUses: UInt64 = 0
    var arenaTimer: Reactor.TimerID?
    /// Without use for so long, and up to twice that, our half's memory goes back to the system.
    var arenaIdleTime = Duration.seconds(10)
    var trace: FrameTrace?
    var recent = RecentFrames()

    private(set) var descriptor: CInt
    var registration: Reactor.Registration?
    var interest: Reactor.Interest = .read
    /// The end of the file has come: the socket would be ready for reading for ever.
    var isReadingOver = false
    var isReadingLater = false
    var isShutdownWanted = false
    var isWritingOver = false
    private var isStarted = false
    private var isObeying = false

    var calls = CallTable<CallRecord>()
    /// What has begun to come, and nobody was told of.
    var arrivals: [Arrival] = []
    var end: ConnectionEnd?
    /// The end that waits for the last bytes, BYE among them, to be written.
    var unwrittenEnd: ConnectionEnd?
    /// Who waits for the end, one behind the other: functions, for a worker has none of these waiters, and would make
    /// their continuations' types before it is ready.
    private var onEnd: ((ConnectionEnd) -> Void)?
    var peer: PeerDescription?
    private var onHandshake: ((Result<PeerDescription, ConnectionEnd>) -> Void)?
    private var handshakeTimer: Reactor.TimerID?
    private var pingWaiters: [(UInt64, ContinuousMoment, CheckedContinuation<Result<Duration, ConnectionEnd>, Never>)] =
        []
    private var lastPing: UInt64 = 0
    private var onPrepare: (@Sendable () -> Void)?

    /// The connection lives on its reactor's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }

    /// Takes over a connected stream socket; nothing happens before ``start()``.
    public init(
        adopting descriptor: consuming OwnedDescriptor,
        role: Role,
        reactor: Reactor = .shared,
        configuration: ConnectionConfiguration = ConnectionConfiguration()
    ) {
        self.descriptor = descriptor.release()
        clinux_widen(self.descriptor)
        self.reactor = reactor
        self.configuration = configuration
        self.role = role
        var rules = ConnectionStateMachine.Configuration()
        rules.capabilities.limits = configuration.limits
        rules.capabilities.name = configuration.name
        rules.capabilities.pid = UInt32(truncatingIfNeeded: getpid())
        rules.capabilities.features = Capabilities.whole
        if configuration.sharesMemory { rules.capabilities.features |= Capabilities.arena }
        if configuration.passesFiles { rules.capabilities.features |= Capabilities.descriptor }
        rules.receiveBudget = configuration.receiveBudget
        let machineRole: ConnectionStateMachine.Role = role == .parent ? .parent : .child
        machine = ConnectionStateMachine(role: machineRole, configuration: rules)
        trace = FrameTrace(role: machineRole)
    }

    /// Begins the handshake.
    public nonisolated func start() {
        reactor.perform { self.assumeIsolated { $0.begin() } }
    }

    /// Child: what to do when WELCOME came; READY is sent by ``ready()``.
    ///
    /// Without it READY follows at once.
    func setOnPrepare(_ body: @escaping @Sendable () -> Void) {
        onPrepare = body
    }

    private func begin() {
        guard !isStarted, end == nil else { return }
        isStarted = true
        do throws(SystemError) {
            registration = try reactor.register(descriptor, .read) { readiness in
                self.assumeIsolated { $0.socketIsReady(readiness) }
            }
        } catch {
            machine.abort(.system(error))
        }
        handshakeTimer = reactor.schedule(at: .now + configuration.handshakeTimeout) {
            self.assumeIsolated { connection in
                connection.handshakeTimer = nil
                connection.machine.handshakeTimedOut()
                connection.obey()
            }
        }
        machine.start()
        obey()
    }

    // MARK: Handshake, ping, ending

    /// Waits until the handshake is complete: calls may be opened.
    public func handshake() async throws(ConnectionEnd) -> PeerDescription {
        typealias Waiter = CheckedContinuation<Result<PeerDescription, ConnectionEnd>, Never>
        return try await withCheckedContinuation { (continuation: Waiter) in
            if let peer {
                continuation.resume(returning: .success(peer))
            } else if let end {
                continuation.resume(returning: .failure(end))
            } else {
                let earlier = onHandshake
                onHandshake = { result in
                    earlier?(result)
                    continuation.resume(returning: result)
                }
            }
        }.get()
    }

    /// Child: initialised, after ``setOnPrepare(_:)``'s body was called.
    func ready() {
        machine.ready()
        finishHandshake()
        obey()
    }

    /// Child: initialisation failed.
    func failToInitialise(_ reason: String) {
        machine.failToInitialise(reason)
        obey()
    }

    /// Measures a round trip, past everything that waits.
    public func ping() async throws(ConnectionEnd) -> Duration {
        try await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Duration, ConnectionEnd>, Never>) in
            if let end {
                continuation.resume(returning: .failure(end))
                return
            }
            lastPing += 1
            machine.ping(lastPing)
            pingWaiters.append((lastPing, .now, continuation))
            obey()
        }.get()
    }

    /// Opens and takes no more calls; when those that run are done, the connection ends in order.
    public func drain() {
        machine.drain()
        obey()
    }

    /// Gives up the connection at once.
    public func abort() {
        if let unwrittenEnd { return finish(unwrittenEnd) }
        machine.abort()
        obey()
    }

    /// Waits until the connection is over.
    public func closed() async -> ConnectionEnd {
        await withCheckedContinuation { continuation in
            whenClosed { continuation.resume(returning: $0) }
        }
    }

    /// Calls `body` on the reactor when the connection is over, at once if it is.
    func whenClosed(_ body: @escaping (ConnectionEnd) -> Void) {
        if let end { return body(end) }
        let earlier = onEnd
        onEnd = { end in
            earlier?(end)
            body(end)
        }
    }

    /// Calls that are open now, in both directions.
    public var openCalls: Int { calls.count }

    /// The last 16 frames, a line each, the oldest first: "> DATA stream=1 length=262148, 1.250 s ago".
    public var recentFrames: [String] { recent.lines() }

    // MARK: Obeying the rules

    /// Does what the rules say, then writes what is to be written.
    ///
    /// Call after every change of the machine. Who calls again at once has the writing wait for that (`writes`: false).
    func obey(writes: Bool = true) {
        // A continuation never runs inside: actions of one turn are finished before the next begins.
        guard !isObeying else { return }
        isObeying = true
        defer { isObeying = false }
        repeat {
            while let action = machine.nextAction() { perform(action) }
            guard writes else { return }
            tellArrivals()
            if end == nil, machine.hasWork || !writer.isEmpty { flushOutput() }
        } while hasMoreToDo()
        if let unwrittenEnd, writer.isEmpty || isWritingOver { finish(unwrittenEnd) }
    }

    /// Wakes those for whom something has come when all that came with it is in its place: they would go back to sleep
    /// over the next part.
    private func tellArrivals() {
        guard !arrivals.isEmpty else { return }
        for arrival in arrivals {
            switch arrival {
            case .call(let call): configuration.onCall?(call)
            case .response(let response): response.wake()
            }
        }
        arrivals.removeAll(keepingCapacity: true)
    }

    private func hasMoreToDo() -> Bool {
        guard let action = machine.nextAction() else { return false }
        perform(action)
        return true
    }

    func finishHandshake() {
        guard peer == nil, machine.phase == .open else { return }
        if let handshakeTimer { reactor.cancel(handshakeTimer) }
        handshakeTimer = nil
        let description = PeerDescription(
            name: machine.peerName,
            pid: machine.peerPID,
            limits: machine.limits,
            canCompress: machine.canCompress,
            canShareMemory: machine.canShareMemory,
            canPassFiles: machine.canPassFiles
        )
        peer = description
        onHandshake.take()?(.success(description))
    }

    func prepare() {
        guard let onPrepare else {
            ready()
            return
        }
        onPrepare()
    }

    func receivePong(_ value: UInt64) {
        let now = ContinuousMoment.now
        for waiter in pingWaiters where waiter.0 <= value { waiter.2.resume(returning: .success(now - waiter.1)) }
        pingWaiters.removeAll { $0.0 <= value }
    }

    /// Ends the connection; an orderly one when the peer has been sent all of BYE.
    func close(_ reason: ConnectionEnd) {
        if reason == .orderly, !writer.isEmpty, !isWritingOver {
            unwrittenEnd = reason
        } else {
            finish(reason)
        }
    }

    /// Closes the socket and tells everybody.
    func finish(_ reason: ConnectionEnd) {
        guard end == nil else { return }
        flushOutput()
        end = reason
        if let registration { reactor.unregister(registration) }
        registration = nil
        if let handshakeTimer { reactor.cancel(handshakeTimer) }
        handshakeTimer = nil
        _ = Glibc.close(descriptor)
        descriptor = -1
        if let arenaTimer { reactor.cancel(arenaTimer) }
        arenaTimer = nil
        reader.descriptors.removeAll()
        writer.closeDescriptors()
        arenaDescriptor = nil
        trace?.end()
        trace = nil
        let records = calls.values
        calls.removeAll()
        for record in records {
            // A body that is here as a whole is still handed out.
            cancelHandler(record, .connection(reason), isDroppingInbound: false)
            record.forget()
        }
        onHandshake.take()?(.failure(reason))
        for waiter in pingWaiters { waiter.2.resume(returning: .failure(reason)) }
        pingWaiters.removeAll()
        onEnd.take()?(reason)
    }

    deinit {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        trace?.end()
    }
}
