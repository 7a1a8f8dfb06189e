// SPDX-License-Identifier: Apache-2.0

// Tables 14.1 and 14.2 of PROTOCOL.md: frames of the connection, and which stream a frame means.
extension ConnectionStateMachine {
    /// Checks a header before its payload is read, so that no memory is taken for a frame that cannot be.
    ///
    /// - Returns: false when the connection has ended because of it.
    package mutating func admit(_ header: FrameHeader) -> Bool {
        guard phase != .closed else { return false }
        var fault: ProtocolViolation?
        if header.length > payloadLimit {
            fault = ProtocolViolation(
                .frameTooLarge,
                limit: UInt64(payloadLimit),
                detail: "a payload of \(header.length) bytes is declared\(header.textHint)"
            )
        } else {
            fault = descriptorFault(header)
        }
        guard let fault else { return true }
        close(.violation(fault.of(header)))
        return false
    }

    /// Takes a whole frame that ``admit(_:)`` had admitted.
    package mutating func receive(_ header: FrameHeader, payload: [UInt8]) {
        guard phase != .closed else { return }
        do throws(ProtocolViolation) {
            try dispatch(header, payload)
        } catch {
            close(.violation(error.of(header)))
        }
    }

    private mutating func dispatch(_ header: FrameHeader, _ payload: [UInt8]) throws(ProtocolViolation) {
        guard let type = header.type else {
            guard header.rawType & 0x80 != 0 else {
                throw ProtocolViolation(.unknownFrame, detail: "this type is not known and must be")
            }
            return
        }
        switch type {
        case .hello, .welcome, .reject, .ready, .ping, .pong, .drain, .bye, .arena:
            guard header.stream == 0 else {
                throw ProtocolViolation(.badStream, detail: "a frame of the connection names a stream")
            }
            try receiveConnectionFrame(type, payload)
        case .error where header.stream == 0:
            guard phase != .closing else { throw unexpected("after BYE") }
            let error = try RemoteError(parsing: payload, flags: header.flags)
            close(.reportedByPeer(code: error.code, reason: error.reason))
        case .request, .response, .accept, .refuse, .data, .credit, .end, .error, .reset, .stop, .progress, .log:
            guard phase == .open else { throw unexpected("\(phase)") }
            try receiveStreamFrame(type, header, payload)
        }
    }

    func unexpected(_ state: String) -> ProtocolViolation {
        ProtocolViolation(.unexpectedFrame, detail: "not allowed in the state '\(state)'")
    }

    private mutating func receiveConnectionFrame(_ type: FrameType, _ payload: [UInt8]) throws(ProtocolViolation) {
        switch (phase, type) {
        case (.awaitingHello, .hello):
            try receive(try Hello(parsing: payload))
        case (.awaitingWelcome, .welcome):
            try receive(try Welcome(parsing: payload))
        case (.awaitingWelcome, .reject):
            let reject = try Reject(parsing: payload)
            close(.rejected(code: reject.code, reason: reject.reason))
        case (.awaitingReady, .ready):
            var reader = PayloadReader(payload)
            try reader.skipTLVs()
            phase = .open
            if let peer { act(.open(peer)) }
            sendWantedDrain()
        case (.awaitingReady, .ping), (.preparing, .ping), (.open, .ping):
            out.appendPong(try Number(parsing: payload).value)
        case (.awaitingReady, .pong), (.preparing, .pong), (.open, .pong):
            act(.pong(try Number(parsing: payload).value))
        case (.preparing, .drain), (.open, .drain):
            _ = try Number(parsing: payload)
            drainReceived = true
            act(.drain)
            checkIdle()
        case (.open, .arena):
            try receiveArena(payload)
        case (.awaitingReady, .bye), (.preparing, .bye), (.open, .bye):
            var reader = PayloadReader(payload)
            _ = try Trailer(&reader, in: .bye)
            byeReceived = true
            phase = .closing
            failStreams()
            checkIdle()
        default:
            throw unexpected("\(phase)")
        }
    }

    private mutating func receive(_ hello: Hello) throws(ProtocolViolation) {
        let version = min(hello.maxVersion, configuration.maxVersion)
        guard version >= max(hello.minVersion, configuration.minVersion) else {
            let reason =
                "the child speaks versions \(hello.minVersion) to \(hello.maxVersion), the parent "
                + "\(configuration.minVersion) to \(configuration.maxVersion): upgrade the older one"
            let reject = Reject(
                code: .versionMismatch,
                minVersion: configuration.minVersion,
                maxVersion: configuration.maxVersion,
                limit: UInt64(configuration.maxVersion),
                reason: reason
            )
            send(reject)
            return
        }
        if let (fault, bound) = hello.capabilities.limits.faultAndBound {
            let reject = Reject(
                code: .limitRejected,
                minVersion: configuration.minVersion,
                maxVersion: configuration.maxVersion,
                limit: bound,
                reason: "the child states a limit out of its range: \(fault)"
            )
            send(reject)
            return
        }
        var inForce = configuration.capabilities
        inForce.limits = inForce.limits.lowered(to: hello.capabilities.limits)
        inForce.codecs &= hello.capabilities.codecs
        inForce.digests &= hello.capabilities.digests
        inForce.features &= hello.capabilities.features
        limits = inForce.limits
        codecs = inForce.codecs
        digests = inForce.digests
        features = inForce.features
        peer = hello
        peerCapabilities = hello.capabilities
        phase = .awaitingReady
        queueControl(
            .welcome,
            payload: Self.encoded { bytes in
                Welcome(version: version, capabilities: inForce).encode(into: &bytes)
            }
        )
    }

