// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// Runs a pool over workers that come to harm, and keeps the account.
final class ChaosRun: Sendable {
    /// What is run.
    struct Settings: Sendable {
        var seed: UInt64
        var calls: Int
        var rates: [ChaosHarm: Double]
        var configuration: PoolConfiguration
        /// Marks the processes of the run; see ``ChaosLeftovers``.
        var token: String
        /// The method that is called; answers with the body that it gets.
        var method: String
        var callTimeout = Duration.seconds(2)
        var retries = 0
        /// Told how many calls have come back.
        var progress: @Sendable (Int) -> Void = { _ in }
    }

    /// How long after the last sign of life a call counts as hung.
    private static let patience = Duration.seconds(30)

    private let settings: Settings
    private let ledger = Mutex(ChaosLedger())
    private let processes = ProcessHandles()

    init(_ settings: Settings) { self.settings = settings }

    /// Makes all calls and stops the pool; tells the account when everything has ended, or has not, and what is left.
    func run() async -> (ledger: ChaosLedger, left: [String]) {
        var leftovers = ChaosLeftovers(token: settings.token)
        var configuration = settings.configuration
        configuration.observer = { event, _ in
            self.processes.hear(event)
            self.ledger.withLock { $0.heard(event) }
        }
        let pool = WorkerPool(configuration)
        await makeCalls(pool, &leftovers)
        await within(Self.patience, "the pool has not stopped") { await pool.stop() }
        // Pools of threads and of memory settle.
        try? await Task.sleep(for: .milliseconds(100))
        return (ledger.withLock { $0 }, leftovers.find())
    }

    private func makeCalls(_ pool: WorkerPool, _ leftovers: inout ChaosLeftovers) async {
        var plan = ChaosPlan(seed: settings.seed, rates: settings.rates)
        let gate = CallGate(limit: 2 * settings.configuration.policy.maximumWorkers)
        let warmUp = max(50, settings.calls / 5)
        for number in 1...settings.calls {
            let call = plan.nextCall()
            guard await within(Self.patience, "no call came back", { await gate.enter() }) else { return }
            ledger.withLock { $0.began(call) }
            Task {
                let outcome = await self.make(call, pool)
                let done = self.ledger.withLock { ledger in
                    ledger.ended(call, outcome)
                    return ledger.succeeded + ledger.explained + ledger.lost
                }
                self.settings.progress(done)
                gate.leave()
            }
            if number == warmUp { leftovers.noteMemory() }
        }
        await within(Self.patience, "the last calls did not come back") { await gate.waitUntilEmpty() }
    }

    private func make(_ call: ChaosPlan.Call, _ pool: WorkerPool) async -> ChaosLedger.Outcome {
        var options = PoolCallOptions()
        options.timeout = settings.callTimeout
        options.retry.retries = settings.retries
        options.retry.first = .milliseconds(10)
        var arguments: [Argument] = []
        if settings.method == ChaosWorker.method {
            arguments = [Argument("work", "\(call.work)"), Argument("moment", call.moment.rawValue)]
            if let harm = call.harm { arguments.append(Argument("harm", harm.rawValue)) }
        }
        let body = call.body
        let task = Task { [arguments, options, processes, settings] in
            try await pool.withCall(settings.method, arguments: arguments, body: .bytes(body), options: options) {
                attempt in
                if let signal = call.harm?.signal {
                    processes.send(signal, to: attempt.worker, after: .milliseconds(call.delay))
                }
                return try await attempt.response().body.collect(upTo: UInt64(body.count))
            }
        }
        if call.harm == .cancel {
            Task {
                try? await Task.sleep(for: .milliseconds(call.delay))
                task.cancel()
            }
        }
        switch await task.result {
        case .success(let bytes): return .answer(bytes)
        case .failure(let error): return .failure(error)
        }
    }

    /// False, with a finding, when `body` has not returned in time; it is left to itself then.
    @discardableResult
    private func within(
        _ time: Duration,
        _ finding: String,
        _ body: @escaping @Sendable () async -> Void
    ) async -> Bool {
        let done = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
            let answer = Answer(continuation)
            Task {
                await body()
                answer.give(true)
            }
            Task {
                try? await Task.sleep(for: time)
                answer.give(false)
            }
        }
        if !done { ledger.withLock { $0.find("\(finding) within \(time)") } }
        return done
    }
}

/// A continuation that the first of several may resume.
private final class Answer: Sendable {
    private let continuation: Mutex<CheckedContinuation<Bool, Never>?>

    init(_ continuation: CheckedContinuation<Bool, Never>) { self.continuation = Mutex(continuation) }

    func give(_ value: Bool) { continuation.withLock { $0.take() }?.resume(returning: value) }
}

extension ChaosHarm {
    /// What is sent to the worker from outside.
    fileprivate var signal: CInt? {
        switch self {
        case .kill: SIGKILL
        case .stop: SIGSTOP
        default: nil
        }
    }
}

/// The workers' processes, held so that a signal can only meet the process that it is for.
private final class ProcessHandles: Sendable {
    private let handles = Mutex<[UInt64: Handle]>([:])

    private final class Handle: Sendable {
        let pidfd: CInt
        init(_ pidfd: CInt) { self.pidfd = pidfd }
        deinit { close(pidfd) }
    }

    func hear(_ event: PoolEvent) {
        switch event {
        case .workerSpawned(let worker, let pid):
            let pidfd = clinux_open_process(pid_t(pid))
            if pidfd >= 0 { handles.withLock { $0[worker] = Handle(pidfd) } }
        case .workerEnded(let worker, _): handles.withLock { $0[worker] = nil }
        default: break
        }
    }

    func send(_ signal: CInt, to worker: UInt64, after delay: Duration) {
        guard let handle = handles.withLock({ $0[worker] }) else { return }
        Task {
            try? await Task.sleep(for: delay)
            _ = clinux_signal_process(handle.pidfd, signal)
        }
    }
}

/// Lets so many calls run at a time.
private final class CallGate: Sendable {
    private struct State {
        var running = 0
        var entrance: CheckedContinuation<Void, Never>?
        var exit: CheckedContinuation<Void, Never>?
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// For one task.
    func enter() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.running >= limit {
                    state.entrance = continuation
                    return false
                }
                state.running += 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    func leave() {
        let (entrance, exit) = state.withLock { state in
            let entrance = state.entrance.take()
            // Whoever waits takes the place.
            if entrance == nil { state.running -= 1 }
            return (entrance, state.running == 0 ? state.exit.take() : nil)
        }
        entrance?.resume()
        exit?.resume()
    }

    func waitUntilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.running > 0 { state.exit = continuation }
                return state.running == 0
            }
            if isEmpty { continuation.resume() }
        }
    }
}
