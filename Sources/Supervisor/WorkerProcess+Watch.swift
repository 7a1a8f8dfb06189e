// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import IPCFrame

// Deadlines, signs of life, memory, and the steps of the stop.
extension WorkerProcess {
    static let samplingInterval = Duration.milliseconds(250)

    /// Begins an end, or hardens one that has begun.
    func end(by event: StopSequence.Event, _ cause: StopCause) {
        guard !hasEnded else { return }
        // The first cause is the cause; but a worker that was only finished with may still be ended for a reason.
        if stopCause == nil || stopCause == .finished { stopCause = cause }
        perform(event)
    }

    func perform(_ event: StopSequence.Event) {
        guard !hasEnded else { return }
        let wasLeaving = sequence.isLeaving
        let action = sequence.receive(event, at: clock.observe(.now))
        if wasLeaving, action == .terminate, stopCause == nil {
            stopCause =
                isReady
                ? .protocolViolation("it closed its connection, but did not exit")
                : .handshakeFailed("it closed its connection before it was ready, but did not exit")
        }
        if sequence.isStopping { startDeadline = nil }
        // What a signal changes can be seen only before it.
        if action != nil { look() }
        switch action {
        case nil:
            break
        case .drain:
            Task { await link.drain() }
        case .terminate:
            signalGroup(SIGTERM)
            // One that was stopped (SIGSTOP, a terminal) does not even notice the signal before it goes on.
            signalGroup(SIGCONT)
        case .kill:
            signalGroup(SIGKILL)
        case .reportUnkillable:
            signalGroup(SIGKILL)
            let note = "SIGKILL had no effect for seconds: the process hangs in the kernel"
            notes.append(note)
            configuration.standardError?("\(name) (pid \(pid)): \(note)")
        }
        reschedule()
    }

    /// Looks at whom the worker has started, and, if it was too slow, at what it does.
    private func look() {
        if let stat = ProcessStat.read(pid: rawPID) {
            kin.formUnion(ProcessTree.descendants(of: ProcessIdentity(pid: rawPID, start: stat.start)))
        }
        if stallEvidence == nil, sequence.isTerminating, stopCause?.isSlowness == true {
            stallEvidence = currentActivity
        }
    }

    private func signalGroup(_ signal: CInt) {
        // Safe only before the leader is reaped: until then its number is nobody else's.
        guard !hasEnded else { return }
        sampleMemory()
        if signal != SIGCONT, signalsSent.count < 16 { signalsSent.append(Int(signal)) }
        let result = clinux_signal_group(rawPID, signal)
        if result != 0, result != -ESRCH {
            notes.append("\(SystemError(call: "kill", errno: -result)) for \(SignalName.of(Int(signal)))")
        }
    }

    // MARK: Timer

    /// Sets the one timer to the first thing that is due.
    func reschedule() {
        if let timer { reactor.cancel(timer) }
        timer = nil
        guard !hasEnded else { return }
        let moments = [sequence.nextWake, startDeadline, pongDeadline, nextPing, nextSample].compactMap { $0 }
        guard let first = moments.min() else {
            clock.willWake(at: nil)
            return
        }
        var wake = clock.real(first)
        // While a deadline runs, a look each second tells how long the supervisor itself was stopped.
        if sequence.isStopping || startDeadline != nil || pongDeadline != nil { wake = min(wake, .now + .seconds(1)) }
        clock.willWake(at: wake)
        timer = reactor.schedule(at: wake) { self.tick() }
    }

    private func tick() {
        timer = nil
        let now = clock.observe(.now)
        if let due = nextSample, due <= now {
            nextSample = now + Self.samplingInterval
            sampleMemory()
        }
        if let due = startDeadline, due <= now {
            startDeadline = nil
            end(by: .terminate, .timedOut(.start))
        }
        if let due = pongDeadline, due <= now {
            pongDeadline = nil
            end(by: .terminate, .stalled(.heartbeat))
        }
        if let due = nextPing, due <= now {
            nextPing = nil
            ping(at: now)
        }
        if let due = sequence.nextWake, due <= now { perform(.wake) }
        reschedule()
    }

    // MARK: Signs of life

    private func ping(at now: ContinuousMoment) {
        guard let heartbeat = configuration.heartbeat, isReady, linkEnd == nil, !sequence.isTerminating else { return }
        pongDeadline = now + heartbeat
        sampleMemory()
        Task {
            // Without an answer the connection has ended, and that is noticed as such.
            guard (try? await link.probe()) != nil else { return }
            gotPong()
        }
    }

    private func gotPong() {
        guard !hasEnded, linkEnd == nil else { return }
        pongDeadline = nil
        if let heartbeat = configuration.heartbeat { nextPing = clock.observe(.now) + heartbeat / 2 }
        reschedule()
    }

    /// What the worker is doing just now; nil when it has ended.
    var currentActivity: StallEvidence? {
        guard !hasEnded, var evidence = StallEvidence.read(pid: rawPID) else { return nil }
        // It lives on the same reactor.
        if let connection = link as? Connection { evidence.lastFrames = connection.assumeIsolated { $0.recentFrames } }
        return evidence
    }

    // MARK: Memory

    /// Looks at the worker's memory, and ends the worker if that is what keeps the limit.
    func sampleMemory() {
        guard !hasEnded, let status = ProcessStatus.read(pid: rawPID) else { return }
        if let peak = status.peakResidentSize { peakRSS = max(peakRSS ?? 0, peak) }
        guard memoryEnforcement == .resourceLimit, memoryKill == nil else { return }
        guard let limit = configuration.memoryLimit, let size = status.residentSize, size > limit else { return }
        memoryKill = size
        perform(.kill)
    }
}
