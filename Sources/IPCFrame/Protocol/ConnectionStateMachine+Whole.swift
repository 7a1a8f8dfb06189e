// SPDX-License-Identifier: Apache-2.0

// Bodies that come with the frame that opens them (PROTOCOL.md §7.5).
extension ConnectionStateMachine {
    /// Whether both ends take bodies so.
    var canSendWhole: Bool { features & Capabilities.whole != 0 }

    /// The body that cannot go with its frame, taken out of it: it goes behind it, as chunks.
    func takeUnfit(_ whole: inout WholeBody?, _ offer: Offer, _ arguments: [Argument]) -> WholeBody? {
        guard let body = whole else { return nil }
        precondition(
            isSentAtOnce(offer) && offer.size == UInt64(body.bytes.count),
            "only a body that needs no verdict is given as a whole"
        )
        guard !fits(body, arguments) else { return nil }
        whole = nil
        return body
    }

    private func fits(_ whole: WholeBody, _ arguments: [Argument]) -> Bool {
        guard canSendWhole, whole.bytes.count <= WholeBody.maxBytes else { return false }
        guard !arguments.isEmpty || !whole.trailer.isShort else { return true }
        // The method's name, the other fields and the TLVs' headers take less than a KiB.
        let count = Self.bytes(of: arguments) + whole.bytes.count + whole.trailer.encodedCount + 1_024
        return count <= ConnectionLimits.maxArguments
    }

    /// The body has gone with its frame: this side has said all of it.
    mutating func endSending(_ whole: WholeBody, on stream: Stream) {
        stream.send.sent = UInt64(whole.bytes.count)
        stream.send.state = .ended
        if !stream.isLocal { endAnsweredRequest(stream) }
        forgetIfOver(stream)
    }

    /// Queues all of a body that needs no verdict, as chunks, and its end.
    mutating func sendApart(_ whole: WholeBody, on id: UInt64) {
        var rest = whole.bytes
        while !rest.isEmpty {
            send(Chunk(stored: rest.prefix(Int(limits.maxChunk))), on: id)
            rest = rest.dropFirst(Int(limits.maxChunk))
        }
        sendEnd(id, digest: whole.digest, trailer: whole.trailer)
    }

    /// Takes a body that has come with its frame: nothing more is to be said of it by either side.
    mutating func receiveWhole(_ whole: WholeBody, _ stream: Stream) throws(ProtocolViolation) {
        let count = UInt64(whole.bytes.count)
        guard stream.receive.isAtOnce, stream.receive.offer?.size == count else {
            throw .malformed("a body of \(count) bytes comes with a frame that does not offer it so")
        }
        stream.receive.received = count
        stream.receive.consumed = count
        stream.receive.state = .ended
        if stream.isLocal { endRequestHalf(stream) }
    }
}
