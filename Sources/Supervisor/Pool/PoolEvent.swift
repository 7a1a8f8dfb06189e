// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

/// Something that happened in a pool.
///
/// Workers and calls have numbers of their own within the pool, from 1 on, never used twice.
public enum PoolEvent: Sendable, Equatable {
    /// A worker's program runs.
    case workerSpawned(worker: UInt64, pid: Int)
    /// A worker takes calls.
    case workerReady(worker: UInt64)
    /// A worker ended, or could not be started, and this is why.
    case workerEnded(worker: UInt64, PoolWorkerEnd)
    /// A worker is replaced in the ordinary way.
    case workerRecycled(worker: UInt64, RecycleReason)
    /// A worker above the minimum had nothing to do and is let go.
    case workerIdle(worker: UInt64)
    /// After an unasked end the next start waits for so long.
    case restartDelayed(Duration, endsInARow: Int)
    /// So many unasked ends came so fast that no worker is started for a while.
    case breakerOpened(for: Duration, PoolWorkerEnd)
    /// One worker is tried.
    case breakerProbing
    /// The worker that was tried is well.
    case breakerClosed
    /// An attempt at a call begins.
    case callStarted(call: UInt64, worker: UInt64, attempt: Int)
    /// What an attempt has moved, well or not.
    case callTransferred(call: UInt64, worker: UInt64, CallStatistics)
    /// An attempt failed, and another one follows after so long.
    case callRetried(call: UInt64, attempt: Int, after: Duration)
    /// A call has cost too many workers.
    case callQuarantined(call: UInt64, identity: String?)
    /// A call was told to end, did not, and costs its worker.
    case callOverdue(call: UInt64, worker: UInt64)
    /// A call has ended: so many attempts, in so much time. Of a call that succeeded it may come just after its result.
    case callEnded(call: UInt64, PoolCallEnd, attempts: Int, waited: Duration, ran: Duration)
    /// A call was turned away because the queue, or its lane, was full.
    case queueFull(call: UInt64)
    /// The pool takes no more calls.
    case draining
    /// The pool has ended, and so have all its workers.
    case stopped
}

/// How a worker of a pool ended.
public enum PoolWorkerEnd: Sendable, Equatable {
    /// It ran, and this is its story.
    case exited(WorkerExit)
    /// It never ran.
    case notSpawned(SpawnError)
}

/// Why a worker is replaced in the ordinary way.
public enum RecycleReason: String, Sendable, Equatable {
    /// It has done its calls.
    case calls
    /// It is old.
    case age
    /// It has grown.
    case residentSize
}

/// How a call to a pool ended, in one word.
public enum PoolCallEnd: String, Sendable, Equatable {
    /// Its whole result was taken.
    case succeeded
    /// The worker said that it failed, or its caller did.
    case failed
    /// The queue was full.
    case queueFull
    /// Its deadline passed.
    case timedOut
    /// It made no progress.
    case stalled
    /// Its caller gave it up.
    case cancelled
    /// Its worker ended in the middle of it.
    case workerLost
    /// It cost too many workers.
    case quarantined
    /// No worker lived, and none could be started.
    case notStarted
    /// No worker lived, and none was to be started for a while.
    case breakerOpen
    /// The pool was stopped.
    case stopped
}
