// SPDX-License-Identifier: Apache-2.0

// Delivery by descriptor: files that go, and files that come.
extension Connection {
    /// Whether a body of ours is offered as the file that it lies in.
    ///
    /// A file that is sent has been read by nobody who could tell its digest: with one wanted, it goes so only where that
    /// was asked for.
    func passes(
        _ body: OutboundBody,
        _ codec: BodyCodec,
        _ digest: BodyDigest,
        _ wanted: CallOptions.Delivery
    ) -> Bool {
        guard machine.canPassFiles, codec == .none, let part = body.part else { return false }
        switch wanted {
        case .descriptor: return true
        case .auto: return part.isWhole && digest == .none && wanted.usesArena(size: body.size)
        case .inline, .arena: return false
        }
    }

    /// Whether a body that is offered as a file is taken so.
    ///
    /// A parent's thread should not have to wait for a file of which only the child knows where it lies, unless that
    /// was asked for.
    func takesFile(_ record: CallRecord) -> Bool { role == .child || record.delivery == .descriptor }

    /// Sends our whole body as a file, if it was accepted so.
    ///
    /// - Returns: false when its bytes must be sent.
    func send(_ part: FilePart, opened: PassedDescriptor, on id: UInt64) -> Bool {
        guard let record = calls[id], machine.canSendFile(id) else { return false }
        record.file = opened
        record.sendsFile = true
        record.statistics.addFile(isSent: true)
        machine.send(part.range, on: id)
        obey()
        return true
    }

    /// What goes with a frame whose header counts a descriptor.
    func passedDescriptor(for frame: OutboundFrame) -> PassedDescriptor? {
        switch frame.header.type {
        case .arena: arenaDescriptor.take()
        default: calls[frame.header.stream]?.file.take()
        }
    }

    /// A body has come as a file.
    func deliver(_ id: UInt64, _ range: FileRange, isFlush: Bool) {
        guard let record = calls[id] else { return }
        guard let descriptor = reader.descriptors.take() else {
            let detail = "its descriptor did not come: this process can have no more"
            record.inbound.fail(.badFile(detail), dropping: true)
            return stopBody(id, code: .descriptorsLost, reason: detail)
        }
        record.receivesFile = true
        record.statistics.addFile(isSent: false)
        record.inbound.put(.file(ReceivedFile(descriptor, range, isFlush: isFlush)))
    }
}
