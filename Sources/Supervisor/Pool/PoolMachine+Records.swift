// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension PoolMachine {
    /// What is known of a call.
    struct Call: Sendable {
        enum State: Sendable {
            case queued(FairQueue.Place)
            /// A suspect, in the queue for a worker of its own.
            case queuedAlone(FairQueue.Place)
            /// Between two attempts.
            case pausing
            case running(WorkerID)
            /// The attempt has ended with its connection; the worker's end is awaited.
            case lost(WorkerID, mayRetry: Bool)
            /// The worker has ended; the attempt's end is awaited.
            indirect case orphaned(Loss)
            /// It has its verdict, but its attempt takes up a slot of the worker.
            case ending(WorkerID, PoolCallEnd)
        }

        let traits: CallTraits
        let submitted: ContinuousMoment
        var state: State
        /// Attempts that a worker took.
        var attempt = 0
        var retriesUsed = 0
        /// Workers that it has cost.
        var kills = 0
        /// It was there when a worker ended unasked.
        var isSuspect = false
        var attemptBegan: ContinuousMoment
        var lastActivity: ContinuousMoment
        /// How long the attempts took that have ended.
        var ran = Duration.zero
    }

    /// The end of a worker, as it matters to a call that it had.
    struct Loss: Sendable {
        let exit: WorkerExit
        /// Nobody had told the worker to end.
        let isUnasked: Bool
        /// The worker had no other call.
        let wasAlone: Bool
    }

    /// What is known of a worker that has not exited.
    struct Worker: Sendable {
        enum Phase: Sendable, Equatable {
            case starting
            case ready
            case leaving
        }

        /// How it has been told to end.
        enum Order: Int, Sendable {
            case none
            case stop
            case terminate
        }

        let rule: RecycleRule
        let spawned: ContinuousMoment
        var phase = Phase.starting
        var order = Order.none
        var becameReady: ContinuousMoment?
        var idleSince: ContinuousMoment
        /// It has completed a call, or lived long enough.
        var isWell = false
        var callsDone = 0
        /// Calls that take up a slot.
        var calls: [CallID] = []
        /// It does a suspect, which nobody else's call should be near.
        var isExclusive = false
        var recycleReason: RecycleReason?
        /// Where it stands among those with room.
        var place: ReadyWorkers.Place?

        init(rule: RecycleRule, now: ContinuousMoment) {
            self.rule = rule
            spawned = now
            idleSince = now
        }

        mutating func take(_ call: CallID, alone: Bool) {
            calls.append(call)
            isExclusive = alone
        }

        /// Frees the slot of a call.
        mutating func release(_ call: CallID, now: ContinuousMoment) {
            guard let index = calls.firstIndex(of: call) else { return }
            calls.swapAt(index, calls.count - 1)
            calls.removeLast()
            if calls.isEmpty {
                isExclusive = false
                idleSince = now
            }
        }

        /// Puts it where it belongs among the workers with room.
        mutating func list(in ready: inout ReadyWorkers, as id: WorkerID, isReserved: Bool, slots: Int) {
            if let place { ready.remove(at: place) }
            let hasRoom = phase == .ready && recycleReason == nil && !isExclusive && !isReserved && calls.count < slots
            place = hasRoom ? ready.insert(id, load: calls.count) : nil
        }
    }
}

extension PoolMachine.Verdict {
    /// The verdict in one word.
    var end: PoolCallEnd {
        switch self {
        case .succeeded: .succeeded
        case .failed: .failed
        case .queueFull: .queueFull
        case .timedOut: .timedOut
        case .stalled: .stalled
        case .cancelled: .cancelled
        case .workerLost: .workerLost
        case .quarantined: .quarantined
        case .notStarted: .notStarted
        case .breakerOpen: .breakerOpen
        case .stopped: .stopped
        }
    }
}
