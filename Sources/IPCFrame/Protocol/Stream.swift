// SPDX-License-Identifier: Apache-2.0

/// One open call, as one side of the connection knows it.
///
/// Owned by one ``ConnectionStateMachine``; a class so that the machine can change it in place.
final class Stream {
    let id: UInt64
    /// Whether this side opened the call.
    let isLocal: Bool
    var send: SendHalf
    var receive: ReceiveHalf
    /// Frames that wait for the wire, in their order.
    var queue = StreamQueue()
    /// Has its place among the turns of ``OutQueue``.
    var isScheduled = false
    var isForgotten = false
    /// Answerer: the opener has given up the call and waits for its end only.
    var isCancelled = false

    init(id: UInt64, isLocal: Bool, send: SendHalf, receive: ReceiveHalf) {
        self.id = id
        self.isLocal = isLocal
        self.send = send
        self.receive = receive
    }

    var isOver: Bool { send.state == .ended && receive.state == .ended }
}

/// The body that this side sends.
struct SendHalf {
    enum State: CaseIterable {
        /// Answerer, before its RESPONSE.
        case idle
        /// No verdict yet.
        case offered
        /// Accepted, or at once.
        case sending
        /// END sent, the final CREDIT outstanding.
        case untaken
        case ended
    }

    var state = State.idle
    var offer: Offer?
    var isAtOnce = false
    /// Raw bytes handed to the queue.
    var sent: UInt64 = 0
    /// Raw bytes for which the sender had room when it last asked; it may still be compressing some of them.
    var taken: UInt64 = 0
    /// Raw offset up to which the receiver lets us send.
    var limit: UInt64 = 0
    /// Raw bytes that the receiver's application has taken.
    var consumed: UInt64 = 0
    /// The application asked for room and there was none.
    var isBlocked = false
    /// As the receiver has accepted it.
    var delivery = BodyDelivery.inline
    /// Slots of the arena that the application asked for with room.
    var slotsWanted = 0

    mutating func start(_ offer: Offer, initialCredit: UInt32) {
        self.offer = offer
        isAtOnce = offer.isSentAtOnce(initialCredit: initialCredit)
        state = isAtOnce ? .sending : .offered
        limit = isAtOnce ? offer.size ?? 0 : 0
    }
}

/// The body that this side receives.
struct ReceiveHalf {
    enum State: CaseIterable {
        /// Opener, before RESPONSE.
        case awaitingResponse
        /// A verdict is owed.
        case offered
        case receiving
        /// END received, the application not done.
        case taking
        /// Stopped, cancelled, or the call answered: what comes is dropped.
        case discarding
        case ended
    }

    var state = State.awaitingResponse
    var offer: Offer?
    var isAtOnce = false
    /// Raw bytes that arrived.
    var received: UInt64 = 0
    /// Raw bytes that the application has taken.
    var consumed: UInt64 = 0
    /// Raw offset up to which the sender may send.
    var limit: UInt64 = 0
    /// What this body holds of the connection's receive budget.
    var held: UInt64 = 0
    /// Whether the budget counts this body.
    var isBudgeted = false
    /// The application wants the body, and the budget has had no room for it yet.
    var isAcceptWanted = false
    /// Where the newest chunk with FLUSH ended, and the newest that the application has answered.
    var flushOffset: UInt64?
    var flushedOffset: UInt64?
    /// A CREDIT waits in the queue; it will carry the newest values.
    var isCreditQueued = false
    /// As this side has accepted it.
    var delivery = BodyDelivery.inline
    /// The application takes the body from the arena, if it is offered so.
    var mayShareMemory = false
    /// The application takes the body as a file, if it is offered so.
    var mayTakeFile = false
    /// What was consumed when the last CREDIT was queued.
    var credited: UInt64 = 0

    mutating func start(_ offer: Offer, initialCredit: UInt32) {
        self.offer = offer
        isAtOnce = offer.isSentAtOnce(initialCredit: initialCredit)
        state = isAtOnce ? .receiving : .offered
        limit = isAtOnce ? offer.size ?? 0 : 0
    }
}
