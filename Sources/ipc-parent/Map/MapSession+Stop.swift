// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor

// The end before the end.
extension MapSession {
    func hear(_ event: PoolEvent) {
        guard let end = starts.hear(event), stopped == nil, !isOver else { return }
        stop(.noWorker(PooledJobEnd(end)))
    }

    func stop(_ reason: MapStop) {
        guard stopped == nil else { return }
        stopped = reason
        // What is committing is left to end.
        let committing = running.values.count { $0.call.isFinal }
        let cancelled = running.values.count { $0.call.isBegun } - committing
        for file in running.values where !file.call.isFinal { file.task.cancel() }
        let rest = committing == 0 ? "" : "; \(committing) are committing, and are left to end"
        switch reason {
        case .signal(let number):
            // A reader that reads no more would hold up the end for ever.
            let deadline = ContinuousMoment.now + settings.pool.policy.cancelGrace
            _ = reactor.schedule(at: deadline) { self.assumeIsolated { $0.giveOutputUp() } }
            let hint = number == SIGINT ? " (Ctrl-C again: at once)" : ""
            let grace = NumberText.span(settings.pool.policy.cancelGrace)
            console.notice(
                "\(reason.verdict.text): \(cancelled) calls are asked to end, for up to \(grace)\(rest)\(hint)"
            )
        case .failure: console.notice("a file failed: \(cancelled) calls are asked to end\(rest)")
        case .outputFailed(let text): console.notice("\(text): \(cancelled) calls are asked to end\(rest)")
        case .noWorker: console.failure("map: \(reason.reason.text)", evidence: reason.evidence)
        case .readerGone: break
        }
    }

    // MARK: Signals

    /// Called on the signals' own thread.
    nonisolated func receive(_ wish: SignalWatch.Wish) {
        if wish == .stopping {
            // The process stands still when this returns: the line must be free by then.
            console.bar("", columns: 0)
            console.waitUntilWritten(atMost: .milliseconds(200))
            return
        }
        reactor.perform { self.assumeIsolated { $0.obey(wish) } }
    }

    private func obey(_ wish: SignalWatch.Wish) {
        switch wish {
        case .end(let signal): end(signal)
        case .status:
            measure()
            console.lines([meter.line(now: .now)])
        case .continued: console.forgetBar()
        case .stopping: break
        }
    }

    private func end(_ signal: CInt) {
        ends += 1
        if ends > 2 { endNow(signal) }
        if ends == 1, !isOver { stop(.signal(signal)) }
        guard ends == 2 else { return }
        console.notice("ending at once")
        giveOutputUp()
        guard let pool else { return }
        Task { await pool.kill() }
    }

    /// Somebody has asked three times: not even the workers' ends are waited for.
    private func endNow(_ signal: CInt) -> Never {
        for file in running.values { file.call.abandon() }
        console.finish()
        _exit(SupervisorExitCode.signalBase + signal)
    }
}
