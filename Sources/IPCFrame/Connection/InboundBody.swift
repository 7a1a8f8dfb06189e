// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// A body that comes in, piece by piece, in memory that does not grow with it.
///
/// Nothing of a larger body moves before the first piece is asked for, and asking for the next piece says that the
/// one before has been taken. It ends without an error only if every byte came and the digest is right. For one reader.
public final class InboundBody: AsyncSequence, Sendable {
    /// Pieces of the body.
    public typealias Element = [UInt8]

    /// A piece, and what the sender wants of it.
    public struct Piece: Sendable {
        /// Raw bytes; may be none when only a flush is wanted.
        public let bytes: [UInt8]
        /// The sender waits to hear that all up to here is safe: make it durable before asking for the next piece.
        public let isFlush: Bool
    }

    private enum Phase {
        case open
        case ended(Trailer)
        case failed(CallError)
    }

    private struct State {
        var phase = Phase.open
        /// What has come with the frame that opens the body, until it is asked for.
        var whole: WholeBody?
        var decoder: BodyDecoder
        var isAccepted = false
        /// Raw bytes of the piece that the reader holds.
        var held = 0
        var heldIsFlush = false
        /// Raw bytes that the reader has done with, and the connection has not been told of.
        var consumed = 0
        /// What the body came as, while it is read.
        var file: ReceivedFile?
        /// Where the body goes when it is collected.
        var landing: BodyLanding?
    }

    /// What comes next: a chunk that is not decoded yet, or bytes of a file.
    private enum Part {
        case chunk(Chunk)
        case bytes([UInt8], isFlush: Bool)
    }

    /// What the connection is told of at the latest: a small part of a body's window, so that credit flows, and
    /// several chunks, so that the reactor is not woken for each.
    private static let reportedBytes = 512 << 10

    /// Raw bytes, where the sender knows.
    public var size: UInt64? { offer.size }
    private let connection: Connection
    private let id: UInt64
    private let queue: InboundQueue
    private let state: Mutex<State>
    private let offer: Offer
    /// Sent without a verdict: the connection takes it as it comes, and need not be told what becomes of it.
    private let isAtOnce: Bool
    /// The call whose answer this is: it lives as long as somebody reads, and is cancelled with the reader's task.
    private let call: OutgoingCall?

    init(
        connection: Connection,
        id: UInt64,
        queue: InboundQueue,
        offer: Offer,
        whole: WholeBody?,
        limits: ConnectionLimits,
        landing: BodyLanding? = nil,
        call: OutgoingCall? = nil
    ) {
        self.offer = offer
        isAtOnce = offer.isSentAtOnce(initialCredit: limits.initialCredit)
        self.connection = connection
        self.id = id
        self.queue = queue
        self.call = call
        let decoder = BodyDecoder(offer, codec: connection.configuration.chunkPool.codec)
        state = Mutex(State(whole: whole, decoder: decoder, isAccepted: landing != nil, landing: landing))
    }

    /// What the sender told at the end; nil before that.
    public var trailer: Trailer? {
        state.withLock { state in
            if case .ended(let trailer) = state.phase { trailer } else { nil }
        }
    }

    /// The next piece, or nil at the end.
    public func nextPiece() async throws(CallError) -> Piece? {
        switch try await nextPart() {
        case nil: return nil
        case .bytes(let bytes, let isFlush)?: return Piece(bytes: bytes, isFlush: isFlush)
        case .chunk(let chunk)?:
            do throws(CallError) {
                return Piece(bytes: try decode(chunk), isFlush: chunk.isFlush)
            } catch {
                await fail(error)
                throw error
            }
        }
    }

    /// The next part, or nil at the end.
    private func nextPart() async throws(CallError) -> Part? {
        guard let isFlush = try release() else { return nil }
        do throws(CallError) {
            // A body that is here is read without disturbing the reactor, but not by a task that is to end.
            if call != nil, Task.isCancelled { call?.cancel() }
            if let whole = state.withLock({ $0.whole.take() }) { return try take(whole) }
            if let part = try readFile() { return part }
            let present = isFlush ? nil : try queue.takeNow()
            if isFlush || !isAtOnce { report(isFlush: isFlush, isNeeded: present == nil) }
            let item: InboundQueue.Item
            if let present { item = present } else { item = try await fetch() }
            switch item {
            case .chunk(let chunk):
                return .chunk(chunk)
            case .damaged(let error):
                throw error
            case .file(let file):
                try file.check()
                state.withLock { $0.file = file }
                return try readFile()
            case .end(let end):
                let unreported = try check(end)
                if !isAtOnce { connection.takeBody(id, count: unreported) }
                return nil
            }
        } catch {
            await fail(error)
            throw error
        }
    }

