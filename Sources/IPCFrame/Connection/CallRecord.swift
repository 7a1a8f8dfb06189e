// SPDX-License-Identifier: Apache-2.0

/// What a connection keeps of one open call: what came and was not fetched, and who waits for what.
///
/// Touched on the connection's reactor only.
final class CallRecord {
    let statistics = StatisticsBox()

    /// The body for us.
    let inbound: InboundQueue

    /// How the bodies travel, as the opener wants it.
    var delivery = CallOptions.Delivery.arena

    // The body that we send.
    /// The file that goes with the DATA frame that waits.
    var file: PassedDescriptor?
    /// Whether the body goes as a file, whose bytes count as sent when they have been read.
    var sendsFile = false
    /// Functions, in place of continuations, whose types a worker would make before it answers its first call.
    var roomWaiter: ((Result<SendRoom, CallError>) -> Void)?
    /// What the reactor sends by itself.
    var run: OutboundRun?
    /// The digest of what has been sent, where the reactor computes it.
    var sentDigest: CRC32Digest?
    var isAccepted = false
    var consumedByPeer: UInt64 = 0
    var flushGoal: UInt64 = 0
    var flushWaiter: ((Result<Void, CallError>) -> Void)?
    /// Set when the receiver wants no more.
    var outboundFailure: CallError?

    /// Where the body for us is read, if its reader wants all of it in one piece of memory.
    var landing: BodyLanding?
    /// How the answer has begun, while the reactor takes its body by itself and nobody else knows of it.
    var collectedHead: ResponseHead?
    /// Whether the digest of large chunks for us is computed as they come.
    var isDigestedInPassing = false
    /// Whether the body for us came as a file, whose bytes count as received when they have been read.
    var receivesFile = false

    // Opener.
    let response: ResponseSlot?
    let events: CallEvents?
    /// What the caller has said who wants all of the answer.
    var collector: AnswerCollector?

    // Answerer.
    /// The call in its handler's hands; it holds the connection, so only as long as the call is open.
    var incoming: IncomingCall?
    var cancelHandlers: [@Sendable () -> Void] = []
    var isCancelled = false

    /// The call is over for everybody who waits or will ask.
    var failure: CallError?
    var isForgotten = false
    var forgottenWaiters: [CheckedContinuation<Void, Never>] = []

    /// A call of the peer.
    init(pool: ChunkPool) {
        inbound = InboundQueue(pool: pool)
        response = nil
        events = nil
    }

    /// A call of ours, whose answer goes to `response`.
    init(pool: ChunkPool, response: ResponseSlot, events: CallEvents) {
        inbound = InboundQueue(pool: pool)
        self.response = response
        self.events = events
    }

    /// All of a body that needs no verdict.
    func whole(_ bytes: [UInt8], as offer: Offer, maxChunk: Int, trailer: Trailer = Trailer()) -> WholeBody {
        for start in stride(from: 0, to: bytes.count, by: maxChunk) {
            statistics.add(Chunk(stored: bytes[start...].prefix(maxChunk)), isSent: true)
        }
        return WholeBody(bytes, as: offer, trailer: trailer)
    }

    func tell(_ event: CallEvent) {
        if let events { statistics.pass(event, to: events) }
    }

    /// Ends every wait; the first failure stays.
    ///
    /// `isDroppingInbound`: what has arrived of the body is not handed out any more.
    func fail(_ error: CallError, isDroppingInbound: Bool = true) {
        if failure == nil { failure = error }
        let failure = failure ?? error
        roomWaiter.take()?(.failure(failure))
        run.take()?.finish(.failure(failure))
        flushWaiter.take()?(.failure(failure))
        collectedHead = nil
        response?.fill(.failure(failure))
        inbound.fail(failure, dropping: isDroppingInbound)
        landing = nil
    }

    func failOutbound(_ error: CallError) {
        if outboundFailure == nil { outboundFailure = error }
        roomWaiter.take()?(.failure(error))
        run.take()?.finish(.failure(error))
        flushWaiter.take()?(.failure(error))
    }

    func forget() {
        isForgotten = true
        file = nil
        statistics.noteOver()
        incoming = nil
        // Whoever still sends has nobody to send to, and would wait for ever.
        failOutbound(.stopped(code: .stopped, reason: "the call is over"))
        events?.finish()
        guard !forgottenWaiters.isEmpty else { return }
        for waiter in forgottenWaiters { waiter.resume() }
        forgottenWaiters = []
    }
}
