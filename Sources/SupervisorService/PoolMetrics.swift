// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Metrics
public import Supervisor

/// Tells swift-metrics how a pool does; give ``record(_:_:)`` to `PoolConfiguration.observer`.
///
/// - `waiting_calls`, `running_calls`, `workers` (dimension `state`: starting, idle, busy, leaving): gauges.
/// - `call_duration_seconds`, `call_wait_seconds`: timers, by `end` (succeeded, failed, timedOut, …).
/// - `worker_ends`: counter, by `reason`: the field to alert on.
/// - `retries`, `queue_full`, `quarantined`, `breaker_opened`: counters; `breaker_open`: a gauge, 1 while it is.
/// - `bytes_sent`, `bytes_received`, `credit_stalls`: counters, of bodies.
public final class PoolMetrics: Sendable {
    private let prefix: String
    private let dimensions: [(String, String)]
    private let waitingCalls: Gauge
    private let runningCalls: Gauge
    private let workers: [(Gauge, @Sendable (PoolStatistics) -> Int)]
    private let breakerOpen: Gauge

    /// Metrics whose names begin with `label` and an underscore, each with `dimensions`.
    public init(label: String = "ipcframe_pool", dimensions: [(String, String)] = []) {
        prefix = label + "_"
        self.dimensions = dimensions
        waitingCalls = Gauge(label: prefix + "waiting_calls", dimensions: dimensions)
        runningCalls = Gauge(label: prefix + "running_calls", dimensions: dimensions)
        breakerOpen = Gauge(label: prefix + "breaker_open", dimensions: dimensions)
        let states: [(String, @Sendable (PoolStatistics) -> Int)] = [
            ("starting", { $0.startingWorkers }), ("idle", { $0.idleWorkers }), ("busy", { $0.busyWorkers }),
            ("leaving", { $0.leavingWorkers }),
        ]
        workers = states.map { [prefix] state, count in
            (Gauge(label: prefix + "workers", dimensions: dimensions + [("state", state)]), count)
        }
    }

    /// Takes an event, and how the pool stands after it.
    @Sendable public func record(_ event: PoolEvent, _ statistics: PoolStatistics) {
        waitingCalls.record(statistics.waitingCalls)
        runningCalls.record(statistics.runningCalls)
        for (gauge, count) in workers { gauge.record(count(statistics)) }
        switch event {
        case .callEnded(_, let end, _, let waited, let ran):
            timer("call_wait_seconds", end).recordNanoseconds(waited.nanoseconds)
            timer("call_duration_seconds", end).recordNanoseconds(ran.nanoseconds)
        case .callTransferred(_, _, let moved):
            counter("bytes_sent").increment(by: moved.bytesSent)
            counter("bytes_received").increment(by: moved.bytesReceived)
            counter("credit_stalls").increment(by: moved.creditStalls)
        case .workerEnded(_, let end): counter("worker_ends", [("reason", end.label)]).increment()
        case .callRetried: counter("retries").increment()
        case .queueFull: counter("queue_full").increment()
        case .callQuarantined: counter("quarantined").increment()
        case .breakerOpened:
            counter("breaker_opened").increment()
            breakerOpen.record(1)
        case .breakerClosed: breakerOpen.record(0)
        default: break
        }
    }

    private func counter(_ name: String, _ more: [(String, String)] = []) -> Counter {
        Counter(label: prefix + name, dimensions: dimensions + more)
    }

    private func timer(_ name: String, _ end: PoolCallEnd) -> Timer {
        Timer(label: prefix + name, dimensions: dimensions + [("end", end.rawValue)])
    }
}

extension Counter {
    fileprivate func increment(by amount: UInt64) { increment(by: Int64(clamping: amount)) }
}

extension Duration {
    fileprivate var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

extension PoolWorkerEnd {
    /// One word, of which there are few: fit for a dimension.
    fileprivate var label: String {
        switch self {
        case .notSpawned: "notSpawned"
        case .exited(let exit):
            switch exit.reason {
            case .exited: "exited"
            case .signalled: "signalled"
            case .outOfMemory: "outOfMemory"
            case .outOfCPUTime: "outOfCPUTime"
            case .timedOut: "timedOut"
            case .stalled: "stalled"
            case .cancelled: "cancelled"
            case .protocolViolation: "protocolViolation"
            case .handshakeFailed: "handshakeFailed"
            case .recycled: "recycled"
            case .parentShutdown: "parentShutdown"
            case .unknown: "unknown"
            }
        }
    }
}