    /// All of a body that has come as a whole, which ends with it; nil if it has no bytes.
    private func take(_ whole: WholeBody) throws(CallError) -> Part? {
        if let failure = queue.readFailure { throw failure }
        let bytes = try whole.checked(as: offer)
        state.withLock { $0.phase = .ended(whole.trailer) }
        return bytes.isEmpty ? nil : .bytes(bytes, isFlush: false)
    }

    /// The next piece of the file that the body came as; nil if there is none, or no more of it.
    ///
    /// Reads on the caller's thread. For one reader, as all of this.
    private func readFile() throws(CallError) -> Part? {
        guard var file = state.withLock({ $0.file.take() }), !file.isAtEnd else { return nil }
        if let failure = queue.readFailure { throw failure }
        report(isFlush: false, isNeeded: false)
        let bytes = try file.next()
        state.withLock { state in
            state.decoder.addToDigest(bytes[...])
            state.held = bytes.count
            state.heldIsFlush = file.isFlushDue
            state.file = file
        }
        return .bytes(bytes, isFlush: file.isFlushDue)
    }

    /// The reader has done with the piece that it holds.
    ///
    /// - Returns: whether the sender waits to hear of that; nil when the body has ended.
    private func release() throws(CallError) -> Bool? {
        try state.withLock { state throws(CallError) in
            switch state.phase {
            case .open: break
            case .ended: return nil
            case .failed(let error): throw error
            }
            state.consumed += state.held
            state.held = 0
            defer { state.heldIsFlush = false }
            return state.heldIsFlush
        }
    }

    /// Tells the connection what has been consumed, if it is much or if the reader is about to wait.
    private func report(isFlush: Bool, isNeeded: Bool) {
        let (mustAccept, landing, consumed) = state.withLock { state in
            defer { state.isAccepted = true }
            guard isFlush || isNeeded || state.consumed >= Self.reportedBytes else {
                return (!state.isAccepted, state.landing, 0)
            }
            defer { state.consumed = 0 }
            return (!state.isAccepted, state.landing, state.consumed)
        }
        if mustAccept { connection.acceptBody(id, landing: landing) }
        if consumed > 0 || isFlush { connection.consume(id, count: consumed, isFlush: isFlush) }
    }

    private func fetch() async throws(CallError) -> InboundQueue.Item {
        guard let call else { return try await queue.take() }
        let result = await withTaskCancellationHandler {
            do throws(CallError) {
                return Result<InboundQueue.Item, CallError>.success(try await queue.take())
            } catch {
                return .failure(error)
            }
        } onCancel: {
            call.cancel()
        }
        return try result.get()
    }

    private func decode(_ chunk: Chunk) throws(CallError) -> [UInt8] {
        try state.withLock { state throws(CallError) in
            let raw: [UInt8]
            if let place = chunk.place {
                raw = try copy(place) { $0.read(place) }
                state.decoder.addToDigest(raw[...])
            } else {
                raw = try state.decoder.decode(chunk)
            }
            state.held = chunk.rawCount
            state.heldIsFlush = chunk.isFlush
            return raw
        }
    }

    /// Copies a chunk out of the arena, and looks only then whether it was still the body's own.
    private func copy<Value>(_ place: ArenaPlace, _ body: (ArenaRegion) -> Value) throws(CallError) -> Value {
        guard let region = connection.arena.region else { throw .connection(.aborted) }
        let value = body(region)
        if let failure = queue.readFailure { throw failure }
        return value
    }

