// SPDX-License-Identifier: Apache-2.0
public import IPCFrame
internal import Synchronization

/// Workers that do calls, as many as are needed and allowed.
///
/// A call goes to the worker with the least to do; a crash costs the call that it hit, with its reason, and no other; what
/// ends is replaced, but not in a storm. What happens when is decided by ``PoolMachine``; this does as it is told.
///
/// End a pool with ``drain()``, ``stop()`` or ``kill()``: its workers live as long as it does.
public actor WorkerPool {
    /// A worker, from the order to start it to its exit.
    struct Worker {
        var process: WorkerProcess?
        /// An end that was ordered before there was a process.
        var earlyOrder: PoolMachine.Action?
        var sampledAt: ContinuousMoment?
    }

    /// The thread on which the pool, its workers and their connections live.
    public nonisolated let reactor: Reactor
    nonisolated let configuration: PoolConfiguration

    var machine: PoolMachine
    var workers: [PoolMachine.WorkerID: Worker] = [:]
    var calls: [PoolMachine.CallID: CallRecord] = [:]
    nonisolated let lastCall = Atomic<PoolMachine.CallID>(0)
    var stallWatch: (id: Reactor.TimerID, interval: Duration)?
    private var isStarted = false
    private var clock = DeadlineClock()
    private var timer: (id: Reactor.TimerID, moment: ContinuousMoment)?
    private var listeners = PoolListeners()
    private var endWaiters: [CheckedContinuation<Void, Never>] = []

    /// The reactor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }

    /// A pool without workers yet: the first call, or ``start()``, brings them.
    ///
    /// - Precondition: the policy makes sense: 1 worker or more, a minimum not above the maximum, 1 call a worker or more,
    ///   no negative limit.
    public init(_ configuration: PoolConfiguration, on reactor: Reactor = .shared) {
        self.configuration = configuration
        self.reactor = reactor
        machine = PoolMachine(policy: configuration.policy, seed: configuration.seed ?? .random(in: 0...UInt64.max))
        listeners.log = configuration.logger.map(PoolLog.init)
        listeners.observer = configuration.observer
    }

    // MARK: Life

    /// Starts the minimum of workers, without waiting for them.
    public func start() {
        guard !isStarted else { return }
        isStarted = true
        handle(.start)
    }

    /// Takes no more calls, does those that it has, stops the workers in order, and returns when all have ended.
    public func drain() async { await end(.drain) }

    /// Fails what waits, cancels what runs, tells the workers to end, and returns when all have ended.
    ///
    /// Each worker has its `grace` before it is killed.
    public func stop() async { await end(.stop) }

    /// Fails what is there, kills the workers, and returns when all have ended: for one who cannot wait.
    public func kill() async {
        isStarted = true
        handle(.stop)
        for id in workers.keys.sorted() { endWorker(id, .killWorker(id, .parentShutdown)) }
        await ended()
    }

    private func end(_ event: PoolMachine.Event) async {
        isStarted = true
        handle(event)
        await ended()
    }

    /// Returns when the pool has ended, by ``drain()`` or ``stop()``, and so have all its workers.
    public func ended() async {
        await withCheckedContinuation { continuation in
            if machine.isFinished { continuation.resume() } else { endWaiters.append(continuation) }
        }
    }

    /// What happens in the pool from now on, for one reader.
    ///
    /// At most `limit` events wait for a slow reader, the newest. Ends with the pool.
    public func events(buffering limit: Int = 1_024) -> AsyncStream<PoolEvent> {
        listeners.add(buffering: limit) { number in
            self.reactor.perform { self.assumeIsolated { $0.listeners.remove(number) } }
        }
    }

    /// How much there is to do, and who does it.
    public var statistics: PoolStatistics { PoolStatistics(machine) }

    // MARK: The machine

    /// Gives an event to the machine and does what it answers.
    func handle(_ event: PoolMachine.Event) {
        var verdicts: [(PoolMachine.CallID, PoolMachine.Verdict)] = []
        for action in machine.handle(event, now: clock.observe(.now)) {
            if case .finish(let id, let verdict) = action { verdicts.append((id, verdict)) } else { obey(action) }
        }
        // Last: who is told of his call finds it among the events.
        for (id, verdict) in verdicts { finish(id, verdict) }
        reschedule()
    }

    private func obey(_ action: PoolMachine.Action) {
        switch action {
        case .spawn(let id): beginWorker(id)
        case .dispatch(let id, let worker, let attempt): dispatch(id, to: worker, attempt: attempt)
        case .cancelCall(let id, _): calls[id]?.attempt?.outgoing.cancel()
        case .stopWorker(let id, _), .terminateWorker(let id, _), .killWorker(let id, _): endWorker(id, action)
        case .finish: preconditionFailure("verdicts are told last")
        case .tell(let event): tell(event)
        case .finished: finish()
        }
    }

    func tell(_ event: PoolEvent) { listeners.tell(event, PoolStatistics(machine)) }

    /// Sets the timer if something is due earlier than it; one that is too early does no harm.
    private func reschedule() {
        guard let next = machine.nextWake else { return }
        var wake = clock.real(next)
        // While calls are there, a look each second tells how long this process itself was stopped.
        if !calls.isEmpty { wake = min(wake, .now + .seconds(1)) }
        if let timer {
            guard wake < timer.moment else { return }
            reactor.cancel(timer.id)
        }
        clock.willWake(at: wake)
        timer = (reactor.schedule(at: wake) { self.assumeIsolated { $0.wake() } }, wake)
    }

    private func wake() {
        timer = nil
        // What has moved since the last look, which may have been long ago on a busy machine, has not stalled.
        if stallWatch != nil { noteActivity() }
        handle(.wake)
        if timer == nil { clock.willWake(at: nil) }
    }

    private func finish() {
        listeners.end()
        if let timer { reactor.cancel(timer.id) }
        timer = nil
        let waiters = endWaiters
        endWaiters = []
        for waiter in waiters { waiter.resume() }
    }
}
