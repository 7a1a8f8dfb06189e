// SPDX-License-Identifier: Apache-2.0
public import IPCFrame
public import Logging

/// What a pool runs, and how.
public struct PoolConfiguration: Sendable {
    /// The worker; all of the pool are alike.
    public var worker: WorkerConfiguration
    /// What the pool may do, and when.
    public var policy = PoolPolicy()
    /// How the connections to the workers behave.
    ///
    /// Takes the calls that workers make to the parent, see `ConnectionConfiguration.handle(placement:with:)`.
    public var connection = ConnectionConfiguration(name: "pool")
    /// Told what happens in the pool, with structured metadata; nil for nobody.
    public var logger: Logger?
    /// Told what happens in the pool, and how it stands after that; on the pool's thread, where nothing may block.
    public var observer: (@Sendable (PoolEvent, PoolStatistics) -> Void)?
    /// Makes the pool's chance repeatable; nil for a new one each time.
    public var seed: UInt64?

    /// A pool of such workers with the defaults.
    public init(worker: WorkerConfiguration) { self.worker = worker }
}

/// How one call to a pool is made.
public struct PoolCallOptions: Sendable {
    /// Calls of one lane are begun in order, and lanes take turns: give each client one, and none can shut out the others.
    public var lane = ""
    /// What the call is about, such as the hash of its input: a call that has cost too many workers is remembered by this,
    /// and refused when it comes again; nil to forget it.
    public var identity: String?
    /// From the call to its result, through waiting and all attempts; nil for no limit.
    public var timeout: Duration?
    /// Lets `timeout` begin when a worker first gets the call, so that waiting for one takes nothing of it.
    public var timeoutBeginsWithWorker = false
    /// How long an attempt may go without progress and without a byte, once it runs; nil for no limit.
    ///
    /// Not counted is what its caller does when the worker is done with the call.
    public var stallTimeout: Duration?
    /// Whether it is tried again; needs a body that is repeatable.
    public var retry = RetryPolicy()
    /// How the request body's chunks are coded.
    public var codec = BodyCodec.zlib
    /// How the bodies of the request and of the answer travel.
    public var delivery = CallOptions.Delivery.auto
    /// What proves that the request body is whole.
    public var digest = BodyDigest.crc32

    /// The defaults.
    public init() {}
}
