// SPDX-License-Identifier: Apache-2.0

/// One call of a ``BlockingLink``: what came of its body, and how it failed.
final class BlockingStream {
    let id: UInt64
    /// What came as a whole and was not fetched.
    private var whole: WholeBody?
    /// What came in chunks, or why nothing will, and was not fetched; made for the first of them.
    private var queue: InboundQueue?
    /// The answer's beginning; opener.
    private(set) var head: ResponseHead?
    /// What the answerer reports, not handed out yet.
    private var events: [CallEvent] = []
    var isCancelled = false
    /// The call is over.
    private(set) var failure: CallError?
    /// The receiver wants no more of our body.
    var outboundFailure: CallError?

    /// How the bodies of a call of ours travel; of the peer's, as they are offered.
    var delivery = CallOptions.Delivery.arena

    /// Our own call is given up then.
    var deadline: ContinuousMoment?

    private let limits: ConnectionLimits
    private var offer: Offer?
    private var decoder: BodyDecoder?
    /// Where the body goes when it is collected.
    private(set) var landing: BodyLanding?
    private var isAccepted = false
    private var held: (count: Int, isFlush: Bool) = (0, false)
    private var isEnded = false
    private(set) var trailer: Trailer?

    var size: UInt64? { offer?.size }

    private var isAtOnce: Bool { offer?.isSentAtOnce(initialCredit: limits.initialCredit) ?? false }

    init(id: UInt64, limits: ConnectionLimits) {
        self.id = id
        self.limits = limits
    }

    /// The answer to our call begins.
    func begin(_ head: ResponseHead) {
        self.head = head
        begin(head.offer, head.whole)
    }

    /// The body for us is offered, or has come with that as a whole.
    func begin(_ offer: Offer, _ whole: WholeBody?) {
        self.offer = offer
        self.whole = whole
        if whole == nil { decoder = BodyDecoder(offer) }
    }

    /// Whether the answer has begun.
    var hasBegun: Bool { head != nil }

    var hasEvents: Bool { !events.isEmpty }

    func tell(_ event: CallEvent) { events.append(event) }

    func takeEvents() -> [CallEvent] {
        let taken = events
        if !taken.isEmpty { events = [] }
        return taken
    }

    /// `isDropping`: what has come of the body is not handed out any more.
    func fail(_ error: CallError, isDropping: Bool = true) {
        if failure == nil { failure = error }
        if isDropping {
            landing = nil
            whole = nil
        }
        inbound.fail(failure ?? error, dropping: isDropping)
    }

    // MARK: The body for us

    /// What comes in chunks.
    var inbound: InboundQueue {
        if let queue { return queue }
        let queue = InboundQueue()
        self.queue = queue
        return queue
    }

    /// What the next look at the body gives.
    enum Found {
        case piece([UInt8])
        case end
        /// Nothing has come yet.
        case nothing
    }

    /// Whether a look finds something, or lets something come.
    var hasNews: Bool {
        whole != nil || failure != nil || queue?.isEmpty == false || (decoder != nil && !isAtOnce && !isAccepted)
    }

    /// The next piece, if it is here; what was handed out before is taken now.
    func look(_ link: BlockingLink) throws(CallError) -> Found {
        if isEnded { return .end }
        if let whole { return try take(whole, link) }
        release(link)
        guard var decoder else {
            if let failure { throw failure }
            return .nothing
        }
        guard let item = try queue?.takeNow() else { return .nothing }
        do throws(CallError) {
            switch item {
            case .chunk(let chunk):
                let bytes: [UInt8]
                if let place = chunk.place, let region = link.state.region {
                    bytes = region.read(place)
                    decoder.addToDigest(bytes[...])
                } else {
                    bytes = try decoder.decode(chunk)
                }
                self.decoder = decoder
                held = (chunk.rawCount, chunk.isFlush)
                return .piece(bytes)
            case .damaged(let error):
                throw error
            // No end of this kind offers to take files.
            case .file: throw .badFile("it was not asked for")
            case .end(let end):
                if let landing, !landing.isUnused { decoder.adopt(landing.digest) }
                try decoder.check(end)
                isEnded = true
                trailer = end.trailer
                if !isAtOnce { link.state.machine.take(id) }
                link.obey()
                return .end
            }
        } catch {
            let code: ErrorCode = if case .digestMismatch = error { .digestMismatch } else { .corruptChunk }
            stop(link, error, code: code)
            throw error
        }
    }

    /// The one piece of it, if it has bytes, and then its end.
    private func take(_ whole: WholeBody, _ link: BlockingLink) throws(CallError) -> Found {
        self.whole = nil
        guard let offer else { return .nothing }
        do throws(CallError) {
            let bytes = try whole.checked(as: offer)
            isEnded = true
            trailer = whole.trailer
            return bytes.isEmpty ? .end : .piece(bytes)
        } catch {
            stop(link, error, code: .digestMismatch)
            throw error
        }
    }

