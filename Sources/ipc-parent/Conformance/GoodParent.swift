// SPDX-License-Identifier: Apache-2.0

import Glibc
import IPCFrame

/// A parent that keeps every rule, and finds where the worker does not: the state machine reads each frame.
final class GoodParent {
    struct Call {
        var body: ArraySlice<UInt8>
        var isKnownSize = true
        var isHeld = false
        var codec = BodyCodec.none
        var digest = BodyDigest.crc32
        /// Raw bytes of the chunks, at most.
        var chunkSize = 262_144
        /// Every chunk has FLUSH, and the next waits until it has been consumed.
        var flushes = false

        init(_ body: [UInt8]) { self.body = body[...] }
    }

    private struct Running {
        var call: Call
        var sent = 0
        var consumed = 0
        var digest = CRC32Digest()
        let deflater = ChunkDeflater()
        var hasEnded = false
        let inflater = ChunkInflater()
        var offer: Offer?
        var answer: [UInt8] = []
        var answerDigest = CRC32Digest()
        /// The final CREDIT has come, or none is owed (§7.2).
        var isTaken = false
        var failure: String?
        var isOver = false
    }

    private let session: Session
    private var machine = ConnectionStateMachine(role: .parent)
    private var running: [UInt64: Running] = [:]
    private(set) var pongs: [UInt64] = []
    private var isOpen = false
    private var isDrained = false
    private(set) var chunks = (all: 0, compressed: 0)

    init(_ session: Session) {
        self.session = session
    }

    /// The handshake.
    func open() throws {
        try run { self.isOpen }
    }

    /// Opens a call to `echo`.
    func start(_ call: Call) throws -> UInt64 {
        let size = call.isKnownSize ? UInt64(call.body.count) : nil
        let offer = Offer(size: size, codec: call.codec, digest: call.digest, isHeld: call.isHeld)
        do {
            let id = try machine.openCall(Request(method: "echo", offer: offer))
            running[id] = Running(call: call, isTaken: machine.isSentAtOnce(offer))
            return id
        } catch {
            throw Failed("the call cannot be opened: \(error)")
        }
    }

    /// What `echo` answers, once the call is over on both sides.
    func finish(_ id: UInt64) throws -> [UInt8] {
        try run { self.running[id]?.isOver ?? true }
        guard let call = running.removeValue(forKey: id) else { throw Failed("the call \(id) was never opened") }
        if let failure = call.failure { throw Failed(failure) }
        return call.answer
    }

    /// One call whose answer must be its body.
    func echo(_ call: Call, _ what: String) throws {
        let answer = try finish(start(call))
        try check(answer.count == call.body.count, "\(what): \(answer.count) bytes came back, not \(call.body.count)")
        // Not ==, which takes seconds for megabytes in a debug build.
        let isSame = unsafe answer.withUnsafeBytes { left in
            unsafe call.body.withUnsafeBytes { right in
                guard let one = left.baseAddress, let other = right.baseAddress else { return true }
                // Both have `left.count` bytes.
                return unsafe memcmp(one, other, left.count) == 0
            }
        }
        try check(isSame, "\(what): other bytes came back")
    }

    func ping(_ value: UInt64) {
        machine.ping(value)
    }

    /// Until as many PONGs have come.
    func awaitPongs(_ count: Int) throws {
        try run { self.pongs.count >= count }
    }

    /// DRAIN, BYE both ways, exit 0.
    func close() throws {
        machine.drain()
        try run { self.isDrained }
        session.socket.shutdownWriting()
        try session.expectEndOfFile()
        try session.expectExit(0)
    }

    // MARK: The loop

    private func run(until isDone: () -> Bool) throws {
        while true {
            try takeActions()
            for id in running.keys.sorted() { try sendMore(id) }
            while let frame = machine.nextFrame() {
                var bytes = Session.encoded { frame.header.encode(into: &$0) }
                bytes += frame.payload
                try session.socket.write(bytes)
                try takeActions()
                for id in running.keys.sorted() { try sendMore(id) }
            }
            if isDone() { return }
            guard let frame = try session.socket.readFrame(limit: machine.payloadLimit, for: "the next frame") else {
                throw Failed("the worker closed before it was done")
            }
            if machine.admit(frame.header) { machine.receive(frame.header, payload: frame.payload) }
        }
    }

