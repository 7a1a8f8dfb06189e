// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// Cuts what a socket delivers into frames.
///
/// Headers and small frames are read in batches; a large payload is read straight into the array that will be
/// delivered, or to the ``BodyLanding`` where its body is collected. The caller checks each header before a byte of
/// memory is taken for its payload.
struct FrameReader {
    /// A frame, or why there is none.
    enum Outcome {
        case frame(FrameHeader, [UInt8])
        /// A frame whose payload has been added to the landing that was given for it.
        case landed(FrameHeader)
        /// Nothing more can be read now.
        case wouldBlock
        case endOfFile(duringFrame: Bool)
        /// The connection has ended because of a header.
        case rejected
        /// A header with a byte that must be zero, or descriptors that nobody announced.
        case violation(ProtocolViolation)
        case failed(SystemError)
    }

    private static let batchCapacity = 64 << 10
    /// What is read beyond a large payload: the next header and little of what follows, for that is copied once more.
    private static let smallBatch = 4 << 10
    /// Payloads from here on are large; after one, another is expected.
    private static let largePayload = 32 << 10

    // Not zeroed: of a connection that moves little, most of it is never touched, and takes no memory.
    private var batch = unsafe [UInt8](unsafeUninitializedCapacity: FrameReader.batchCapacity) { $1 = $0.count }
    private var batchStart = 0
    private var batchEnd = 0
    private var header: FrameHeader?
    private var payload: [UInt8] = []
    /// Takes the payload in place of the array.
    private var landing: BodyLanding?
    private var payloadCount = 0
    private var lastLength = 0
    /// The last read gave less than there was room for: the socket was empty, and tells when it no longer is.
    private var isDrained = false
    /// Nobody will tell of more: each read is tried until it finds nothing.
    var readsUntilEmpty = false
    /// Bytes that were read, and where among them the frame after the newest begins.
    private var bytesRead: UInt64 = 0
    private var nextStart: UInt64 = 0
    var descriptors = ReceivedDescriptors()
    /// How often the socket was read.
    private(set) var reads: UInt64 = 0

    /// The next frame.
    ///
    /// `admit` sees each header first; when it says no, reading is over. Then `landing` may say where the payload
    /// belongs.
    ///
    /// After `wouldBlock` the socket must be waited for, by a poll that tells of bytes (level-triggered) before it is
    /// tried again. With `waits` a read sleeps until there is something; `wouldBlock` comes only where the socket limits
    /// that.
    mutating func next(
        from descriptor: CInt,
        waits: Bool = false,
        admit: (FrameHeader) -> Bool,
        landing: (FrameHeader) -> BodyLanding? = { _ in nil }
    ) -> Outcome {
        while true {
            if header == nil {
                do throws(ProtocolViolation) {
                    if let parsed = try parseHeader() {
                        guard admit(parsed) else { return .rejected }
                        let start = nextStart
                        nextStart += UInt64(FrameHeader.byteCount) + UInt64(parsed.length)
                        try descriptors.claim(for: parsed, from: start, to: nextStart)
                        begin(parsed, landing(parsed))
                    }
                } catch {
                    return .violation(error)
                }
            }
            if let header, payloadCount == lastLength {
                self.header = nil
                payloadCount = 0
                if let place = self.landing.take() {
                    place.add(lastLength)
                    return .landed(header)
                }
                let complete = payload
                payload = []
                return .frame(header, complete)
            }
            if let outcome = fill(descriptor, waits: waits) { return outcome }
        }
    }

    private mutating func parseHeader() throws(ProtocolViolation) -> FrameHeader? {
        guard batchEnd - batchStart >= FrameHeader.byteCount else { return nil }
        defer { batchStart += FrameHeader.byteCount }
        return try FrameHeader(parsing: batch.span, at: batchStart)
    }

    /// Whether a whole header, at least, was read ahead: there may be a frame without a further read.
    var holdsBytes: Bool { batchEnd - batchStart >= FrameHeader.byteCount }

