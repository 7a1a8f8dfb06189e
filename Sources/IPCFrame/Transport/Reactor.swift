// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import Synchronization

/// One thread that waits for descriptors and timers, and runs the Swift jobs of the actors that live on it.
///
/// An actor whose `unownedExecutor` is a reactor is called back by its descriptors without a hop between threads. As a
/// `TaskExecutor` it also runs `Task(executorPreference: reactor) { … }`.
///
/// - A task that prefers any task executor is enqueued anew at each `await` in an actor here, even where the actor calls
///   itself; one without a preference is not. So an actor tests and waits in one step: it tests again inside the closure
///   of `withCheckedContinuation`.
/// - Nothing on a reactor may block: work that does belongs on another thread.
/// - Enqueuing never runs a job inline. Jobs run in rounds of at most 64, or a millisecond, between two polls.
/// - After ``stop()`` descriptors and timers are silent, but jobs that are enqueued still run.
/// - An actor must keep its reactor alive, as must everything that is registered with it.
public final class Reactor: SerialExecutor, TaskExecutor, Sendable {
    enum Work {
        /// Of an actor that lives here.
        case job(UnownedJob)
        /// Of a task that prefers to run here, in code that belongs to no actor.
        case taskJob(UnownedJob)
        case closure(@Sendable () -> Void)
    }

    /// What other threads may touch.
    private struct Inbox {
        enum Phase { case idle, running, stopping, stopped }

        var phase = Phase.idle
        var work: [Work] = []
        /// The thread is in `epoll_wait`, or about to be, and needs the eventfd to notice new work.
        var isSleeping = false

        /// Whether the thread has anything to do here.
        var hasNews: Bool { !work.isEmpty || phase != .running }
    }

    /// A reactor for those who do not care which; its thread starts at the first use.
    public static let shared: Reactor = {
        let reactor = Reactor()
        reactor.start()
        return reactor
    }()

    let name: String
    private let inbox = Mutex(Inbox())
    /// The identity of the thread that is the reactor now; 0 for none.
    private let thread = Atomic<UInt>(0)
    private let wakeup: Wakeup
    // Touched on the reactor's thread only; `loop` checks.
    private nonisolated(unsafe) let threadBound: ReactorLoop

    /// A reactor without a thread: see ``start()`` and ``runOnCurrentThread()``.
    ///
    /// Jobs that come earlier wait.
    ///
    /// - Precondition: the process may open two more descriptors.
    public init(name: String = "ipcframe") {
        self.name = name
        wakeup = Wakeup()
        unsafe threadBound = ReactorLoop(wakeup: wakeup.descriptor)
    }

    /// The state that belongs to the reactor's thread.
    var loop: ReactorLoop {
        precondition(isCurrent, "only the reactor's own thread may do this")
        return unsafe threadBound
    }

    // MARK: Life

    /// Gives the reactor a thread of its own, in which all signals are blocked.
    public func start() {
        begin()
        NamedThread.start(name) {
            self.poll()
            self.leave()
        }
    }

    /// Makes the calling thread the reactor until ``stop()``.
    ///
    /// Its signal mask stays as it is.
    public func runOnCurrentThread() {
        begin()
        poll()
        leave()
    }

    /// Ends polling.
    ///
    /// The thread leaves when no job is left; registrations and timers are dropped unfired.
    public func stop() {
        let (mustWake, mustRun) = inbox.withLock { inbox -> (Bool, Bool) in
            switch inbox.phase {
            case .idle:
                inbox.phase = inbox.work.isEmpty ? .stopped : .stopping
                return (false, !inbox.work.isEmpty)
            case .running:
                inbox.phase = .stopping
                defer { inbox.isSleeping = false }
                return (inbox.isSleeping, false)
            case .stopping, .stopped:
                return (false, false)
            }
        }
        if mustWake { wakeup.signal() }
        if mustRun { runLeftovers() }
    }