    /// No more of the body for us is wanted.
    func stop(_ link: BlockingLink, _ error: CallError, code: ErrorCode) {
        fail(error)
        link.state.machine.stop(id, code: code, reason: "\(error)")
        link.obey()
    }

    private func release(_ link: BlockingLink) {
        if !isAtOnce, !isAccepted, decoder != nil {
            isAccepted = true
            link.state.accept(id, delivery)
        }
        let (count, isFlush) = held
        held = (0, false)
        guard isFlush || count > 0, isFlush || !isAtOnce else { return }
        link.state.machine.consume(id, count: count, isFlush: isFlush)
        // The sender may wait for it, also while more is here to be looked at.
        link.obey()
    }

    /// The next piece; nil at the end.
    func next(_ link: BlockingLink) throws(CallError) -> [UInt8]? {
        while true {
            switch try look(link) {
            case .piece(let bytes): return bytes
            case .end: return nil
            case .nothing: break
            }
            try wait(link) { hasNews }
        }
    }

    /// The whole body in place of `bytes`, if it has no more than `limit`.
    func collect(_ link: BlockingLink, into bytes: inout [UInt8], upTo limit: UInt64) throws(CallError) {
        var memory: [UInt8] = []
        swap(&memory, &bytes)
        do throws(CallError) {
            var collector = try beginCollecting(reusing: &memory, upTo: limit)
            while let piece = try next(link) { try collector.append(piece) }
            bytes = collected(collector)
        } catch {
            if case .tooLarge = error { stop(link, error, code: .tooLarge) }
            throw error
        }
    }

    /// Call before the body is looked at; what was read in place does not come by.
    func beginCollecting(reusing memory: inout [UInt8], upTo limit: UInt64) throws(CallError) -> BodyCollector {
        if !isAtOnce, !isAccepted, let offer {
            landing = BodyLanding(for: offer, reusing: &memory)
        }
        let collector = BodyCollector(size: size, limit: limit, reusing: &memory)
        try collector.checkSize()
        return collector
    }

    /// The whole body.
    func collected(_ collector: BodyCollector) -> [UInt8] { landing?.take() ?? collector.bytes }

    // MARK: The body that we send

    /// Sends `bytes` as credit allows.
    ///
    /// `isLast`: END follows at once, so the last chunk waits for it and both go out together. An opener gives
    /// `takeAnswer`, which takes what has come of the answer meanwhile; an answerer leaves what comes.
    func send(
        _ bytes: ArraySlice<UInt8>,
        _ encoder: inout BodyEncoder,
        over link: BlockingLink,
        isLast: Bool,
        takesAnswer: Bool = false,
        takeAnswer: () throws -> Void = {}
    ) throws {
        var rest = bytes
        // A slot that was reserved while there was no room for the chunk, if this ends before it is used.
        defer { link.state.machine.giveBack(id) }
        while !rest.isEmpty {
            try takeAnswer()
            if let failure = failure ?? outboundFailure { throw failure }
            guard isSending(link) else { throw CallError.stopped(code: .stopped, reason: "the call is over") }
            guard let chunk = link.state.nextChunk(of: rest, on: id, &encoder) else {
                try wait(link) { isSendable(link) || (takesAnswer && hasNews) }
                continue
            }
            link.state.machine.send(chunk, on: id)
            rest = rest.dropFirst(chunk.rawCount)
            if !isLast || !rest.isEmpty { link.obey() }
        }
    }

    private func isSendable(_ link: BlockingLink) -> Bool {
        failure != nil || outboundFailure != nil || !isSending(link) || !link.state.machine.sendRoom(id).isEmpty
    }

    private func isSending(_ link: BlockingLink) -> Bool { link.state.machine.isSending(id) }

    // MARK: Waiting

    /// Waits until something has happened; not beyond the call's deadline.
    func wait(_ link: BlockingLink, _ isDone: () -> Bool) throws(CallError) {
        // Looked at first: a peer that always has something to say does not move it.
        var isInTime = deadline.map { .now < $0 } ?? true
        do throws(ConnectionEnd) {
            if isInTime { isInTime = try link.wait(until: deadline, isDone) }
        } catch {
            throw .connection(error)
        }
        guard !isInTime else { return }
        let reason = "the call's deadline has passed"
        let error = CallError.failed(RemoteError(code: .deadlineExceeded, exitCode: 124, reason: reason))
        fail(error)
        link.state.machine.cancel(id, code: .deadlineExceeded, reason: reason)
        link.obey()
        throw error
    }
}
