// SPDX-License-Identifier: Apache-2.0

// Readiness, draining, BYE, and how streams leave.
extension ConnectionStateMachine {
    /// Child: initialised; calls may come.
    package mutating func ready() {
        guard phase == .preparing else { return }
        queueControl(.ready, payload: [])
        phase = .open
        sendWantedDrain()
        checkIdle()
    }

    /// Child: could not initialise.
    ///
    /// Tells the parent and ends the connection.
    package mutating func failToInitialise(_ reason: String) {
        guard phase == .preparing else { return }
        report(.initialisationFailed, reason)
        close(.aborted)
    }

    /// Asks for a PONG; `value` must grow from ping to ping.
    package mutating func ping(_ value: UInt64) {
        switch phase {
        case .awaitingReady, .preparing, .open:
            guard !byeSent else { return }
            queueControl(.ping, payload: Self.encoded { Number(value).encode(into: &$0) })
        case .awaitingHello, .awaitingWelcome, .closing, .closed: break
        }
    }

    /// Opens and takes no more calls; BYE follows when those that run are done.
    package mutating func drain() {
        guard !drainSent, !isDrainWanted, phase != .closing, phase != .closed else { return }
        isDrainWanted = true
        sendWantedDrain()
    }

    /// DRAIN overtakes, so it waits until no REQUEST of ours is behind it.
    mutating func sendWantedDrain() {
        guard isDrainWanted, phase == .open, unsentRequests == 0 else { return }
        isDrainWanted = false
        drainSent = true
        queueControl(.drain, payload: Self.encoded { Number(highestPeerID).encode(into: &$0) })
    }

    /// The last frame, on the shell's answer to `.idle`.
    ///
    /// Ignored while a call is open.
    package mutating func bye(_ trailer: Trailer) {
        guard !byeSent, streams.isEmpty, phase == .open || phase == .closing || phase == .preparing else { return }
        byeSent = true
        queueControl(.bye, payload: Self.encoded { trailer.encode(into: &$0) })
    }

    /// Tells the shell, once, that BYE is due.
    mutating func checkIdle() {
        guard drainReceived || byeReceived, !isIdleTold, !byeSent, streams.isEmpty, out.isEmpty else { return }
        guard phase == .open || phase == .closing else { return }
        isIdleTold = true
        act(.idle)
    }

    mutating func checkControlBound() {
        if out.controlBytes > configuration.maxControlBytes { close(.peerNotReading) }
    }

    mutating func enqueue(_ frame: OutboundFrame, on stream: Stream) {
        stream.queue.append(frame)
        out.schedule(stream)
    }

    mutating func sendReset(_ stream: Stream, _ reset: Halt) {
        queueControl(.reset, stream: stream.id, payload: Self.encoded { reset.encode(into: &$0) })
    }

    mutating func forgetIfOver(_ stream: Stream) {
        // Its last frames may still wait for their turn; `nextFrame()` asks again.
        guard stream.isOver, stream.queue.isEmpty else { return }
        forget(stream)
    }

    /// Takes the stream out of every book.
    mutating func forget(_ stream: Stream) {
        guard streams.removeValue(forKey: stream.id) != nil else { return }
        stream.isForgotten = true
        takeBackSlots(stream)
        out.unschedule(stream)
        if stream.receive.isAcceptWanted { waitingAccepts.removeAll { $0 === stream } }
        if stream.isLocal { openLocally -= 1 } else { openByPeer -= 1 }
        act(.forgotten(stream.id))
        if stream.queue.hasUnsentRequest {
            unsentRequests -= 1
            sendWantedDrain()
        }
        releaseBudget(stream)
        checkIdle()
    }

    /// BYE came: the peer answers nothing more, and nothing that waits to be sent is of use to it.
    mutating func failStreams() {
        // Our own BYE may be waiting already.
        if !byeSent { out.removeAll() }
        for stream in streams.values {
            let isWaiting: Bool
            switch stream.receive.state {
            // The answer is whole: its application has it, or will take it from what has been delivered.
            case .taking where stream.isLocal: isWaiting = false
            case .awaitingResponse, .offered, .receiving, .taking: isWaiting = true
            case .discarding, .ended: isWaiting = !stream.isLocal && stream.send.state != .ended
            }
            if isWaiting, stream.isLocal {
                act(.reset(stream.id, Halt(code: .draining, reason: "the peer said BYE before it answered")))
            } else if isWaiting, !stream.isCancelled {
                act(.cancel(stream.id, Halt(code: .cancelled, reason: "the peer said BYE")))
            }
            forget(stream)
        }
    }

    // MARK: The receive budget

    mutating func releaseBudget(_ stream: Stream) {
        budget.close(&stream.receive)
        serveWaitingAccepts()
    }

    /// Accepts bodies in the order in which they were wanted, as far as the budget goes.
    mutating func serveWaitingAccepts() {
        while let stream = waitingAccepts.first, budget.admits(maxChunk: limits.maxChunk) {
            _ = waitingAccepts.popFirst()
            stream.receive.isAcceptWanted = false
            guard !stream.isForgotten, stream.receive.state == .offered else { continue }
            budget.open(&stream.receive, maxChunk: limits.maxChunk)
            stream.receive.state = .receiving
            stream.receive.delivery = deliveryToAccept(stream)
            let accept = Accept(limit: stream.receive.limit, delivery: stream.receive.delivery)
            queueControl(.accept, stream: stream.id, payload: Self.encoded { accept.encode(into: &$0) })
        }
    }
}
