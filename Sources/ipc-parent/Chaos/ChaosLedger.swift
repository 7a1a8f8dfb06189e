// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Supervisor

/// Keeps account of every call: each has one outcome, and each outcome its reason.
struct ChaosLedger {
    /// How a call came back to its caller.
    enum Outcome {
        case answer([UInt8])
        case failure(any Error)
    }

    /// A call whose outcome is as it should be, or what is wrong.
    enum Judgement: Equatable {
        case succeeded
        case explained(String)
        case wrong(String)
    }

    private(set) var succeeded = 0
    private(set) var explained = 0
    private(set) var lost = 0
    private(set) var doubled = 0
    /// What is wrong, at most this many of them in words.
    private(set) var findings: [String] = []
    /// The reasons, and how often each was given.
    private(set) var reasons: [String: Int] = [:]
    private var open: Set<Int> = []
    private var ends: [UInt64: Int] = [:]

    /// Calls that have been made and have not come back.
    var hung: Int { open.count }

    mutating func began(_ call: ChaosPlan.Call) { open.insert(call.number) }

    mutating func ended(_ call: ChaosPlan.Call, _ outcome: Outcome) {
        guard open.remove(call.number) != nil else {
            doubled += 1
            return find("call \(call.number) came back twice")
        }
        switch Self.judge(call, outcome) {
        case .succeeded: succeeded += 1
        case .explained(let reason):
            explained += 1
            reasons[reason, default: 0] += 1
        case .wrong(let what):
            lost += 1
            find("call \(call.number) (harm: \(call.harm?.rawValue ?? "none") while \(call.moment)): \(what)")
        }
    }

    /// Takes what the pool itself tells of its calls.
    mutating func heard(_ event: PoolEvent) {
        guard case .callEnded(let call, _, _, _, _) = event else { return }
        ends[call, default: 0] += 1
        guard ends[call] ?? 0 > 1 else { return }
        doubled += 1
        find("the pool ended its call \(call) twice")
    }

    mutating func find(_ what: String) {
        if findings.count < 50 { findings.append(what) }
    }

    static func judge(_ call: ChaosPlan.Call, _ outcome: Outcome) -> Judgement {
        switch outcome {
        case .answer(let bytes):
            guard bytes == call.body else { return .wrong("the answer is not what was sent: \(bytes.count) bytes") }
            guard call.harm?.sparesTheCall ?? true else { return .wrong("it succeeded in spite of its harm") }
            return .succeeded
        case .failure(let error as PoolError):
            if case .workerLost(let exit) = error, !call.allows(exit.reason) {
                return .wrong("this is not how its harm shows: \(exit)")
            }
            return judge(error)
        case .failure(CallError.failed(let remote)) where call.harm == .fail:
            return .explained("failed: \(remote.reason)")
        case .failure(let error): return .wrong("no reason of the supervisor's: \(error)")
        }
    }

    private static func judge(_ error: PoolError) -> Judgement {
        switch error {
        case .workerLost(let exit), .quarantined(let exit?):
            if case .unknown(let why) = exit.reason { return .wrong("the worker ended, and nobody knows why: \(why)") }
            return .explained("worker \(exit.reason.withoutFigures)")
        case .timedOut(whileRunning: true): return .explained("timed out")
        case .timedOut(whileRunning: false): return .explained("timed out before it began")
        case .stalled: return .explained("stalled")
        case .cancelled: return .explained("cancelled")
        case .quarantined(nil): return .explained("quarantined")
        case .breakerOpen: return .explained("breaker open")
        case .notStarted: return .explained("worker not started")
        case .queueFull: return .explained("queue full")
        case .stopped: return .wrong("the pool was stopped under it")
        }
    }
}

extension ChaosPlan.Call {
    /// Whether a worker may have ended so in the middle of the call: by the call's own harm, or by one from outside, or
    /// after its answer, that was meant for the call before.
    func allows(_ reason: ExitReason) -> Bool {
        switch reason {
        case .signalled(signal: 9, _), .stalled, .exited(code: Int(ChaosWorker.lateExitCode)): true
        case .exited: harm == .exit || harm == .half
        // A worker whose socket is closed behind its back traps, if it was about to use it.
        case .signalled: harm == .crash || harm == .close
        case .outOfMemory: harm == .oom
        case .protocolViolation: [.garbage, .half, .close].contains(harm)
        case .cancelled, .timedOut: harm == .hang
        case .outOfCPUTime, .handshakeFailed, .recycled, .parentShutdown, .unknown: false
        }
    }
}

extension ExitReason {
    /// The kind of reason, the same for ends of one kind.
    fileprivate var withoutFigures: String {
        switch self {
        case .outOfMemory: "ran out of memory"
        case .outOfCPUTime: "used up its processor time"
        case .protocolViolation: "broke the protocol"
        default: description
        }
    }
}