    private func sendMore(_ id: UInt64) throws {
        guard var call = running[id], !call.hasEnded, machine.isSending(id) else { return }
        defer { running[id] = call }
        while call.sent < call.call.body.count {
            if call.call.flushes, call.sent > call.consumed { return }
            let count = min(machine.sendWindow(id), call.call.chunkSize, call.call.body.count - call.sent)
            guard count > 0 else { return }
            let raw = Array(call.call.body[call.sent..<call.sent + count])
            call.digest.update(raw)
            call.sent += count
            var chunk = Chunk(stored: raw[...], isFlush: call.call.flushes)
            if call.call.codec == .zlib, case .compressed(let payload) = call.deflater.encode(raw) {
                chunk = Chunk(compressed: payload[...], rawCount: count, isFlush: call.call.flushes)
            }
            machine.send(chunk, on: id)
        }
        // An offered body has no END before its ACCEPT (§7.1), even if it has no bytes.
        guard machine.isAccepted(id) else { return }
        call.hasEnded = true
        let digest = call.call.digest == .crc32 ? call.digest.value : 0
        machine.sendEnd(id, digest: digest, trailer: Trailer())
    }

    private func takeActions() throws {
        while let action = machine.nextAction() {
            switch action {
            case .open: isOpen = true
            case .response(let id, let head):
                running[id]?.offer = head.offer
                if !machine.isSentAtOnce(head.offer) { machine.accept(id) }
            case .deliver(let id, let chunk): try deliver(id, chunk)
            case .end(let id, let end): try finish(id, end)
            case .consumed(let id, let offset): running[id]?.consumed = Int(offset)
            case .failed(let id, let error): fail(id, "ERROR '\(error.code): \(error.reason)' came")
            case .refused(let id, let refuse): fail(id, "REFUSE '\(refuse.code): \(refuse.reason)' came")
            case .reset(let id, let halt): fail(id, "RESET '\(halt.code): \(halt.reason)' came")
            case .stopped(let id, let halt): fail(id, "STOP '\(halt.code): \(halt.reason)' came")
            case .forgotten(let id): running[id]?.isOver = true
            case .pong(let value): pongs.append(value)
            case .call(let id, _):
                machine.refuse(id, Refuse(code: .notWanted, reason: "the conformance runner takes no calls"))
            case .idle: machine.bye(Trailer())
            case .shutdownWrite: isDrained = true
            case .close(let end): throw Failed("\(end)")
            case .taken(let id): running[id]?.isTaken = true
            case .progress, .log, .sendable, .cancel, .drain, .prepare, .arena: break
            }
        }
    }

    private func fail(_ id: UInt64, _ text: String) {
        running[id]?.failure = text
        running[id]?.isOver = true
    }

    private func deliver(_ id: UInt64, _ chunk: Chunk) throws {
        chunks.all += 1
        var raw = Array(chunk.bytes)
        if chunk.isCompressed {
            chunks.compressed += 1
            do {
                raw = try running[id]?.inflater.inflate(payload: raw, rawLength: chunk.rawCount) ?? []
            } catch {
                throw Failed("\(error) (§8)")
            }
        }
        running[id]?.answer += raw
        running[id]?.answerDigest.update(raw)
        machine.consume(id, count: chunk.rawCount, isFlush: chunk.isFlush)
    }

    private func finish(_ id: UInt64, _ end: End) throws {
        let digest = running[id]?.answerDigest.value
        if end.digestKind == .crc32 { try check(end.digest == digest, "END has a wrong digest (§9)") }
        let isTaken = running[id]?.isTaken ?? true
        try check(isTaken, "END came without the final CREDIT for a body that was taken whole (§7.2)")
        machine.take(id)
    }
}
