// SPDX-License-Identifier: Apache-2.0

/// Who is told what happens in a pool.
struct PoolListeners {
    var log: PoolLog?
    var observer: (@Sendable (PoolEvent, PoolStatistics) -> Void)?
    private var streams: [UInt64: AsyncStream<PoolEvent>.Continuation] = [:]
    private var lastNumber: UInt64 = 0
    private var hasEnded = false

    /// One more stream; `onEnd` is told its number when its reader has gone.
    mutating func add(buffering limit: Int, onEnd: @escaping @Sendable (UInt64) -> Void) -> AsyncStream<PoolEvent> {
        let (stream, continuation) = AsyncStream<PoolEvent>.makeStream(bufferingPolicy: .bufferingNewest(limit))
        guard !hasEnded else {
            continuation.finish()
            return stream
        }
        lastNumber += 1
        let number = lastNumber
        continuation.onTermination = { _ in onEnd(number) }
        streams[number] = continuation
        return stream
    }

    mutating func remove(_ number: UInt64) { streams[number] = nil }

    func tell(_ event: PoolEvent, _ statistics: @autoclosure () -> PoolStatistics) {
        log?.write(event)
        observer?(event, statistics())
        for stream in streams.values { stream.yield(event) }
    }

    mutating func end() {
        hasEnded = true
        for stream in streams.values { stream.finish() }
        streams = [:]
    }
}
