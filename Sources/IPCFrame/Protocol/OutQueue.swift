// SPDX-License-Identifier: Apache-2.0

/// Orders what goes out: control frames overtake; streams take turns, a frame each (PROTOCOL.md §12).
struct OutQueue {
    private enum Control {
        case frame(OutboundFrame)
        /// A CREDIT with whatever the stream's offsets are when it goes out.
        case credit(Stream)
        case pong
    }

    private var control = Queue<Control>()
    private(set) var controlBytes = 0
    private var pongValue: UInt64?
    /// Streams with waiting frames, the next to go first.
    private var turns = Queue<Stream>()
    /// How many of the turns belong to streams that have been forgotten.
    private var staleTurns = 0
    private var hasFailed = false

    var isEmpty: Bool { control.isEmpty && turns.count == staleTurns }
    /// For tests: what the two queues keep.
    var entryCount: Int { control.count + turns.count }

    /// Appends a frame that belongs to no stream and overtakes nothing but streams.
    mutating func append(_ frame: OutboundFrame) {
        appendControl(frame)
    }

    mutating func appendControl(_ frame: OutboundFrame) {
        guard !hasFailed else { return }
        control.append(.frame(frame))
        controlBytes += frame.byteCount
    }

    mutating func appendCredit(_ stream: Stream) {
        guard !hasFailed, !stream.receive.isCreditQueued else { return }
        stream.receive.isCreditQueued = true
        control.append(.credit(stream))
        controlBytes += FrameHeader.byteCount + 16
    }

    mutating func appendPong(_ value: UInt64) {
        guard !hasFailed else { return }
        if pongValue == nil {
            control.append(.pong)
            controlBytes += FrameHeader.byteCount + 8
        }
        pongValue = value
    }

    /// Gives `stream` a turn, if it has none; call after something was put into its queue.
    mutating func schedule(_ stream: Stream) {
        guard !hasFailed, !stream.isScheduled else { return }
        stream.isScheduled = true
        turns.append(stream)
    }

    /// Call when `stream` has been forgotten: its turn, if it has one, is no output any more.
    mutating func unschedule(_ stream: Stream) {
        guard stream.isScheduled else { return }
        staleTurns += 1
        guard staleTurns > 64, staleTurns * 2 > turns.count else { return }
        turns.removeAll { $0.isForgotten }
        staleTurns = 0
    }

    mutating func popFirst() -> OutboundFrame? {
        while let next = popControl() {
            if let frame = next { return frame }
        }
        while let stream = turns.popFirst() {
            stream.isScheduled = false
            guard !stream.isForgotten else {
                staleTurns -= 1
                continue
            }
            guard let frame = stream.queue.popFirst() else { continue }
            if !stream.queue.isEmpty { schedule(stream) }
            return frame
        }
        return nil
    }

    /// The next control frame.
    ///
    /// The outer nil: none waits. The inner: this one has become pointless.
    private mutating func popControl() -> OutboundFrame?? {
        guard let entry = control.popFirst() else { return nil }
        switch entry {
        case .frame(let frame):
            controlBytes -= frame.byteCount
            return frame
        case .credit(let stream):
            controlBytes -= FrameHeader.byteCount + 16
            stream.receive.isCreditQueued = false
            guard !stream.isForgotten else { return .some(nil) }
            let credit = Credit(consumed: stream.receive.consumed, limit: stream.receive.limit)
            return OutboundFrame(
                .credit,
                stream: stream.id,
                payload: ConnectionStateMachine.encoded { credit.encode(into: &$0) }[...]
            )
        case .pong:
            controlBytes -= FrameHeader.byteCount + 8
            let value = pongValue ?? 0
            pongValue = nil
            return OutboundFrame(
                .pong,
                payload: ConnectionStateMachine.encoded { Number(value).encode(into: &$0) }[...]
            )
        }
    }

    mutating func removeStreams() {
        turns.removeAll()
        staleTurns = 0
    }

    mutating func removeAll() {
        let failed = hasFailed
        self = OutQueue()
        hasFailed = failed
    }

    /// From now on nothing is kept.
    mutating func fail() {
        removeAll()
        hasFailed = true
    }
}
