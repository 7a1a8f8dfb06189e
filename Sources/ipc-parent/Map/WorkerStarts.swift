// SPDX-License-Identifier: Apache-2.0
internal import Supervisor

/// Decides, from the workers that ended before they were ready, when it is of no use to start more.
///
/// A worker that a file kills is that file's failure. One that does not even start would be all files' failure, one after
/// another.
struct WorkerStarts {
    /// Ends of workers that never were ready, in a row.
    private static let mostEnds = 5
    /// The system may be short of processes or memory for a while.
    private static let mostSystemFailures = 40

    private var ready: Set<UInt64> = []
    private var ends = 0
    private var systemFailures = 0

    /// Takes note of an event; returns the end after which to give up, if this was it.
    mutating func hear(_ event: PoolEvent) -> PoolWorkerEnd? {
        switch event {
        case .workerReady(let worker):
            ready.insert(worker)
            ends = 0
            systemFailures = 0
        case .workerEnded(let worker, let end):
            if ready.remove(worker) == nil, isHopeless(end) { return end }
        default: break
        }
        return nil
    }

    private mutating func isHopeless(_ end: PoolWorkerEnd) -> Bool {
        switch end {
        case .exited:
            ends += 1
            return ends >= Self.mostEnds
        case .notSpawned(let error) where error.code == .system:
            systemFailures += 1
            return systemFailures >= Self.mostSystemFailures
        case .notSpawned: return true
        }
    }
}
