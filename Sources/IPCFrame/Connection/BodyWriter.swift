// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Sends the body of an answer: pieces of any size, gathered into chunks.
///
/// A small answer whose size was not told still goes out in one round trip, for nothing is sent before it has grown
/// beyond the initial credit or is complete. For one writer.
public final class BodyWriter: Sendable {
    private struct State {
        var offer: Offer
        var sender: BodySender?
        var buffer: [UInt8] = []
        var written: UInt64 = 0
        var isFinished = false
        /// All of it has been left to the reactor.
        var isHandedOver = false
        /// What was written is not all: the body that was to be sent has failed.
        var failure: CallError?

        /// Keeps the end of what is there, a whole chunk at most, and gives out the chunks before it.
        ///
        /// Never all: a flush must ride on bytes. Of one that comes behind them the answer could not be told from the
        /// CREDIT for those bytes, which may be on its way before they are durable.
        mutating func take(_ bytes: [UInt8], maxChunk: Int) -> [ArraySlice<UInt8>] {
            guard !bytes.isEmpty else { return [] }
            var ready: [ArraySlice<UInt8>] = []
            if buffer.count == maxChunk {
                ready.append(buffer[...])
                buffer = []
            }
            if buffer.isEmpty { buffer = bytes } else { buffer.append(contentsOf: bytes) }
            guard buffer.count > maxChunk else { return ready }
            let all = buffer
            let whole = (all.count - 1) / maxChunk * maxChunk
            ready.append(all[..<whole])
            buffer = Array(all[whole...])
            return ready
        }
    }

    private let connection: Connection
    private let id: UInt64
    private let arguments: [Argument]
    private let limits: ConnectionLimits
    private let state: Mutex<State>

    init(connection: Connection, id: UInt64, limits: ConnectionLimits, offer: Offer, arguments: [Argument]) {
        self.connection = connection
        self.id = id
        self.limits = limits
        self.arguments = arguments
        state = Mutex(State(offer: offer))
    }

    private var maxChunk: Int { Int(limits.maxChunk) }

    /// Raw bytes written so far.
    public var written: UInt64 { state.withLock { $0.written } }

    /// Sends `bytes`, or keeps them until more than a chunk is there.
    ///
    /// Waits for the receiver's credit as often as needed.
    public func write(_ bytes: [UInt8]) async throws(CallError) {
        let ready = state.withLock { state in
            precondition(!state.isFinished, "the body is finished")
            state.written += UInt64(bytes.count)
            return state.take(bytes, maxChunk: maxChunk)
        }
        for slice in ready { try await start().send(slice) }
    }

    /// Sends all of the body.
    func write(all bytes: [UInt8]) async throws(CallError) {
        let offer = state.withLock { $0.offer }
        guard connection.sendsByItself(offer), !offer.isSentAtOnce(initialCredit: limits.initialCredit) else {
            return try await write(bytes)
        }
        state.withLock { state in
            precondition(state.written == 0, "all of a body is all that is written")
            state.written = UInt64(bytes.count)
            state.isHandedOver = true
        }
        do throws(CallError) {
            try await connection.respond(id, ResponseHead(offer: offer, arguments: arguments), all: bytes)
        } catch {
            state.withLock { $0.failure = error }
            throw error
        }
    }

    /// Sends all of `body`: as the file that it is, where that was offered and is taken, or else piece by piece.
    func write(_ body: OutboundBody) async throws(CallError) {
        let offer = state.withLock { $0.offer }
        let isAtOnce = offer.isSentAtOnce(initialCredit: limits.initialCredit)
        do throws(CallError) {
            if let part = body.part, offer.delivery == .descriptor, !isAtOnce, try await start().send(file: part) {
                state.withLock { $0.written = part.range.count }
                return
            }
            if let bytes = body.bytes { return try await write(all: bytes) }
            try await body.forEachPiece { piece throws(CallError) in try await write(piece) }
        } catch {
            state.withLock { $0.failure = error }
            throw error
        }
    }

    /// Waits until the receiver's application has taken every byte written so far, and has made it durable as far as it
    /// promises that.
    ///
    /// So a change can be made lasting only after its result is in safe hands.
    ///
    /// - Precondition: the size was not told, or is above the connection's initial credit.
    public func flush() async throws(CallError) {
        let sender = try await start()
        let rest = state.withLock { state in
            defer { state.buffer = [] }
            return state.buffer
        }
        // Without a byte since the last flush there is nothing to ask for.
        if !rest.isEmpty { try await sender.send(rest[...], flush: true) }
        try await connection.waitUntilConsumed(id, count: sender.sent)
    }

    /// Queues RESPONSE if that has not happened, and waits for the verdict.
    private func start() async throws(CallError) -> BodySender {
        let (existing, offer) = state.withLock { ($0.sender, $0.offer) }
        if let existing { return existing }
        let isAtOnce = try await connection.respond(id, ResponseHead(offer: offer, arguments: arguments))
        let sender = BodySender(connection: connection, id: id, maxChunk: maxChunk, offer: offer)
        state.withLock { $0.sender = sender }
        if !isAtOnce { sender.accepted(as: try await connection.waitForVerdict(id)) }
        return sender
    }

    func finish(_ trailer: Trailer) async throws(CallError) {
        typealias Left = (rest: [UInt8], offer: Offer, written: UInt64, isStarted: Bool)
        let left = try state.withLock { state throws(CallError) -> Left? in
            if let failure = state.failure { throw failure }
            state.isFinished = true
            guard !state.isHandedOver else { return nil }
            defer { state.buffer = [] }
            // All of it is here: the size is known now.
            if state.sender == nil, state.offer.size == nil { state.offer.size = UInt64(state.buffer.count) }
            return (state.buffer, state.offer, state.written, state.sender != nil)
        }
        guard let (rest, offer, written, isStarted) = left else {
            return connection.sendEnd(id, digest: nil, trailer: trailer)
        }
        if let size = offer.size, size != written {
            throw .source("the handler announced \(size) bytes and wrote \(written)")
        }
        if !isStarted, offer.isSentAtOnce(initialCredit: limits.initialCredit) {
            let head = ResponseHead(offer: offer, arguments: arguments)
            connection.answer(id, head, body: rest, trailer: trailer)
            return
        }
        let sender = try await start()
        try await sender.send(rest[...])
        await sender.finish(trailer)
    }
}
