// SPDX-License-Identifier: Apache-2.0
internal import CLinux
public import IPCFrame

/// One supervised worker: its process, its connection, and the story of its end.
///
/// The process is watched from its spawn to its reaping whether or not anybody holds this object. It never ends without
/// ``waitForExit()`` telling why.
public actor WorkerProcess {
    /// Makes the connection over the parent's end of the socket.
    ///
    /// It must live on the same reactor.
    package typealias LinkFactory = @Sendable (consuming OwnedDescriptor, Reactor) -> any WorkerLink

    /// The process's number, as long as the worker has not ended.
    public nonisolated let pid: Int
    /// The last part of the program's path.
    public nonisolated let name: String
    /// What holds the worker to each thing that was asked of it.
    public nonisolated let enforcement: WorkerEnforcement
    /// What holds the worker to its memory limit.
    public nonisolated var memoryEnforcement: MemoryEnforcement { enforcement.memory }
    /// The thread on which this worker and its connection live.
    public nonisolated let reactor: Reactor
    package nonisolated let link: any WorkerLink

    let configuration: WorkerConfiguration
    let rawPID: Int32
    let memoryGroup: MemoryGroup?
    let inheritedPeak: UInt64
    let spawnedAt: ContinuousMoment
    let capture: OutputCapture

    // Supervision.
    var pidfd: OwnedDescriptor?
    var pidfdRegistration: Reactor.Registration?
    var clock = DeadlineClock()
    var sequence: StopSequence
    var timer: Reactor.TimerID?
    var startDeadline: ContinuousMoment?
    var pongDeadline: ContinuousMoment?
    var nextPing: ContinuousMoment?
    var nextSample: ContinuousMoment?

    // Output.
    var outputRegistration: Reactor.Registration?
    var relayedBytes = 0
    var isOutputPaused = false
    var flushWaiter: CheckedContinuation<Void, Never>?

    // Evidence.
    /// What descended from the worker when it was last looked at.
    var kin: Set<ProcessIdentity> = []
    var stallEvidence: StallEvidence?
    var isReady = false
    var stopCause: StopCause?
    var linkEnd: LinkEnd?
    var memoryKill: UInt64?
    var peakRSS: UInt64?
    var signalsSent: [Int] = []
    var notes: [String] = []

    /// The process has ended; what follows is bookkeeping.
    var hasEnded = false
    private(set) var exit: WorkerExit?
    private var exitWaiters: [CheckedContinuation<WorkerExit, Never>] = []
    private var readyWaiters: [CheckedContinuation<WorkerExit?, Never>] = []

    /// The reactor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }

    /// Starts a worker.
    ///
    /// On return its program runs, and the handshake has begun.
    package static func spawn(
        _ configuration: WorkerConfiguration,
        on reactor: Reactor,
        memoryBase: @autoclosure @Sendable () -> String? = MemoryGroup.systemBase,
        link: LinkFactory
    ) async throws(SpawnError) -> WorkerProcess {
        let (request, enforcement, group) = prepare(configuration, memoryBase: memoryBase)
        var child: SpawnedChild
        do throws(SpawnError) {
            child = try await Spawner.shared.spawn(request, joining: group)
        } catch {
            if let group { _ = await Reaper.shared.finish(group) }
            throw error
        }
        let worker = WorkerProcess(consume child, configuration, reactor, enforcement, group, link)
        try await worker.begin()
        return worker
    }

    private init(
        _ child: consuming SpawnedChild,
        _ configuration: WorkerConfiguration,
        _ reactor: Reactor,
        _ enforcement: MemoryEnforcement,
        _ group: MemoryGroup?,
        _ link: LinkFactory
    ) {
        let parts = child.parts()
        rawPID = parts.pid
        pid = Int(parts.pid)
        name = parts.path.split(separator: "/").last.map(String.init) ?? parts.path
        inheritedPeak = parts.inheritedPeak
        self.enforcement = WorkerEnforcement(configuration, memory: enforcement)
        memoryGroup = group
        self.reactor = reactor
        self.configuration = configuration
        spawnedAt = .now
        sequence = StopSequence(grace: configuration.grace)
        capture = OutputCapture(
            OwnedDescriptor(adopting: parts.output),
            wantsLines: configuration.standardError != nil
        )
        pidfd = OwnedDescriptor(adopting: parts.pidfd)
        self.link = link(OwnedDescriptor(adopting: parts.socket), reactor)
    }

    // MARK: Life

    /// Returns when the worker is ready for calls.
    ///
    /// - Throws: the story of its end, if it ends first.
    public func ready() async throws(WorkerExit) {
        // Tested inside: between a test before and the waiting, the worker could get ready (see Reactor).
        let early: WorkerExit? = await withCheckedContinuation { continuation in
            if isReady || exit != nil {
                continuation.resume(returning: exit)
            } else {
                readyWaiters.append(continuation)
            }
        }
        if let early { throw early }
    }

    /// Returns when the worker has ended, been reaped, and its last output been read.
    public func waitForExit() async -> WorkerExit {
        await withCheckedContinuation { continuation in
            if let exit { continuation.resume(returning: exit) } else { exitWaiters.append(continuation) }
        }
    }

    /// Asks the worker to end when it has done its work, and sees to it that it does: DRAIN, grace, SIGTERM, grace,
    /// SIGKILL.
    public func stop(_ cause: StopCause = .finished) { end(by: .stop, cause) }

    /// Tells the worker to end without asking first: SIGTERM, grace, SIGKILL.
    public func terminate(_ cause: StopCause) { end(by: .terminate, cause) }

    /// Ends the worker now: SIGKILL to all of its group.
    public func kill(_ cause: StopCause) { end(by: .kill, cause) }

    func becameReady() {
        guard !isReady, !hasEnded, !sequence.isStopping else { return }
        isReady = true
        startDeadline = nil
        // Who waits for it comes first.
        resumeReadyWaiters(nil)
        let now = clock.observe(.now)
        if let heartbeat = configuration.heartbeat { nextPing = now + heartbeat / 2 }
        reschedule()
        reactor.perform { self.assumeIsolated { $0.sampleMemory() } }
    }

    func finished(_ exit: WorkerExit) {
        precondition(self.exit == nil, "a worker ends once")
        self.exit = exit
        resumeReadyWaiters(exit)
        let waiters = exitWaiters
        exitWaiters = []
        for waiter in waiters { waiter.resume(returning: exit) }
    }

    private func resumeReadyWaiters(_ exit: WorkerExit?) {
        let waiters = readyWaiters
        readyWaiters = []
        for waiter in waiters { waiter.resume(returning: exit) }
    }
}
