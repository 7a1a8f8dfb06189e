// SPDX-License-Identifier: Apache-2.0
import IPCFrame

extension JobRunMachine {
    mutating func advance(_ event: Event, now: ContinuousMoment) {
        switch event {
        case .start: if state == .idle { beginAttempt(now: now) }
        case .startFailed(let failure): startFailed(failure, now: now)
        case .ready: becomeReady(now: now)
        case .activity: touch(now: now)
        case .progress(let isFinal):
            self.isFinal = self.isFinal || isFinal
            refuseRetryAfterTrace()
            touch(now: now)
        case .resultLeft:
            hasResultLeft = true
            refuseRetryAfterTrace()
        case .completed(let exitCode, let reason): complete(exitCode: exitCode, reason: reason, now: now)
        case .callEnded(let end): endCall(end, now: now)
        case .resultPlaced: if state == .placing { leave(with: .succeeded, .stopWorker, now: now) }
        case .resultNotPlaced(let text):
            if state == .placing { leave(with: .outputFailed(text), .stopWorker, now: now) }
        case .workerGone(let end): loseWorker(end, now: now)
        case .inputFailed(let text): giveUp(.inputFailed(text), now: now)
        case .outputFailed(let text): giveUp(.outputFailed(text), now: now)
        case .resultReaderGone: giveUp(.resultReaderGone, now: now)
        case .cancel(let cancellation, let force): cancel(cancellation, force: force, now: now)
        case .wake: break
        }
    }

    mutating func pass(_ deadline: Deadlines.Kind, now: ContinuousMoment) {
        deadlines.clear(deadline)
        switch deadline {
        case .retry: beginAttempt(now: now)
        case .start: leave(with: .timedOut(.start), .terminateWorker, now: now)
        case .total where state == .starting: leave(with: .timedOut(.total), .terminateWorker, now: now)
        case .total: giveUp(.timedOut(.total), now: now)
        case .stall: giveUp(.stalled, now: now)
        case .grace:
            actions.append(.tell(.terminating))
            let hungUp = JobVerdict.protocolViolation(
                code: "connectionClosed",
                text: "the worker closed its connection but went on running"
            )
            leave(with: verdict ?? hungUp, .terminateWorker, now: now)
        }
    }

    private mutating func beginAttempt(now: ContinuousMoment) {
        attempt += 1
        verdict = nil
        workerEnd = nil
        state = .starting
        deadlines.clearAll()
        deadlines.set(.start, after: policy.startTimeout, now: now)
        deadlines.set(.total, after: policy.timeout, now: now)
        actions.append(.spawn(attempt: attempt))
    }

    private mutating func startFailed(_ failure: JobStartFailure, now: ContinuousMoment) {
        switch state {
        case .starting: conclude(with: .notStarted(failure), now: now)
        case .leaving: conclude(with: verdict ?? .notStarted(failure), now: now)
        default: break
        }
    }

    private mutating func becomeReady(now: ContinuousMoment) {
        guard state == .starting else { return }
        state = .calling
        deadlines.clear(.start)
        deadlines.set(.stall, after: policy.stallTimeout, now: now)
        actions.append(.openCall)
    }

    private mutating func touch(now: ContinuousMoment) {
        guard state == .calling else { return }
        deadlines.set(.stall, after: policy.stallTimeout, now: now)
    }

    private mutating func complete(exitCode: Int32, reason: String?, now: ContinuousMoment) {
        switch state {
        case .calling: break
        case .cancelling:
            // It was done before it heard of our wish. Without an input or an output of ours it is not done, though.
            if let verdict, verdict.isOurFault { return leave(with: verdict, .stopWorker, now: now) }
        default: return
        }
        hasCompleted = true
        deadlines.clearAll()
        if exitCode == 0 {
            state = .placing
            actions.append(.placeResult)
        } else {
            // The result is whole, but its maker says that it failed: nothing may appear under the target's name.
            let text = reason ?? "the job ended with code \(exitCode)"
            let failure = JobFailure(code: "exitCode", exitCode: exitCode, text: text)
            leave(with: .failed(failure), .stopWorker, now: now)
        }
    }

    private mutating func endCall(_ end: CallEnd, now: ContinuousMoment) {
        switch state {
        case .starting, .calling: break
        case .cancelling(let patiently):
            if patiently, case .failed(let failure) = end { verdict = .failed(failure) }
            leave(with: verdict ?? .unknown("the call ended"), .stopWorker, now: now)
            return
        default: return
        }
        switch end {
        case .failed(let failure): leave(with: .failed(failure), .stopWorker, now: now)
        case .rejected(let text):
            // It reads why, and exits by itself.
            leave(with: .protocolViolation(code: "rejected", text: text), nil, now: now)
        case .protocolViolation(let code, let text):
            leave(with: .protocolViolation(code: code, text: text), .stopWorker, now: now)
        case .connectionLost, .cancelled: leave(with: nil, nil, now: now)
        }
    }

    private mutating func loseWorker(_ end: WorkerEnd, now: ContinuousMoment) {
        switch state {
        case .starting, .calling, .placing:
            // What it sent before may still be on its way through us.
            guard workerEnd == nil else { return }
            workerEnd = end
            actions.append(.hangUp)
        case .cancelling: conclude(with: verdict ?? Self.verdict(of: end), now: now)
        case .leaving:
            let ended = Self.verdict(of: end)
            if verdict == .succeeded, end != .exited(code: 0), end != .stopped {
                actions.append(.tell(.workerEndedBadly(ended)))
            }
            conclude(with: verdict ?? ended, now: now)
        case .idle, .waitingToRetry, .finished: break
        }
    }

