// SPDX-License-Identifier: Apache-2.0

/// A frame on its way out.
package struct OutboundFrame: Sendable {
    /// The header; its length is that of ``payload``.
    package let header: FrameHeader
    /// The payload, shared with whoever made it.
    package let payload: ArraySlice<UInt8>

    init(
        _ type: FrameType,
        flags: FrameFlags = [],
        descriptors: UInt8 = 0,
        stream: UInt64 = 0,
        payload: ArraySlice<UInt8>
    ) {
        header = FrameHeader(
            type,
            flags: flags,
            descriptors: descriptors,
            stream: stream,
            length: UInt32(payload.count)
        )
        self.payload = payload
    }

    /// Bytes on the wire.
    package var byteCount: Int { FrameHeader.byteCount + payload.count }
}

/// The frames of one stream that wait for the wire, in order, bounded.
///
/// At most one PROGRESS waits (the newest), at most ``maxLogs`` LOG lines, and the chunks that the
/// machine's send window admits.
struct StreamQueue {
    static let maxLogs = 64
    /// Chunks that may wait; while half of them keep the wire busy, the others are made.
    static let maxChunks = 4

    private var frames = Queue<OutboundFrame>()
    private var logs = 0
    private var droppedLogs: UInt32 = 0
    private(set) var chunks = 0

    var isEmpty: Bool { frames.isEmpty }
    var count: Int { frames.count }
    var hasUnsentRequest: Bool { frames.first?.header.type == .request }

    mutating func append(_ frame: OutboundFrame) {
        if frame.header.type == .data { chunks += 1 }
        frames.append(frame)
    }

    mutating func append(_ progress: Progress, stream: UInt64) {
        var progress = progress
        let waiting = frames.lastIndex { $0.header.type == .progress }
        if let waiting, frames[waiting].header.flags.contains(.final) { progress.isFinal = true }
        var payload: [UInt8] = []
        progress.encode(into: &payload)
        let flags: FrameFlags = progress.isFinal ? .final : []
        let frame = OutboundFrame(.progress, flags: flags, stream: stream, payload: payload[...])
        if let waiting { frames[waiting] = frame } else { frames.append(frame) }
    }

    mutating func append(_ line: LogLine, stream: UInt64) {
        guard logs < Self.maxLogs else {
            if droppedLogs < UInt32.max { droppedLogs += 1 }
            return
        }
        var line = line
        let (dropped, isBeyond) = line.dropped.addingReportingOverflow(droppedLogs)
        line.dropped = isBeyond ? UInt32.max : dropped
        droppedLogs = 0
        var payload: [UInt8] = []
        line.encode(into: &payload)
        frames.append(OutboundFrame(.log, stream: stream, payload: payload[...]))
        logs += 1
    }

    /// Call before the stream's last frame, so that no dropped line goes untold.
    mutating func tellDroppedLogs(stream: UInt64) {
        guard droppedLogs > 0 else { return }
        logs = 0
        append(LogLine(level: .warning, text: "log lines were dropped: they were not read in time"), stream: stream)
    }

    mutating func popFirst() -> OutboundFrame? {
        guard let frame = frames.popFirst() else { return nil }
        switch frame.header.type {
        case .data: chunks -= 1
        case .log: logs = max(0, logs - 1)
        default: break
        }
        return frame
    }

    /// Slots of the arena that waiting DATA names: the receiver has not heard of them.
    var arenaSlots: SlotSet {
        var slots = SlotSet()
        for frame in frames where frame.header.type == .data && frame.header.flags.contains(.arena) {
            // The slot is the first field, and there are few of them.
            if let slot = frame.payload.first { slots.insert(Int(slot)) }
        }
        return slots
    }

    /// Drops waiting DATA: the body will not be completed.
    mutating func removeData() {
        frames.removeAll { $0.header.type == .data }
        chunks = 0
    }

    mutating func removeAll() {
        self = StreamQueue()
    }
}
