// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

/// One job, and how it is to be run.
public struct JobRequest: Sendable {
    /// How bodies travel.
    public enum Transport: String, Sendable {
        /// By whatever both sides can, and is best for the body.
        case auto
        /// Over the socket, always.
        case socket
        /// Through shared memory; small bodies go over the socket. Fails where the worker cannot.
        case memory
        /// An input that is a regular file as the open file, of which the worker can then read all; everything else as
        /// with ``auto``. Fails where the worker cannot.
        case descriptor
    }

    /// The worker; one is started for each attempt.
    public var worker: WorkerConfiguration
    /// The method that is called.
    public var job: String
    /// Its arguments.
    public var arguments: [Argument] = []
    /// The request body; nil for none.
    public var input: (any JobInput)?
    /// Where the result goes.
    public var output: any JobOutput
    /// How the input is compressed on its way.
    public var codec = BodyCodec.zlib
    /// Whether ``codec`` was asked for: then the bodies go over the socket, unless memory was asked for too.
    public var insistsOnCodec = false
    /// How the bodies travel.
    public var transport = Transport.auto
    /// For each attempt, from its spawn to its end; nil for no limit.
    public var timeout: Duration?
    /// Without progress and without a byte; nil for no limit.
    public var stallTimeout: Duration?
    /// Attempts after the first, after a worker's death, a timeout, or a failure that may pass.
    ///
    /// The input must be one that can be rewound then.
    public var retries = 0

    /// A job with the defaults.
    public init(worker: WorkerConfiguration, job: String, output: any JobOutput) {
        self.worker = worker
        self.job = job
        self.output = output
    }

    /// Whether the bodies should go through shared memory, where the worker offers it.
    var wantsSharedMemory: Bool {
        switch transport {
        case .socket: false
        case .memory: true
        // What is not known to be large is not worth a region of 8 MiB.
        case .auto, .descriptor: !insistsOnCodec && input?.byteCount ?? 0 >= Self.sharedFrom
        }
    }

    /// Raw bytes of an input from which on shared memory is worth it.
    private static let sharedFrom: UInt64 = 256 << 10

    var policy: JobRunMachine.Policy {
        var policy = JobRunMachine.Policy()
        policy.timeout = timeout
        policy.stallTimeout = stallTimeout
        // The worker's own supervision keeps this one.
        policy.startTimeout = nil
        policy.grace = worker.grace
        policy.retries = retries
        return policy
    }
}

/// Who is told what happens while a job runs; all on the job's reactor, where nothing may block.
public struct JobObserver: Sendable {
    /// Something that a person should know.
    public var notice: @Sendable (JobNotice) -> Void = { _ in }
    /// The worker says how far it is.
    public var progress: @Sendable (Progress) -> Void = { _ in }
    /// The worker logs a line.
    public var log: @Sendable (LogLine) -> Void = { _ in }

    /// Tells nobody anything.
    public init() {}
}