    /// Cancels a call for a reason of ours.
    private mutating func giveUp(_ reason: JobVerdict, now: ContinuousMoment) {
        switch state {
        case .calling: break
        case .starting: return leave(with: reason, .terminateWorker, now: now)
        case .waitingToRetry: return conclude(with: reason, now: now)
        default: return
        }
        // Nobody is left to be cancelled.
        if workerEnd != nil { return conclude(with: reason, now: now) }
        verdict = reason
        state = .cancelling(patiently: isFinal)
        deadlines.clear(.total, .stall)
        deadlines.set(.grace, after: policy.grace, now: now)
        if isFinal {
            actions.append(.tell(.tooLateToCancel(reason, grace: policy.grace)))
        } else {
            actions += [.tell(.cancelling(reason, grace: policy.grace)), .cancelCall]
        }
    }

    private mutating func cancel(_ reason: JobCancellation, force: Bool, now: ContinuousMoment) {
        cancellation = cancellation ?? reason
        switch state {
        case .idle: conclude(with: .cancelled(reason), now: now)
        case .waitingToRetry: conclude(with: .cancelled(reason), now: now)
        case .starting: leave(with: .cancelled(reason), force ? .killWorker : .terminateWorker, now: now)
        case .calling where force: leave(with: .cancelled(reason), .killWorker, now: now)
        case .calling: giveUp(.cancelled(reason), now: now)
        case .cancelling where force: leave(with: verdict ?? .cancelled(reason), .killWorker, now: now)
        case .leaving where verdict == nil: leave(with: .cancelled(reason), force ? .killWorker : .stopWorker, now: now)
        case .leaving where force: actions.append(.killWorker)
        case .cancelling, .placing, .leaving, .finished: break
        }
    }

    /// The call is over; only the worker's end is outstanding, which gives the verdict if there is none.
    private mutating func leave(with verdict: JobVerdict?, _ action: Action?, now: ContinuousMoment) {
        self.verdict = verdict
        deadlines.clearAll()
        state = .leaving
        if let workerEnd {
            return conclude(with: verdict ?? Self.verdict(of: workerEnd), now: now)
        }
        if let action {
            actions.append(action)
        } else {
            // Without a verdict whoever watches the process acts first, and has the better reason; this is for the rest.
            let patience = verdict == nil ? policy.grace * 3 + .seconds(5) : policy.grace
            deadlines.set(.grace, after: patience, now: now)
        }
    }

    /// News of a trace that came after its attempt had been given up.
    private mutating func refuseRetryAfterTrace() {
        guard state == .waitingToRetry, isFinal || hasResultLeft, let verdict else { return }
        finish(verdict)
    }

    /// No worker is left: tries again, or ends the run.
    private mutating func conclude(with verdict: JobVerdict, now: ContinuousMoment) {
        deadlines.clearAll()
        if verdict != .succeeded { actions.append(.discardResult) }
        if verdict.isWorthRetrying, attempt <= policy.retries, !isFinal, !hasResultLeft {
            if let cancellation { return finish(.cancelled(cancellation)) }
            let delay = retryDelay
            state = .waitingToRetry
            self.verdict = verdict
            deadlines.set(.retry, after: delay, now: now)
            let notice = JobNotice.retrying(verdict, attempt: attempt + 1, of: policy.retries + 1, delay: delay)
            actions.append(.tell(notice))
        } else {
            finish(verdict)
        }
    }

    private mutating func finish(_ verdict: JobVerdict) {
        state = .finished
        actions.append(.finish(verdict, commitUnknown: isFinal && !hasCompleted && !verdict.isWorkersWord))
    }

    private var retryDelay: Duration {
        let doublings = min(attempt - 1, 20)
        return min(policy.retryDelay * (1 << doublings), policy.longestRetryDelay)
    }

    static func verdict(of end: WorkerEnd) -> JobVerdict {
        switch end {
        case .exited(let code): .workerExited(code: code)
        case .killed(let signal, let dumpedCore): .workerKilled(signal: signal, dumpedCore: dumpedCore)
        case .outOfMemory(let evidence): .outOfMemory(evidence: evidence)
        case .outOfCPUTime(let evidence): .outOfCPUTime(evidence: evidence)
        case .timedOut(let deadline): .timedOut(deadline)
        case .protocolViolation(let code, let text): .protocolViolation(code: code, text: text)
        case .stopped: .unknown("the worker was stopped")
        case .unknown(let text): .unknown(text)
        }
    }
}

extension JobVerdict {
    /// The worker died or was too slow, or says that it may go better the next time.
    fileprivate var isWorthRetrying: Bool {
        switch self {
        case .workerExited, .workerKilled, .outOfMemory, .outOfCPUTime, .timedOut, .stalled: true
        case .failed(let failure): failure.isRetryable
        default: false
        }
    }

    /// An input or an output of ours failed: the job cannot be called done whatever its worker says.
    fileprivate var isOurFault: Bool {
        switch self {
        case .inputFailed, .outputFailed, .resultReaderGone: true
        default: false
        }
    }

    /// The worker itself said how the job ended.
    package var isWorkersWord: Bool {
        switch self {
        case .succeeded, .failed: true
        default: false
        }
    }
}
