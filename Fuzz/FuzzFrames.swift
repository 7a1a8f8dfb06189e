// SPDX-License-Identifier: Apache-2.0

// A header and a payload of any type: reading must not trap, and what was read must survive being written and read.

/// What libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzzFrames(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count >= FrameHeader.byteCount else { return 0 }
    var input = unsafe FuzzInput(start, count)
    guard let header = try? FrameHeader(parsing: input.take(FrameHeader.byteCount).span) else { return 0 }
    let payload = input.rest()
    guard let written = try? rewritten(header, payload) else { return 0 }
    guard let again = try? rewritten(header, written) else {
        fatalError("\(FrameType.name(of: header.rawType)): what was written cannot be read")
    }
    require(written == again, "\(FrameType.name(of: header.rawType)): what was written is read as something else")
    return 0
}

/// The payload as the code writes it, after reading it; nil for types that have none.
private func rewritten(_ header: FrameHeader, _ payload: [UInt8]) throws -> [UInt8]? {
    var bytes: [UInt8] = []
    switch header.type {
    case .hello: try Hello(parsing: payload).encode(into: &bytes)
    case .welcome: try Welcome(parsing: payload).encode(into: &bytes)
    case .reject: try Reject(parsing: payload).encode(into: &bytes)
    case .request: try Request(parsing: payload).encode(into: &bytes)
    case .response: try ResponseHead(parsing: payload).encode(into: &bytes)
    case .accept: try Accept(parsing: payload).encode(into: &bytes)
    case .refuse: try Refuse(parsing: payload).encode(into: &bytes)
    case .credit: try Credit(parsing: payload).encode(into: &bytes)
    case .end: try End(parsing: payload).encode(into: &bytes)
    case .error: try RemoteError(parsing: payload, flags: header.flags).encode(into: &bytes)
    case .reset, .stop: try Halt(parsing: payload).encode(into: &bytes)
    case .progress: try Progress(parsing: payload, flags: header.flags).encode(into: &bytes)
    case .log: try LogLine(parsing: payload).encode(into: &bytes)
    case .ping, .pong, .drain: try Number(parsing: payload).encode(into: &bytes)
    case .bye:
        var reader = PayloadReader(payload)
        try Trailer(&reader, in: .bye).encode(into: &bytes)
    case .data:
        let flags = header.flags
        let delivery: BodyDelivery = flags.contains(.file) ? .descriptor : .arena
        let chunk = try Chunk(flags: flags, payload: payload, codec: .zlib, delivery: delivery, maxChunk: 65_536)
        if let file = chunk.file {
            require(file.offset + file.count <= UInt64(Int64.max), "a file that cannot be so large")
        }
        require(chunk.file != nil || chunk.rawCount <= 65_536, "a chunk of \(chunk.rawCount) bytes was let through")
        if let place = chunk.place {
            require(place.slot < ArenaLayout.slots, "a slot that is not there")
            require(place.offset + place.count <= ArenaLayout.slotBytes, "a chunk behind its slot")
        }
        bytes = Array(chunk.bytes)
    case .arena: try ArenaAnnouncement(parsing: payload).encode(into: &bytes)
    case .ready, nil: return nil
    }
    return bytes
}