    private mutating func send(_ reject: Reject) {
        queueControl(.reject, payload: Self.encoded { reject.encode(into: &$0) })
        close(.rejected(code: reject.code, reason: reject.reason))
    }

    private mutating func receive(_ welcome: Welcome) throws(ProtocolViolation) {
        let theirs = welcome.capabilities
        let ours = configuration.capabilities
        guard (configuration.minVersion...configuration.maxVersion).contains(welcome.version) else {
            throw ProtocolViolation(.limitRejected, detail: "version \(welcome.version) was not offered")
        }
        if let (fault, bound) = theirs.limits.faultAndBound {
            throw ProtocolViolation(.limitRejected, limit: bound, detail: fault)
        }
        guard theirs.limits.lowered(to: ours.limits) == theirs.limits, theirs.codecs & ~ours.codecs == 0,
            theirs.digests & ~ours.digests == 0, theirs.features & ~ours.features == 0
        else {
            throw ProtocolViolation(.limitRejected, detail: "WELCOME puts more in force than HELLO had stated")
        }
        limits = theirs.limits
        codecs = theirs.codecs
        digests = theirs.digests
        features = theirs.features
        peerCapabilities = theirs
        phase = .preparing
        act(.prepare(welcome))
    }

    /// Table 14.2.
    private mutating func receiveStreamFrame(
        _ type: FrameType,
        _ header: FrameHeader,
        _ payload: [UInt8]
    ) throws(ProtocolViolation) {
        let id = header.stream
        guard id != 0 else { throw ProtocolViolation(.badStream, detail: "stream 0") }
        let isPeers = (id % 2 == 1) == isPeerParityOdd
        if type == .request {
            guard isPeers, id > highestPeerID else {
                throw ProtocolViolation(.badStream, detail: "an id that is not the opener's next")
            }
            try receiveRequest(id, payload)
            return
        }
        guard isPeers ? id <= highestPeerID : id <= highestSentID else {
            throw ProtocolViolation(.badStream, detail: "no call with this id was opened")
        }
        guard let stream = streams[id] else {
            // Of a forgotten stream only this still matters: slots may be free.
            if type == .credit, let credit = try? Credit(parsing: payload) { arena.free(id, upTo: credit.consumed) }
            return
        }
        try receive(type, header, payload, on: stream)
    }

    private mutating func receiveRequest(_ id: UInt64, _ payload: [UInt8]) throws(ProtocolViolation) {
        guard payload.count <= ConnectionLimits.maxArguments else {
            throw ProtocolViolation(
                .frameTooLarge,
                limit: UInt64(ConnectionLimits.maxArguments),
                detail: "arguments of \(payload.count)"
            )
        }
        var request = try Request(parsing: payload)
        if !canSendWhole { request.whole = nil }
        try check(request.offer)
        guard !drainReceived else { throw unexpected("DRAIN received") }
        highestPeerID = id
        guard !drainSent, !byeSent else {
            refuseAtOnce(id, Refuse(code: .draining, reason: "this side is draining; nothing was done"))
            return
        }
        guard openByPeer < limits.maxStreams else {
            let reason = "\(limits.maxStreams) calls are open already"
            refuseAtOnce(id, Refuse(code: .tooManyStreams, limit: UInt64(limits.maxStreams), reason: reason))
            return
        }
        var receive = ReceiveHalf()
        receive.start(request.offer, initialCredit: limits.initialCredit)
        let stream = Stream(id: id, isLocal: false, send: SendHalf(), receive: receive)
        if let whole = request.whole { try receiveWhole(whole, stream) }
        streams[id] = stream
        openByPeer += 1
        act(.call(id, request))
    }

    private mutating func refuseAtOnce(_ id: UInt64, _ refuse: Refuse) {
        queueControl(.refuse, stream: id, payload: Self.encoded { refuse.encode(into: &$0) })
    }

    func check(_ offer: Offer) throws(ProtocolViolation) {
        guard codecs & (1 << UInt32(offer.codec.rawValue)) != 0 else {
            throw .malformed("codec \(offer.codec) is not in force")
        }
        guard digests & (1 << UInt32(offer.digest.rawValue)) != 0 else {
            throw .malformed("digest \(offer.digest) is not in force")
        }
        let isInForce =
            switch offer.delivery {
            case .inline: true
            case .arena: canShareMemory
            case .descriptor: canPassFiles
            }
        guard isInForce else { throw .malformed("delivery \(offer.delivery) is not in force") }
    }
}
