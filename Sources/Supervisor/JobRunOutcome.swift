// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

/// Everything that is known of a job that has ended.
public struct JobOutcome: Sendable, Equatable {
    /// The job's name.
    public var job: String

    /// How it ended.
    public var verdict: JobVerdict

    /// True when the job had said that its effects may be lasting, and its last word never came.
    ///
    /// What it did may or may not have happened; running it again tells.
    public var isCommitUnknown = false

    /// What supports the verdict: where the job was, the end of the worker's standard error.
    public var evidence: String?

    /// The code that the last worker exited with, if it exited.
    public var workerExitCode: Int32?

    /// The signal that ended the last worker, if one did.
    public var signal: Int32?

    /// How often the job was tried; 0 when not even once.
    public var attempts = 0

    /// From the first spawn to the end.
    public var duration: Duration = .zero

    /// When it began and ended, as nanoseconds since 1970 UTC.
    public var startedAt: Int64 = 0
    /// When it ended, as nanoseconds since 1970 UTC.
    public var finishedAt: Int64 = 0

    /// What moved.
    public var traffic = JobTraffic()

    /// The worker's largest resident set, in bytes, if it is known.
    public var workerPeakRSS: UInt64?

    /// What held the last worker to its memory limit; nil when none was started.
    public var memoryEnforcement: MemoryEnforcement?

    /// The job's own counts, from its trailer, in its order.
    public var counts: [Count] = []

    /// An outcome of which only the end is known so far.
    public init(job: String, verdict: JobVerdict) {
        self.job = job
        self.verdict = verdict
    }

    /// The reason in words, without a full stop.
    public var text: String {
        verdict.text + (isCommitUnknown ? "; committed: unknown, run it again to tell" : "")
    }
}

/// Bytes and chunks of a job's bodies, and how they travelled.
public struct JobTraffic: Sendable, Equatable {
    /// Raw bytes of the request body, that is of the job's input.
    public var bytesIn: UInt64 = 0
    /// Raw bytes of the response body, that is of the job's result.
    public var bytesOut: UInt64 = 0
    /// Bytes of the input on the wire, after compression.
    public var wireBytesIn: UInt64 = 0
    /// Bytes of the result on the wire, after compression.
    public var wireBytesOut: UInt64 = 0
    /// Chunks, both ways.
    public var chunks: UInt64 = 0
    /// How many of them were compressed.
    public var chunksCompressed: UInt64 = 0
    /// The compression in force, such as `zlib` or `none`; `nil` when no call was opened.
    public var codec: String?
    /// How the bodies travelled, such as `socket`; `nil` when no call was opened.
    public var transport: String?

    /// Nothing has moved.
    public init() {}
}
