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

    var current: CallStatistics { value.withLock { $0 } }

    func add(_ chunk: Chunk, isSent: Bool) {
        value.withLock { $0.add(chunk, isSent: isSent) }
    }
}
