// SPDX-License-Identifier: Apache-2.0

extension PoolMachine {
    /// Calls that wait: for a worker, or for their next attempt.
    package var queueDepth: Int { unfinishedCount - runningCount }

    /// Calls that a worker does, without those that have their verdict already.
    package var callsRunning: Int { runningCount }

    /// Workers that are not ready yet.
    package var workersStarting: Int { startingCount }

    /// Workers that are ready and have nothing to do.
    package var workersIdle: Int { ready.idleCount }

    /// Workers that are ready and have a call.
    package var workersBusy: Int { readyCount - ready.idleCount }

    /// Workers that take no more calls and have not exited.
    package var workersLeaving: Int { workers.count - startingCount - readyCount }
}
