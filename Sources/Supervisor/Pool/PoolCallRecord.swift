// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension WorkerPool {
    /// What is wanted of a call.
    struct CallRequest: Sendable {
        let method: String
        let arguments: [Argument]
        let body: OutboundBody
        let options: PoolCallOptions

        var traits: PoolMachine.CallTraits {
            var traits = PoolMachine.CallTraits()
            traits.lane = options.lane
            traits.identity = options.identity
            traits.timeout = options.timeout
            traits.timeoutBeginsWithWorker = options.timeoutBeginsWithWorker
            traits.stallTimeout = options.stallTimeout
            traits.retry = options.retry
            return traits
        }
    }

    /// What the pool keeps of a call, until it is over and so is its last attempt.
    ///
    /// Touched on the pool's reactor only.
    final class CallRecord {
        let request: CallRequest
        let turns: TurnSlot
        /// When the time of its timeout began.
        private var beganAt = ContinuousMoment.now
        /// The attempt that runs.
        private(set) var attempt: PooledCall?
        /// Why the last attempt could not begin.
        private var notOpened: CallError?
        private var lastStatistics: CallStatistics?

        /// Who does it now, or did it last.
        private(set) var process: WorkerProcess?
        /// It has its verdict.
        private(set) var isFinished = false

        init(_ request: CallRequest, _ turns: TurnSlot) {
            self.request = request
            self.turns = turns
        }

        func begin(_ attempt: PooledCall, with process: WorkerProcess) {
            self.attempt = attempt
            self.process = process
            notOpened = nil
            turns.put(.run(attempt))
        }

        func failToBegin(_ error: CallError) { notOpened = error }

        func endAttempt() { attempt = nil }

        /// - Returns: an attempt that the caller did not hear of, and will not end.
        func finish(_ verdict: PoolMachine.Verdict) -> PooledCall? {
            isFinished = true
            var evidence = verdict == .stalled ? process?.assumeIsolated { $0.currentActivity } : nil
            evidence?.lastProgress = attempt?.outgoing.lastProgress
            let replaced = turns.put(.finished(verdict, evidence, notOpened: notOpened))
            guard case .run(let attempt) = replaced else { return nil }
            return attempt
        }

        /// For an attempt that begins now.
        func options(isFirst: Bool) -> CallOptions {
            if isFirst, request.options.timeoutBeginsWithWorker { beganAt = .now }
            var options = CallOptions()
            options.codec = request.options.codec
            options.delivery = request.options.delivery
            options.digest = request.options.digest
            options.timeout = request.options.timeout.map { max(.zero, $0 - (ContinuousMoment.now - beganAt)) }
            return options
        }

        /// How often it is to be looked at whether it moves; nil for a call that may stand still.
        var stallInterval: Duration? {
            guard attempt != nil, let timeout = request.options.stallTimeout else { return nil }
            return max(.milliseconds(1), min(.seconds(1), timeout / 4))
        }

        /// Whether it has moved since the last look, or is its caller's alone: a worker that is done stalls nothing.
        func hasMoved() -> Bool {
            if attempt?.outgoing.isOver == true { return true }
            let statistics = attempt?.outgoing.statistics
            defer { lastStatistics = statistics }
            return statistics != lastStatistics
        }
    }
}
