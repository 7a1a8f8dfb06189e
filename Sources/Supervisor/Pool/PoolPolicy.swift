// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What a pool of workers may do, and when.
///
/// The defaults suit a server that takes heavy work off its event loop.
public struct PoolPolicy: Sendable, Equatable {
    /// What a call gets when the queue is full.
    public enum WhenFull: Sendable, Equatable {
        /// An error, at once: who called can tell its own client to come back later.
        case fail
        /// Its turn, later: for callers of which there are only so many.
        case wait
    }

    /// Workers that are kept even if nobody calls.
    ///
    /// Above 0 the first call does not wait for a start, and a worker that cannot start is noticed early.
    public var minimumWorkers = 0

    /// The most workers at a time, also counting those on their way out.
    ///
    /// Default: the number of processors. More serve calls that wait for something else than the processor.
    public var maximumWorkers = PoolPolicy.processors

    /// Workers that are kept idle and ready beyond those that have work, up to the maximum.
    ///
    /// 1 hides the time of a start from a caller that comes while all are busy.
    public var warmStandby = 0

    /// Calls that one worker does at a time.
    ///
    /// 1 keeps calls apart: a crash can hit only one. Raise it for workers that mostly wait; a connection has room for
    /// 128, unless its limits say otherwise.
    public var callsPerWorker = 1

    /// How long a worker above the minimum may have nothing to do; nil keeps it.
    public var idleTimeout: Duration? = .seconds(60)

    /// Calls that may wait for a worker.
    public var queueLimit = 1_000

    /// Calls of one lane that may wait; nil for as many as the queue holds.
    ///
    /// See ``PoolCallOptions/lane``.
    public var laneLimit: Int?

    /// What a call gets when the queue, or its lane, is full.
    public var whenFull = WhenFull.fail

    /// When a worker is replaced though nothing is wrong with it.
    public var recycling = RecyclePolicy()

    /// How fast workers that end unasked are replaced.
    public var restart = RestartPolicy()

    /// When to stop replacing them for a while; nil for never.
    public var breaker: BreakerPolicy? = BreakerPolicy()

    /// How many workers one call may cost, by its crash or by not ending when it was told to, before it is quarantined.
    public var quarantineAfter = 3

    /// How long the identity of a quarantined call is remembered and refused.
    public var quarantineTime = Duration.seconds(3600)

    /// How long a cancelled call may take to end before it costs its worker.
    public var cancelGrace = Duration.seconds(10)

    /// The defaults.
    public init() {}

    private static var processors: Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
}

/// When a worker is replaced though nothing is wrong with it: against leaks that grow slowly.
///
/// Never in the middle of a call. Each figure is moved by up to `jitter` of itself for each worker, so that they do not
/// go all at once.
public struct RecyclePolicy: Sendable, Equatable {
    /// After so many calls; nil for never.
    public var calls: Int?
    /// At this age; nil for never.
    public var age: Duration?
    /// Above this resident size after a call, in bytes; nil for never.
    public var residentSize: UInt64?
    /// A part of 1.
    public var jitter = 0.1

    /// Never.
    public init() {}
}

/// How fast workers that end unasked are replaced: exponential back-off with full jitter.
///
/// A worker was well if it completed a call, or lived for `healthyAfter`. The end of one that was well is followed by a
/// start at once; the n-th end in a row of one that was not, by a pause: a random part of `first` × 2ⁿ⁻¹, at most of
/// `longest`.
public struct RestartPolicy: Sendable, Equatable {
    /// What the first pause is at most.
    public var first = Duration.milliseconds(100)
    /// What any pause is at most.
    public var longest = Duration.seconds(30)
    /// A worker that lived so long was well.
    public var healthyAfter = Duration.seconds(10)

    /// The defaults.
    public init() {}
}

/// When to stop replacing workers: so many ends of workers that were not well in so much time open the breaker.
///
/// An open breaker starts no workers; those that live go on, and where none lives, calls fail at once. After `openFor`
/// one worker is tried: if it turns out well, the breaker closes; else it opens for twice as long. Ends of workers that
/// were well do not count, so that a few bad calls among good ones cannot close a pool for everybody.
public struct BreakerPolicy: Sendable, Equatable {
    /// So many ends.
    public var ends = 5
    /// Within this time.
    public var within = Duration.seconds(60)
    /// How long it stays open at first.
    public var openFor = Duration.seconds(5)
    /// The longest that it stays open.
    public var longest = Duration.seconds(300)

    /// The defaults.
    public init() {}
}

/// Whether a call that failed is tried again.
///
/// Only what may pass is: the worker's death, and a failure that the worker itself calls retryable; never after the worker
/// has said that its effects may be lasting. A call that a draining worker did not take is always given to another one,
/// at no cost.
public struct RetryPolicy: Sendable, Equatable {
    /// Attempts after the first.
    public var retries = 0
    /// What the pause before the first retry is at most; see ``RestartPolicy``.
    public var first = Duration.milliseconds(100)
    /// What any pause is at most.
    public var longest = Duration.seconds(10)

    /// No retries.
    public init() {}

    /// So many retries.
    public init(retries: Int) { self.retries = retries }
}
