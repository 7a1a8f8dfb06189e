// SPDX-License-Identifier: Apache-2.0

/// How much a pool has to do, and who does it.
public struct PoolStatistics: Sendable, Equatable {
    /// Calls that wait for a worker.
    public var waitingCalls: Int
    /// Attempts that run.
    public var runningCalls: Int
    /// Workers that are not ready yet.
    public var startingWorkers: Int
    /// Workers with nothing to do.
    public var idleWorkers: Int
    /// Workers with a call at least.
    public var busyWorkers: Int
    /// Workers on their way out.
    public var leavingWorkers: Int

    init(_ machine: PoolMachine) {
        waitingCalls = machine.queueDepth
        runningCalls = machine.callsRunning
        startingWorkers = machine.workersStarting
        idleWorkers = machine.workersIdle
        busyWorkers = machine.workersBusy
        leavingWorkers = machine.workersLeaving
    }
}
