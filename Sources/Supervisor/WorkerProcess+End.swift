// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import IPCFrame

// From the end of the process to the telling of it.
extension WorkerProcess {
    /// The pidfd is readable: the process is a zombie, which keeps its number, and its group's, from being reused.
    func processEnded() {
        guard !hasEnded else { return }
        hasEnded = true
        unwatch()
        drainOutput()
        _ = sequence.receive(.exited, at: clock.observe(.now))
        let duration = ContinuousMoment.now - spawnedAt
        Task { await self.reap(after: duration) }
    }

    private func reap(after duration: Duration) async {
        // The order matters. All that the worker sent is read before anything is killed, and nothing is signalled once
        // the leader has been reaped.
        await link.drainInput()
        let aftermath = await Reaper.shared.endKin(of: rawPID, seen: kin)
        let (outcome, usage) = takeStatus()
        let orphans = Subreaper.isActive ? await Spawner.shared.ended(rawPID, counted: aftermath.others) : 0
        let lateEnd = await link.peerEnded()
        var record: Reaper.GroupRecord?
        if let memoryGroup {
            record = await Reaper.shared.finish(memoryGroup, of: rawPID, counted: aftermath.others)
        }
        await closeOutput()

        var classifier = ExitClassifier(outcome: outcome)
        classifier.stopCause = stopCause
        classifier.linkEnd = linkEnd ?? lateEnd
        classifier.memoryKill = memoryKill
        classifier.memoryLimit = configuration.memoryLimit
        classifier.controlGroupKills = record?.kills ?? 0
        classifier.allocationsFail = memoryEnforcement == .resourceLimit
        let peak = peak(usage, record)
        classifier.peakRSS = peak
        classifier.cpuLimit = configuration.limits.cpuSeconds.map { .seconds($0) }
        classifier.ownCPUTime = aftermath.cpuTime
        classifier.signalsSent = signalsSent
        classifier.standardErrorTail = capture.tail.tail

        var status: WorkerExit.Status?
        if case .status(let known) = outcome { status = known }
        finished(
            WorkerExit(
                reason: classifier.reason(),
                status: status,
                phase: stopCause != nil ? .stopping : isReady ? .ready : .starting,
                worker: name,
                pid: pid,
                duration: duration,
                cpuTime: usage.map { .microseconds(Int64(clamping: $0.cpu_microseconds)) },
                peakRSS: peak,
                standardErrorTail: capture.tail.tail,
                standardErrorBytes: capture.tail.total,
                signalsSent: signalsSent,
                straysKilled: aftermath.sessionStrays + aftermath.others.count + orphans + (record?.strays ?? 0),
                stallEvidence: stallEvidence,
                notes: notes
            )
        )
    }

    /// Reaps the process.
    ///
    /// From here on its number may be somebody else's.
    private func takeStatus() -> (ExitClassifier.Outcome, clinux_exit?) {
        guard let pidfd = pidfd.take() else { return (.lost(why: "its handle was gone"), nil) }
        var usage = clinux_exit()
        // Filled in by the call when it returns 1.
        let result = pidfd.withRawValue { unsafe clinux_reap($0, &usage) }
        guard result == 1 else {
            let cause =
                result == 0 ? "it was reported as ended, but lives" : "\(SystemError(call: "waitid", errno: -result))"
            return (
                .lost(why: "its exit status was taken by another part of this process, or discarded (\(cause))"), nil
            )
        }
        let code = Int(usage.status)
        return (
            .status(
                usage.is_signal != 0
                    ? .signalled(signal: code, dumpedCore: usage.dumped_core != 0) : .exited(code: code)
            ), usage
        )
    }

    private func peak(_ usage: clinux_exit?, _ record: Reaper.GroupRecord?) -> UInt64? {
        var figures = [peakRSS, record?.peak].compactMap { $0 }
        // The kernel's own figure starts at the parent's size across exec; only what is above that is the worker's.
        if let usage, usage.maximum_rss > inheritedPeak { figures.append(usage.maximum_rss) }
        return figures.max()
    }
}
