// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import IPCFrame

extension WorkerProcess {
    /// RLIMIT_DATA is set this far above the limit, since it also counts what is never touched: the stacks of threads,
    /// and the pools of the allocator.
    static let dataHeadroom: UInt64 = 64 << 20

    static func prepare(
        _ configuration: WorkerConfiguration,
        memoryBase: () -> String?
    ) -> (SpawnRequest, MemoryEnforcement, MemoryGroup?) {
        var request = SpawnRequest(program: configuration.executable)
        request.arguments = configuration.arguments
        request.inheritedEnvironment = configuration.inheritedEnvironment
        request.environment = configuration.environment
        request.workingDirectory = configuration.workingDirectory
        request.nice = configuration.nice
        request.user = configuration.user
        request.group = configuration.group
        request.noNewPrivileges = configuration.noNewPrivileges
        request.limits = configuration.limits.forTheKernel
        guard let limit = configuration.memoryLimit else { return (request, .none, nil) }
        if let memoryBase = memoryBase() {
            let name = "ipcframe-\(clinux_own_pid())-\(clinux_monotonic_now())"
            if let group = MemoryGroup.make(in: memoryBase, name: name, limit: limit) {
                return (request, .controlGroup, group)
            }
        }
        let (ceiling, overflow) = limit.addingReportingOverflow(dataHeadroom)
        request.limits.append(.data(overflow ? .max : ceiling))
        return (request, .resourceLimit, nil)
    }

    /// Puts the new process under watch.
    func begin() async throws(SpawnError) {
        do throws(SystemError) {
            try watchProcess()
            try watchOutput()
        } catch {
            hasEnded = true
            unwatch()
            if let pidfd = pidfd.take() { await Reaper.shared.abandon(rawPID, pidfd) }
            if Subreaper.isActive { _ = await Spawner.shared.ended(rawPID, counted: []) }
            await link.abort()
            throw SpawnError(
                .system,
                program: configuration.executable,
                detail: "its end could not be watched for",
                cause: error
            )
        }
        let now = clock.observe(.now)
        startDeadline = now + configuration.startTimeout
        if memoryEnforcement == .resourceLimit { nextSample = now }
        reschedule()
        await link.start()
        // Both end with the connection, which ends with the process.
        Task { await self.followHandshake() }
        Task { await self.followLink() }
    }

    private func watchProcess() throws(SystemError) {
        guard let descriptor = pidfd?.withRawValue({ $0 }) else { return }
        pidfdRegistration = try reactor.register(descriptor, .read) { _ in self.processEnded() }
    }

    private func watchOutput() throws(SystemError) {
        guard let descriptor = capture.rawDescriptor else { return }
        outputRegistration = try reactor.register(descriptor, .read) { _ in self.outputIsReadable() }
    }

    private func followHandshake() async {
        // A failure ends the connection, and how that ended says more: see followLink.
        guard (try? await link.becomeReady()) != nil else { return }
        becameReady()
    }

    private func followLink() async {
        let end = await link.ended()
        guard linkEnd == nil else { return }
        linkEnd = end
        guard !hasEnded else { return }
        sampleMemory()
        nextPing = nil
        pongDeadline = nil
        switch end {
        case .violation(let what): self.end(by: .terminate, .protocolViolation(what))
        case .handshakeTimedOut: self.end(by: .terminate, .timedOut(.start))
        case .notReading: self.end(by: .terminate, .stalled(.heartbeat))
        case .failed(let what): self.end(by: .terminate, .connectionFailed(what))
        case .rejected(let why): self.end(by: .connectionEnded, .handshakeFailed(why))
        case .orderly, .vanished, .aborted: perform(.connectionEnded)
        }
    }

    func unwatch() {
        if let registration = pidfdRegistration { reactor.unregister(registration) }
        if let registration = outputRegistration { reactor.unregister(registration) }
        if let timer { reactor.cancel(timer) }
        (pidfdRegistration, outputRegistration, timer) = (nil, nil, nil)
    }
}
