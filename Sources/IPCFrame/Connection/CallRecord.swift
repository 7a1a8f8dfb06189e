// SPDX-License-Identifier: Apache-2.0

/// What a connection keeps of one open call: what came and was not fetched, and who waits for what.
///
/// Touched on the connection's reactor only.
final class CallRecord {
    /// What the application fetches of a body.
    enum Inbound {
        case chunk(Chunk)
        case end(End)
    }

    let statistics = StatisticsBox()

    // The body for us.
    var inbound: [Inbound] = []
    var inboundHead = 0
    var inboundWaiter: CheckedContinuation<Result<Inbound, CallError>, Never>?
    /// The request's, or once it came the response's offer.
    var inboundOffer: Offer?
    var isAcceptSent = false

    // The body that we send.
    var windowWaiter: CheckedContinuation<Result<Int, CallError>, Never>?
    var isAccepted = false
    var consumedByPeer: UInt64 = 0
    var flushGoal: UInt64 = 0
    var flushWaiter: CheckedContinuation<Result<Void, CallError>, Never>?
    /// Set when the receiver wants no more.
    var outboundFailure: CallError?
    var isTaken = false

    // Opener.
    var response: ResponseHead?
    var responseWaiter: CheckedContinuation<Result<ResponseHead, CallError>, Never>?
    var events: AsyncStream<CallEvent>.Continuation?

    // Answerer.
    var cancelHandlers: [@Sendable () -> Void] = []
    var isCancelled = false

    /// The call is over for everybody who waits or will ask.
    var failure: CallError?
    var isForgotten = false
    var forgottenWaiters: [CheckedContinuation<Void, Never>] = []

    func tell(_ event: CallEvent) { statistics.pass(event, to: events) }

    func popInbound() -> Inbound? {
        guard inboundHead < inbound.count else { return nil }
        let first = inbound[inboundHead]
        inboundHead += 1
        if inboundHead == inbound.count {
            inbound.removeAll(keepingCapacity: true)
            inboundHead = 0
        } else if inboundHead > 32 {
            inbound.removeFirst(inboundHead)
            inboundHead = 0
        }
        return first
    }

    func dropInbound() {
        inbound.removeAll()
        inboundHead = 0
    }

    /// Ends every wait; the first failure stays.
    func fail(_ error: CallError) {
        if failure == nil { failure = error }
        let failure = failure ?? error
        windowWaiter.take()?.resume(returning: .failure(failure))
        flushWaiter.take()?.resume(returning: .failure(failure))
        responseWaiter.take()?.resume(returning: .failure(failure))
        // What has arrived is still handed out, unless the body cannot be completed: then nobody needs it.
        inboundWaiter.take()?.resume(returning: .failure(failure))
    }

    func failOutbound(_ error: CallError) {
        if outboundFailure == nil { outboundFailure = error }
        windowWaiter.take()?.resume(returning: .failure(error))
        flushWaiter.take()?.resume(returning: .failure(error))
    }

    func forget() {
        isForgotten = true
        events?.finish()
        events = nil
        for waiter in forgottenWaiters { waiter.resume() }
        forgottenWaiters.removeAll()
    }
}

extension Optional {
    /// Takes the value out.
    fileprivate mutating func take() -> Wrapped? {
        defer { self = nil }
        return self
    }
}
