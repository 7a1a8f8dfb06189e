// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Synchronization
import Testing

@testable import Supervisor
@testable import ipc_parent

/// What a pool has told so far.
final class PoolRecord: Sendable {
    private struct Waiter: Sendable {
        let count: Int
        let isMeant: @Sendable (PoolEvent) -> Bool
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State: Sendable {
        var events: [PoolEvent] = []
        var waiters: [Waiter] = []
    }

    private let state = Mutex(State())

    var events: [PoolEvent] { state.withLock { $0.events } }

    @Sendable func hear(_ event: PoolEvent, _ statistics: PoolStatistics) {
        let heard = state.withLock { state in
            state.events.append(event)
            let events = state.events
            let heard = state.waiters.filter { waiter in events.count(where: waiter.isMeant) >= waiter.count }
            state.waiters.removeAll { waiter in events.count(where: waiter.isMeant) >= waiter.count }
            return heard
        }
        for waiter in heard { waiter.continuation.resume() }
    }

    /// Waits until so many such events have been told, and returns them.
    @discardableResult
    func wait(_ count: Int = 1, for isMeant: @escaping @Sendable (PoolEvent) -> Bool) async -> [PoolEvent] {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.events.count(where: isMeant) >= count { return true }
                state.waiters.append(Waiter(count: count, isMeant: isMeant, continuation: continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
        return events.filter(isMeant)
    }

    /// Waits until so many workers have ended, and returns how.
    func ends(_ count: Int = 1) async -> [PoolWorkerEnd] {
        await wait(count) { if case .workerEnded = $0 { true } else { false } }
            .compactMap { if case .workerEnded(_, let end) = $0 { end } else { nil } }
    }

    /// Waits until so many attempts have begun.
    func started(_ count: Int = 1) async {
        await wait(count) { if case .callStarted = $0 { true } else { false } }
    }

    /// Waits until so many workers have become ready.
    func ready(_ count: Int = 1) async {
        await wait(count) { if case .workerReady = $0 { true } else { false } }
    }

    /// How the calls have ended, by number, with their attempts.
    var callEnds: [UInt64: [(end: PoolCallEnd, attempts: Int)]] {
        var ends: [UInt64: [(end: PoolCallEnd, attempts: Int)]] = [:]
        for case .callEnded(let call, let end, let attempts, _, _) in events {
            ends[call, default: []].append((end, attempts))
        }
        return ends
    }

    /// The same, when the pool has heard of all results that were returned.
    func callEnds(of pool: WorkerPool) async -> [UInt64: [(end: PoolCallEnd, attempts: Int)]] {
        _ = await pool.statistics
        return callEnds
    }

    var pids: [Int32] { events.compactMap { if case .workerSpawned(_, let pid) = $0 { Int32(pid) } else { nil } } }

    /// What must be so of every pool that has ended: each call has one outcome, each worker one end, and nobody is left.
    func expectOrder(sourceLocation: SourceLocation = #_sourceLocation) {
        let events = events
        #expect(events.count { $0 == .stopped } == 1, sourceLocation: sourceLocation)
        for (call, ends) in callEnds {
            #expect(ends.count == 1, "call \(call): \(ends)", sourceLocation: sourceLocation)
        }
        let spawned = events.compactMap { if case .workerSpawned(let worker, _) = $0 { worker } else { nil } }
        let ended = events.compactMap { event -> UInt64? in
            guard case .workerEnded(let worker, let end) = event, case .exited(let exit) = end else { return nil }
            if case .unknown(let why) = exit.reason { Issue.record("\(why)", sourceLocation: sourceLocation) }
            return worker
        }
        #expect(spawned.sorted() == ended.sorted(), sourceLocation: sourceLocation)
        for pid in pids { #expect(!isChildOfOurs(pid), sourceLocation: sourceLocation) }
    }
}

/// The configuration of a pool for tests: two workers, no deadline that passes by itself, no breaker.
func poolConfiguration(_ change: (inout PoolConfiguration) throws -> Void = { _ in }) throws -> PoolConfiguration {
    var configuration = PoolConfiguration(
        worker: WorkerConfiguration(executable: try CommandLine.products + "/pool-worker")
    )
    configuration.worker.startTimeout = .seconds(60)
    configuration.worker.heartbeat = nil
    configuration.worker.grace = .seconds(60)
    configuration.policy.maximumWorkers = 2
    configuration.policy.cancelGrace = .seconds(60)
    configuration.policy.restart.first = .milliseconds(1)
    configuration.policy.breaker = nil
    try change(&configuration)
    return configuration
}

/// Runs `body` with a pool, stops the pool, and checks that it leaves everything in order.
@discardableResult
func withPool<Result>(
    _ change: (inout PoolConfiguration) throws -> Void = { _ in },
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (WorkerPool, PoolRecord) async throws -> Result
) async throws -> Result {
    let record = PoolRecord()
    var configuration = try poolConfiguration(change)
    configuration.observer = record.hear
    let pool = WorkerPool(configuration)
    do {
        let result = try await body(pool, record)
        await pool.stop()
        record.expectOrder(sourceLocation: sourceLocation)
        return result
    } catch {
        await pool.stop()
        throw error
    }
}

extension WorkerPool {
    /// The process that does the next call.
    nonisolated func pid() async throws -> String { try await call("pid").text }

    /// A call that runs until it is cancelled; returns once it runs.
    nonisolated func occupy(options: PoolCallOptions = PoolCallOptions()) async -> Task<Void, any Error> {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        let task = Task {
            defer { continuation.finish() }
            try await withCall("wait", options: options) { call in
                for await event in call.events {
                    if case .log = event { continuation.yield() }
                }
                _ = try await call.response()
            }
        }
        for await _ in stream { break }
        return task
    }

    /// Returns when so many calls wait for a worker.
    nonisolated func whenWaiting(_ count: Int) async {
        while await statistics.waitingCalls < count { await Task.yield() }
    }
}

extension PoolReply {
    var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension PoolWorkerEnd {
    var reason: ExitReason? { if case .exited(let exit) = self { exit.reason } else { nil } }
}

extension PoolError {
    /// How the worker ended that the call was lost with.
    var exit: WorkerExit? {
        switch self {
        case .workerLost(let exit): exit
        case .quarantined(let exit): exit
        default: nil
        }
    }
}

/// The error that something throws, if it is a pool's.
func poolError<Value>(_ body: () async throws -> Value) async -> PoolError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? PoolError
    }
}

/// Bytes that no compression makes fewer.
func noise(_ count: Int, seed: UInt64 = 7) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
}
