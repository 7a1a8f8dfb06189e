// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// Frames that have been handed to the wire and are not wholly written yet.
///
/// Few at a time: what is here cannot be overtaken any more.
struct FrameWriter {
    enum Outcome {
        /// All is written.
        case done
        case wouldBlock
        case failed(SystemError)
    }

    /// Wire bytes after which no further frame is taken into a write.
    private static let batchBytes = 128 << 10
    private static let batchFrames = 32

    private var frames: [OutboundFrame] = []
    /// How often the socket was written to.
    private(set) var writes: UInt64 = 0
    private var written = 0
    private var total = 0
    /// A frame that goes with a descriptor, which must begin a write.
    private var held: (frame: OutboundFrame, descriptor: PassedDescriptor?)?
    /// What goes with the first of the frames.
    private var passing: PassedDescriptor?

    /// Whether anything waits for the socket.
    var isEmpty: Bool { frames.isEmpty && held == nil }

    /// Takes frames and writes them until there are none or the socket is full.
    ///
    /// `passed` gives the descriptor that goes with a frame whose header counts one.
    mutating func write(
        to descriptor: CInt,
        next: () -> OutboundFrame?,
        passed: (OutboundFrame) -> PassedDescriptor? = { _ in nil }
    ) -> Outcome {
        while true {
            if frames.isEmpty {
                take {
                    guard let frame = next() else { return nil }
                    return (frame, frame.header.descriptors > 0 ? passed(frame) : nil)
                }
            }
            guard !frames.isEmpty else { return .done }
            writes += 1
            let count = send(descriptor)
            if count == Int64(-EAGAIN) { return .wouldBlock }
            guard count >= 0 else {
                clear()
                return .failed(SystemError(call: "sendmsg", errno: CInt(-count)))
            }
            if written == 0, frames[0].header.descriptors > 0 { passing = nil }
            written += Int(count)
            if written == total { clear() }
        }
    }

    private mutating func clear() {
        // Its memory is kept; most often there is one.
        while frames.popLast() != nil {}
        written = 0
        total = 0
        passing = nil
    }

    /// Nothing more will be written.
    mutating func closeDescriptors() {
        passing = nil
        held = nil
    }

    private mutating func take(_ next: () -> (frame: OutboundFrame, descriptor: PassedDescriptor?)?) {
        while total < Self.batchBytes, frames.count < Self.batchFrames,
            let (frame, descriptor) = held.take() ?? next()
        {
            if frame.header.descriptors > 0 {
                guard frames.isEmpty else {
                    held = (frame, descriptor)
                    return
                }
                passing = descriptor
            }
            frames.append(frame)
            total += frame.byteCount
        }
    }

    /// One sendmsg of everything from the first unwritten byte on.
    private func send(_ descriptor: CInt) -> Int64 {
        // The parts point to headers that are there for the length of the call, and to payloads that this value holds.
        unsafe withUnsafeTemporaryAllocation(of: (UInt64, UInt64).self, capacity: frames.count) { headers in
            unsafe withUnsafeTemporaryAllocation(of: clinux_part.self, capacity: frames.count * 2) { parts in
                var count = 0
                var skip = written
                for (index, frame) in frames.enumerated() {
                    let words = frame.header.words
                    unsafe headers.initializeElement(at: index, to: (words.0.littleEndian, words.1.littleEndian))
                    let header = unsafe UnsafeMutableBufferPointer(rebasing: headers[index...index])
                    unsafe Self.append(UnsafeRawBufferPointer(header), to: parts, &count, &skip)
                    // An ArraySlice's storage does not move while `frames` holds it.
                    unsafe frame.payload.withUnsafeBytes { unsafe Self.append($0, to: parts, &count, &skip) }
                }
                return unsafe send(UnsafeBufferPointer(rebasing: parts[..<count]), to: descriptor)
            }
        }
    }

    /// With a copy of the descriptor that belongs to the first byte, if one does.
    private func send(_ parts: UnsafeBufferPointer<clinux_part>, to descriptor: CInt) -> Int64 {
        // The parts are the caller's, for the length of the call.
        guard written == 0, frames[0].header.descriptors > 0, let passing else {
            return unsafe clinux_send(descriptor, parts.baseAddress, CInt(parts.count))
        }
        return passing.withRawValue { passed in
            unsafe clinux_send_descriptor(descriptor, parts.baseAddress, CInt(parts.count), passed)
        }
    }

    private static func append(
        _ bytes: UnsafeRawBufferPointer,
        to parts: UnsafeMutableBufferPointer<clinux_part>,
        _ count: inout Int,
        _ skip: inout Int
    ) {
        let passed = min(skip, bytes.count)
        skip -= passed
        guard passed < bytes.count, let base = bytes.baseAddress else { return }
        // Two parts a frame have room; a plain struct needs no end of its life.
        unsafe parts.initializeElement(at: count, to: clinux_part(bytes: base + passed, count: bytes.count - passed))
        count += 1
    }
}