    /// Whether the next frame was read ahead as a whole, so that ``next(from:waits:admit:landing:)`` has it at once.
    var holdsFrame: Bool {
        guard header == nil, holdsBytes else { return false }
        let length = Int(batch.span.littleEndian32(at: batchStart))
        return batchEnd - batchStart - FrameHeader.byteCount >= length
    }

    /// Takes what the batch holds of the payload already, and makes room for the rest.
    private mutating func begin(_ header: FrameHeader, _ landing: BodyLanding?) {
        self.header = header
        self.landing = landing
        lastLength = Int(header.length)
        let count = Int(header.length)
        let present = min(count, batchEnd - batchStart)
        if let landing {
            unsafe landing.withRoom(at: 0) { room in
                precondition(present <= room.count, "a payload lands where there is room for it")
                unsafe batch.withUnsafeBytes { bytes in
                    let read = unsafe UnsafeRawBufferPointer(rebasing: bytes[batchStart..<batchStart + present])
                    unsafe room.copyMemory(from: read)
                }
            }
        } else if present == count {
            payload = Array(batch[batchStart..<batchStart + count])
        } else {
            // The rest is written by recvmsg before anybody sees the array: `next` delivers only full ones.
            payload = unsafe [UInt8](unsafeUninitializedCapacity: count) { _, initialized in initialized = count }
            payload.replaceSubrange(0..<present, with: batch[batchStart..<batchStart + present])
        }
        payloadCount = present
        batchStart += present
        if batchStart == batchEnd {
            batchStart = 0
            batchEnd = 0
        }
    }

    /// Reads once: into the payload that is under way, then into the batch.
    private mutating func fill(_ descriptor: CInt, waits: Bool) -> Outcome? {
        if isDrained, !waits {
            isDrained = false
            if !readsUntilEmpty { return .wouldBlock }
        }
        if batchStart > 0 {
            batch.replaceSubrange(0..<batchEnd - batchStart, with: Array(batch[batchStart..<batchEnd]))
            batchEnd -= batchStart
            batchStart = 0
        }
        reads += 1
        var received = clinux_received()
        let missing = header == nil ? 0 : lastLength - payloadCount
        let room = lastLength >= Self.largePayload ? Self.smallBatch : Self.batchCapacity
        // Whatever is read into outlives the call, and the counts are its own.
        func receive(_ rest: UnsafeMutableRawBufferPointer, _ batch: UnsafeMutableRawBufferPointer) -> Int64 {
            precondition(missing <= rest.count, "a payload is read where there is room for it")
            return unsafe clinux_receive(
                descriptor,
                rest.baseAddress,
                missing,
                batch.baseAddress.map { unsafe $0 + batchEnd },
                max(0, room - batchEnd),
                waits ? 1 : 0,
                &received
            )
        }
        let count: Int64
        if let landing {
            count = unsafe landing.withRoom(at: payloadCount) { rest in
                unsafe batch.withUnsafeMutableBytes { unsafe receive(rest, $0) }
            }
        } else {
            count = unsafe payload.withUnsafeMutableBytes { bytes in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[min(payloadCount, bytes.count)...])
                return unsafe batch.withUnsafeMutableBytes { unsafe receive(rest, $0) }
            }
        }
        bytesRead += UInt64(max(0, count))
        if received.count > 0 || received.truncated != 0 {
            descriptors.arrive(received, before: bytesRead)
            do throws(ProtocolViolation) {
                try descriptors.check(before: nextStart)
            } catch {
                return .violation(error)
            }
        }
        guard count >= 0 else {
            return count == Int64(-EAGAIN) ? .wouldBlock : .failed(SystemError(call: "recvmsg", errno: CInt(-count)))
        }
        isDrained = count > 0 && Int(count) < missing + max(0, room - batchEnd)
        guard count > 0 else { return .endOfFile(duringFrame: header != nil || batchEnd > 0) }
        let intoPayload = min(Int(count), missing)
        payloadCount += intoPayload
        batchEnd += Int(count) - intoPayload
        return nil
    }
}