    /// Decodes a chunk behind what is collected, with one copy where that is all it takes.
    private func decode(_ chunk: Chunk, into collector: inout BodyCollector) throws(CallError) {
        guard let place = chunk.place else { return try collector.append(try decode(chunk)) }
        try collector.append(count: place.count) { bytes throws(CallError) in
            let start = bytes.count
            try copy(place) { $0.read(place, appendingTo: &bytes) }
            let added = bytes[start...]
            state.withLock { state in
                state.decoder.addToDigest(added)
                state.held = chunk.rawCount
                state.heldIsFlush = chunk.isFlush
            }
        }
    }

    /// Raw bytes that the connection has not been told of.
    private func check(_ end: End) throws(CallError) -> Int {
        try state.withLock { state throws(CallError) in
            if let landing = state.landing, !landing.isUnused { state.decoder.adopt(landing.digest) }
            try state.decoder.check(end)
            state.phase = .ended(end.trailer)
            return state.consumed
        }
    }

    /// Nothing more of it is handed out; the sender is told where it is the reader's doing.
    func fail(_ error: CallError) async {
        state.withLock { state in
            state.phase = .failed(error)
            state.decoder.drop()
            state.file = nil
            state.landing = nil
        }
        switch error {
        case .corruptBody(let detail): await connection.stopBody(id, code: .corruptChunk, reason: detail)
        case .badFile: await connection.stopBody(id, code: .badFile, reason: "\(error)")
        case .digestMismatch: await connection.stopBody(id, code: .digestMismatch, reason: "\(error)")
        case .tooLarge: await connection.stopBody(id, code: .tooLarge, reason: "\(error)")
        case .sink: await connection.stopBody(id, code: .failed, reason: "\(error)")
        default: break
        }
    }

    /// Wants no more of it; the sender is told.
    public func stop(code: ErrorCode = .notWanted, reason: String = "") async {
        state.withLock { $0.file = nil }
        await connection.stopBody(id, code: code, reason: reason)
    }

    /// The whole body in memory.
    ///
    /// A body of more than `limit` raw bytes fails with ``CallError/tooLarge(limit:)``, before it moves if its size was
    /// told.
    public func collect(upTo limit: UInt64) async throws(CallError) -> [UInt8] {
        var bytes: [UInt8] = []
        try await collect(into: &bytes, upTo: limit)
        return bytes
    }

    /// The whole body in place of `bytes`, in their memory if it is large enough and nobody else's.
    ///
    /// For who takes one large body after the other: fresh memory comes from the kernel page by page, which for a large
    /// body takes about as long as moving it. When it fails, `bytes` are empty.
    ///
    /// - Throws: ``CallError``, as ``collect(upTo:)``.
    public func collect(into bytes: inout [UInt8], upTo limit: UInt64) async throws(CallError) {
        var memory: [UInt8] = []
        swap(&memory, &bytes)
        let landing = state.withLock { $0.landing } ?? makeLanding(reusing: &memory)
        var collector = BodyCollector(size: size, limit: limit, reusing: &memory)
        do throws(CallError) {
            try collector.checkSize()
            while let part = try await nextPart() {
                if collector.bytes.isEmpty, var unused = landing?.takeUnused() { collector.reuse(&unused) }
                switch part {
                case .chunk(let chunk): try decode(chunk, into: &collector)
                case .bytes(let bytes, _): try collector.append(bytes)
                }
            }
        } catch {
            // Some failures have been told already; twice is no harm.
            await fail(error)
            throw error
        }
        bytes = landing?.take() ?? collector.bytes
    }

    /// Where a body that nobody has begun to read is collected, if it comes as it is.
    private func makeLanding(reusing memory: inout [UInt8]) -> BodyLanding? {
        guard !isAtOnce, state.withLock({ !$0.isAccepted }) else { return nil }
        let codec = connection.configuration.chunkPool.codec
        let landing = BodyLanding(for: offer, codec: codec, reusing: &memory)
        state.withLock { $0.landing = landing }
        return landing
    }

    /// Iterates over the pieces.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: InboundBody

        /// The next piece that has bytes, or nil at the end.
        public mutating func next() async throws(CallError) -> [UInt8]? {
            while let piece = try await body.nextPiece() {
                if !piece.bytes.isEmpty { return piece.bytes }
            }
            return nil
        }
    }

    /// An iterator; a body has one reader.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(body: self)
    }
}