    /// Whether the caller is on the reactor's thread.
    public var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(clinux_thread_identity()) }

    // MARK: Executor

    /// Takes a job of an actor that lives here; it runs in a later round.
    public func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    /// Takes a job of a task that prefers this executor, likewise.
    ///
    /// Told apart, for the runtime must know as which of the two the thread runs it: what does not fit is enqueued anew, at
    /// each `await` (docs/decisions/0023).
    @_implements(TaskExecutor,enqueue(_:))
    public func enqueueTask(_ job: consuming ExecutorJob) { add(.taskJob(UnownedJob(job))) }

    /// Traps unless the caller is on the reactor's thread.
    public func checkIsolated() {
        precondition(isCurrent, "the code that called this belongs on the thread of reactor '\(name)'")
    }

    /// Tells the runtime whether the caller is on the reactor's thread.
    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    /// Runs `body` on the reactor, after what was enqueued before it from the same thread.
    package nonisolated func perform(_ body: @escaping @Sendable () -> Void) { add(.closure(body)) }

    private func add(_ work: Work) {
        if isCurrent {
            unsafe threadBound.pending.append(work)
            return
        }
        let (mustWake, mustRun) = inbox.withLock { inbox -> (Bool, Bool) in
            inbox.work.append(work)
            if inbox.phase == .stopped {
                inbox.phase = .stopping
                return (false, true)
            }
            defer { inbox.isSleeping = false }
            return (inbox.isSleeping, false)
        }
        if mustWake { wakeup.signal() }
        if mustRun { runLeftovers() }
    }

    /// Nobody polls any more, but a job that was promised a turn gets it: on a thread for just that.
    private func runLeftovers() {
        NamedThread.start(name) {
            self.enter()
            self.leave()
        }
    }

    // MARK: The thread

    private func begin() {
        inbox.withLock { inbox in
            precondition(inbox.phase == .idle, "a reactor starts once")
            inbox.phase = .running
        }
    }

    private func enter() {
        let previous = thread.exchange(UInt(clinux_thread_identity()), ordering: .acquiring)
        precondition(previous == 0, "a reactor has one thread")
    }

    private func poll() {
        enter()
        let loop = loop
        while wait(in: loop) {
            takeInbox(into: loop)
            loop.dispatchEvents()
            loop.fireTimers()
            loop.runRound(on: self)
        }
        loop.removeAll()
    }

    /// Fetches events; waits for them, or for work, if nothing is to be done.
    ///
    /// - Returns: false when polling is over.
    private func wait(in loop: ReactorLoop) -> Bool {
        let hasWork = !loop.pending.isEmpty || inbox.withLock { $0.hasNews }
        let hasFound = !hasWork && loop.polling.look { loop.look() || inbox.withLock { $0.hasNews } }
        let mayBlock = inbox.withLock { inbox -> Bool? in
            guard inbox.phase == .running else { return nil }
            inbox.isSleeping = inbox.work.isEmpty && !hasWork && !hasFound
            return inbox.isSleeping
        }
        guard let mayBlock else { return false }
        if !hasFound { loop.wait(mayBlock: mayBlock) }
        if !hasWork { loop.polling.end(at: clinux_monotonic_now()) }
        return true
    }

    /// Runs what is left, and then stops being the reactor, both without a gap into which a job could fall.
    private func leave() {
        let loop = loop
        while true {
            takeInbox(into: loop)
            while !loop.pending.isEmpty { loop.runRound(on: self) }
            let isDone = inbox.withLock { inbox in
                guard inbox.work.isEmpty else { return false }
                thread.store(0, ordering: .releasing)
                inbox.phase = .stopped
                return true
            }
            if isDone { return }
        }
    }

    private func takeInbox(into loop: ReactorLoop) {
        inbox.withLock { inbox in
            inbox.isSleeping = false
            guard !inbox.work.isEmpty else { return }
            for work in inbox.work { loop.pending.append(work) }
            inbox.work.removeAll(keepingCapacity: inbox.work.capacity <= 1024)
        }
    }
}

/// An eventfd that lives as long as its reactor.
private struct Wakeup: ~Copyable, Sendable {
    let descriptor: CInt

    init() {
        descriptor = clinux_eventfd_create()
        precondition(descriptor >= 0, "\(SystemError(call: "eventfd", errno: -descriptor))")
    }

    deinit { _ = close(descriptor) }

    func signal() {
        let result = clinux_eventfd_signal(descriptor)
        precondition(result == 0, "\(SystemError(call: "write(eventfd)", errno: -result))")
    }
}
