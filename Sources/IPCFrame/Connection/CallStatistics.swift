// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// What one call has moved so far.
public struct CallStatistics: Equatable, Sendable {
    /// Raw bytes of the body that this side received.
    public var bytesReceived: UInt64 = 0
    /// Raw bytes of the body that this side sent.
    public var bytesSent: UInt64 = 0
    /// Bytes on the wire of the DATA frames that came, headers too.
    public var wireBytesReceived: UInt64 = 0
    /// Bytes on the wire of the DATA frames that went, headers too.
    public var wireBytesSent: UInt64 = 0
    /// Chunks in both directions.
    public var chunks: UInt64 = 0
    /// Those of them that were compressed.
    public var chunksCompressed: UInt64 = 0
    /// PROGRESS frames that came.
    public var progressReports: UInt64 = 0
    /// How often the sending of a body waited until the receiver had consumed more.
    public var creditStalls: UInt64 = 0

    mutating func add(_ chunk: Chunk, isSent: Bool) {
        let wire = UInt64(FrameHeader.byteCount + chunk.bytes.count)
        if isSent {
            bytesSent += UInt64(chunk.rawCount)
            wireBytesSent += wire
        } else {
            bytesReceived += UInt64(chunk.rawCount)
            wireBytesReceived += wire
        }
        chunks += 1
        if chunk.isCompressed { chunksCompressed += 1 }
    }
}

/// Statistics that one thread writes and others read while the call runs.
final class StatisticsBox: Sendable {
    private let value = Mutex(CallStatistics())
    private let final = Mutex(false)
    private let progress = Mutex<Progress?>(nil)
    private let droppedLines = Mutex<UInt64>(0)

    var current: CallStatistics { value.withLock { $0 } }

    /// The last that the answerer told of how far it is.
    var lastProgress: Progress? { progress.withLock { $0 } }

    /// Whether the answerer has said that its effects may be lasting.
    var isFinal: Bool { final.withLock { $0 } }

    /// Log lines that were dropped on either side.
    var logLinesDropped: UInt64 { droppedLines.withLock { $0 } }

    /// Hands an event on to whoever listens; what is lost on the way is kept count of, and FINAL is never lost.
    func pass(_ event: CallEvent, to listener: AsyncStream<CallEvent>.Continuation?) {
        switch event {
        case .progress(let progress):
            value.withLock { $0.progressReports += 1 }
            self.progress.withLock { $0 = progress }
            if progress.isFinal { final.withLock { $0 = true } }
        case .log(let line): if line.dropped > 0 { droppedLines.withLock { $0 += UInt64(line.dropped) } }
        }
        // The oldest makes room for the newest.
        if case .dropped(.log) = listener?.yield(event) { droppedLines.withLock { $0 += 1 } }
    }

    func add(_ chunk: Chunk, isSent: Bool) {
        value.withLock { $0.add(chunk, isSent: isSent) }
    }

    func addCreditStall() { value.withLock { $0.creditStalls += 1 } }
}
