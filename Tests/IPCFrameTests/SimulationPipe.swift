// SPDX-License-Identifier: Apache-2.0
@testable import IPCFrame

/// What went wrong in a simulation; the test adds the seed.
struct SimulationFailure: Error, CustomStringConvertible {
    let description: String
}

/// Fails the simulation when what should hold does not.
func hold(_ condition: Bool, _ text: @autoclosure () -> String) throws(SimulationFailure) {
    guard condition else { throw SimulationFailure(description: text()) }
}

/// Numbers that depend on the seed only (SplitMix64).
struct SeededRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// 0 to `bound` - 1.
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    /// True once in `count` times.
    mutating func once(in count: Int) -> Bool { below(count) == 0 }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}

/// One direction of the simulated socket: bytes, bounded as the kernel's buffer is.
final class SimulatedPipe {
    let capacity: Int
    private var bytes: [UInt8] = []
    private var head = 0
    /// Bytes that have been read out of it, in all.
    private(set) var delivered = 0
    /// The reader sees the end of file at this offset, whatever was written.
    var cut: Int?
    /// The writer has shut down its half.
    var isClosed = false

    init(capacity: Int) { self.capacity = capacity }

    var room: Int { isClosed ? 0 : capacity - (bytes.count - head) }

    var readable: Int {
        let waiting = bytes.count - head
        return cut.map { min(waiting, $0 - delivered) } ?? waiting
    }

    var isAtEnd: Bool { delivered == cut || (isClosed && readable == 0) }

    func write(_ part: ArraySlice<UInt8>) { bytes.append(contentsOf: part) }

    func read(_ count: Int) -> ArraySlice<UInt8> {
        defer {
            head += count
            delivered += count
            if head == bytes.count {
                bytes.removeAll(keepingCapacity: true)
                head = 0
            }
        }
        return bytes[head..<head + count]
    }
}

/// One end: machine, application, and the shell between them and the pipe.
final class SimulatedEnd {
    let application: SimulatedApplication
    private var incoming: [UInt8] = []
    private var header: FrameHeader?
    /// The payload of ``header`` is read where it belongs.
    private var lands = false
    private var outgoing: [UInt8] = []
    private var outgoingHead = 0
    private var hasSentBye = false
    private var hasReceivedBye = false
    private var hasSeenEnd = false

    init(_ application: SimulatedApplication) { self.application = application }

    var isOver: Bool { application.end != nil }

    /// Writes up to `count` bytes.
    func write(to pipe: SimulatedPipe, _ count: Int) throws -> Bool {
        var rest = min(count, pipe.room)
        var hasMoved = false
        while rest > 0 {
            if outgoingHead == outgoing.count {
                guard let frame = application.machine.nextFrame() else { break }
                try hold(!hasSentBye, "\(application.name) sends \(frame.header) after BYE")
                hasSentBye = frame.header.type == .bye
                outgoing.removeAll(keepingCapacity: true)
                outgoingHead = 0
                frame.header.encode(into: &outgoing)
                outgoing.append(contentsOf: frame.payload)
            }
            let part = outgoing[outgoingHead..<min(outgoing.count, outgoingHead + rest)]
            pipe.write(part)
            outgoingHead += part.count
            rest -= part.count
            hasMoved = true
        }
        try application.obey()
        let isWritten = outgoingHead == outgoing.count && !application.machine.hasOutput
        if application.isWritingOver, isWritten { pipe.isClosed = true }
        return hasMoved
    }

    /// Reads up to `count` bytes, or the end of the file.
    func read(from pipe: SimulatedPipe, _ count: Int) throws -> Bool {
        guard !isOver else { return false }
        guard !pipe.isAtEnd else {
            application.machine.receiveEndOfFile(duringFrame: header != nil || !incoming.isEmpty)
            try application.obey()
            defer { hasSeenEnd = true }
            return !hasSeenEnd
        }
        let part = pipe.read(min(count, pipe.readable))
        guard !part.isEmpty else { return false }
        incoming.append(contentsOf: part)
        try decode()
        return true
    }

    private func decode() throws {
        var offset = 0
        while !isOver {
            if header == nil {
                guard incoming.count - offset >= FrameHeader.byteCount else { break }
                let parsed = try FrameHeader(parsing: incoming.span, at: offset)
                offset += FrameHeader.byteCount
                guard application.machine.admit(parsed) else { break }
                header = parsed
                lands = application.collects(parsed.stream) && application.machine.canLand(parsed)
            }
            guard let header, incoming.count - offset >= Int(header.length) else { break }
            let payload = Array(incoming[offset..<offset + Int(header.length)])
            offset += payload.count
            self.header = nil
            try hold(!hasReceivedBye, "\(application.name) receives \(header) after BYE")
            hasReceivedBye = header.type == .bye
            if hasReceivedBye { try application.checkBye() }
            if lands {
                if application.machine.receiveLanded(header) { try application.land(payload, of: header.stream) }
            } else {
                application.machine.receive(header, payload: payload)
            }
            try application.obey()
        }
        try application.obey()
        incoming.removeFirst(offset)
    }
}
