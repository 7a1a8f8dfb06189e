// SPDX-License-Identifier: Apache-2.0

/// Where a job's input comes from.
///
/// All but ``interrupt()`` is called from one thread, which may block.
public protocol JobInput: Sendable {
    /// How many bytes there are from the beginning to the end, if that is known.
    var byteCount: UInt64? { get }

    /// The open file that all of it lies in, if the worker may read it there instead; nil for what is no regular file.
    var file: JobInputFile? { get }

    /// The worker has read so much of ``file``, from its beginning.
    func passed(_ count: UInt64)

    /// Takes up to `count` bytes from where the last call stopped; none means the end.
    func read(upTo count: Int) throws(JobBodyError) -> [UInt8]

    /// Starts again at the beginning, for another attempt; an interruption is over then.
    func rewind() throws(JobBodyError)

    /// The job took the input to its end and was done: what was read is used up.
    func finish()

    /// Ends a read that waits, soon; called from any thread.
    func interrupt()
}

extension JobInput {
    /// Nil: all of it is read here.
    public var file: JobInputFile? { nil }

    /// Nothing is passed.
    public func passed(_ count: UInt64) {}
}

/// Where in an open file a job's input begins.
public struct JobInputFile: Sendable {
    /// The file, open for reading as long as the input is there.
    public let descriptor: Int32
    /// Where the input begins.
    public let offset: UInt64

    /// The file behind `descriptor`, from `offset` on.
    public init(descriptor: Int32, offset: UInt64) {
        self.descriptor = descriptor
        self.offset = offset
    }
}

/// Where a job's result goes.
///
/// All but ``interrupt()`` is called from one thread, which may block.
public protocol JobOutput: Sendable {
    /// True when what is written cannot be taken back: standard output, a device.
    var isImmediate: Bool { get }

    /// Takes all bytes.
    func write(_ bytes: [UInt8]) throws(JobBodyError)

    /// Makes what was written durable, as far as the target can.
    func synchronize() throws(JobBodyError)

    /// The result is whole: puts it where it is wanted, durably.
    func place() throws(JobBodyError)

    /// Forgets what was written, ready to begin again.
    ///
    /// An immediate output can only do that before its first byte.
    func discard() throws(JobBodyError)

    /// Ends a write that waits, soon; called from any thread.
    func interrupt()
}

/// An input or an output that failed.
public enum JobBodyError: Error, Sendable, Equatable {
    /// It cannot be read; the text says what and why.
    case input(String)
    /// It cannot be written; the text says what and why.
    case output(String)
    /// Nobody reads the output any more.
    case readerGone
    /// Somebody called `interrupt()`.
    case interrupted
}
