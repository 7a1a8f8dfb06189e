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
    /// Those of them that went through shared memory.
    public var chunksShared: UInt64 = 0
    /// Those of them that were a file, of which only the descriptor went.
    public var filesPassed: UInt64 = 0
    /// PROGRESS frames that came.
    public var progressReports: UInt64 = 0
    /// How often the sending of a body waited for room: for the receiver to consume more, or for the socket to take more.
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
        if chunk.place != nil { chunksShared += 1 }
    }

    /// Raw bytes have come to their place, or with the frame that opens their body.
    mutating func addReceived(_ count: Int) {
        bytesReceived += UInt64(count)
        wireBytesReceived += UInt64(FrameHeader.byteCount + count)
        chunks += 1
    }

    /// A body goes or comes as a file; its bytes are counted as they are read.
    mutating func addFile(isSent: Bool) {
        let wire = UInt64(FrameHeader.byteCount + FileRange.byteCount)
        if isSent { wireBytesSent += wire } else { wireBytesReceived += wire }
        chunks += 1
        filesPassed += 1
    }
}

/// What one thread keeps of a call and others read while it runs.
final class StatisticsBox: Sendable {
    private struct State {
        var statistics = CallStatistics()
        var lastProgress: Progress?
        var isFinal = false
        var droppedLines: UInt64 = 0
    }

    private let state = Mutex(State())
    private let over = Atomic(false)

    /// Whether both sides are done with the call.
    var isOver: Bool { over.load(ordering: .acquiring) }

    func noteOver() { over.store(true, ordering: .releasing) }

    var current: CallStatistics { state.withLock { $0.statistics } }

    /// The last that the answerer told of how far it is.
    var lastProgress: Progress? { state.withLock { $0.lastProgress } }

    /// Whether the answerer has said that its effects may be lasting.
    var isFinal: Bool { state.withLock { $0.isFinal } }

    /// Log lines that were dropped on either side.
    var logLinesDropped: UInt64 { state.withLock { $0.droppedLines } }

    /// Hands an event on to whoever listens; what is lost on the way is kept count of, and FINAL is never lost.
    func pass(_ event: CallEvent, to events: CallEvents) {
        // First, so that whoever hears of it finds it here.
        state.withLock { state in
            switch event {
            case .progress(let progress):
                state.statistics.progressReports += 1
                state.lastProgress = progress
                if progress.isFinal { state.isFinal = true }
            case .log(let line): state.droppedLines += UInt64(line.dropped)
            }
        }
        // The oldest makes room for the newest.
        if case .log = events.tell(event) { state.withLock { $0.droppedLines += 1 } }
    }

    func add(_ chunk: Chunk, isSent: Bool) { state.withLock { $0.statistics.add(chunk, isSent: isSent) } }

    func addLanded(_ count: Int) { state.withLock { $0.statistics.addReceived(count) } }

    func addWhole(_ count: Int) {
        if count > 0 { state.withLock { $0.statistics.addReceived(count) } }
    }

    func addFile(isSent: Bool) { state.withLock { $0.statistics.addFile(isSent: isSent) } }

    /// Of the file that was sent, the other end has read so much.
    func noteRead(_ count: UInt64) { state.withLock { $0.statistics.bytesSent = count } }

    /// So much more of the file that came has been read.
    func addRead(_ count: Int) { state.withLock { $0.statistics.bytesReceived += UInt64(count) } }

    func addCreditStall() { state.withLock { $0.statistics.creditStalls += 1 } }
}
