// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

// The socket: reading frames into the rules, writing what they give.
extension Connection {
    /// Frames after which reading pauses, so that others on the reactor, and our own writes, get their turn.
    private static let framesPerTurn = 32

    func socketIsReady(_ readiness: Reactor.Readiness) {
        if !readiness.isDisjoint(with: [.read, .hangup, .error]) { readFrames(limit: Self.framesPerTurn) }
        obey()
        updateInterest()
        readOnLater()
    }

    /// Frames that were read in a batch and not looked at yet: the socket, being empty, would never tell of them.
    private func readOnLater() {
        guard reader.holdsBytes, end == nil, registration != nil, !isReadingLater else { return }
        isReadingLater = true
        reactor.perform {
            self.assumeIsolated { connection in
                connection.isReadingLater = false
                connection.socketIsReady(.read)
            }
        }
    }

    /// Reads everything that the peer has written, before its end is told.
    func drainInput() {
        reader.readsUntilEmpty = true
        defer { reader.readsUntilEmpty = false }
        readFrames(limit: .max)
        obey()
    }

    /// Call ``obey(writes:)`` behind it.
    private func readFrames(limit: Int) {
        var count = 0
        while end == nil, registration != nil, !isReadingOver, count < limit {
            count += 1
            switch reader.next(from: descriptor, admit: { machine.admit($0) }, landing: { landing(for: $0) }) {
            case .frame(let header, let payload):
                recent.record(header, isSent: false)
                trace?.record(header, isSent: false)
                machine.receive(header, payload: payload)
                obey(writes: !reader.holdsFrame)
                reader.descriptors.closeRest()
            case .landed(let header):
                recent.record(header, isSent: false)
                trace?.record(header, isSent: false)
                if machine.receiveLanded(header) {
                    calls[header.stream]?.statistics.addLanded(Int(header.length))
                }
                obey(writes: !reader.holdsFrame)
            case .wouldBlock: return
            case .endOfFile(let duringFrame):
                isReadingOver = true
                machine.receiveEndOfFile(duringFrame: duringFrame)
                return
            case .rejected: return
            case .violation(let violation):
                machine.abort(.violation(violation))
                return
            case .failed(let error):
                machine.abort(.system(error))
                return
            }
        }
    }

    /// Where the payload belongs, if its reader has said so and the frame is nothing but bytes of its body.
    private func landing(for header: FrameHeader) -> BodyLanding? {
        guard header.type == .data, let landing = calls[header.stream]?.landing, machine.canLand(header) else {
            return nil
        }
        return landing
    }

    /// Writes as much as the socket takes now.
    func flushOutput() {
        guard descriptor >= 0, !isWritingOver else { return }
        switch writer.write(to: descriptor, next: { nextFrame() }, passed: { passedDescriptor(for: $0) }) {
        case .done:
            if isShutdownWanted {
                isWritingOver = true
                _ = clinux_shutdown_write(descriptor)
            }
        case .wouldBlock: break
        case .failed:
            // EPIPE, ECONNRESET: the peer's last words may still be read.
            isWritingOver = true
            machine.writeFailed()
        }
        updateInterest()
    }

    private func nextFrame() -> OutboundFrame? {
        let frame = machine.nextFrame()
        if let frame {
            recent.record(frame.header, isSent: true)
            trace?.record(frame.header, isSent: true)
        }
        return frame
    }

    private func updateInterest() {
        guard let registration else { return }
        var wanted: Reactor.Interest = isReadingOver ? [] : .read
        if !writer.isEmpty, !isWritingOver { wanted.insert(.write) }
        guard wanted != interest else { return }
        interest = wanted
        reactor.modify(registration, wanted)
    }
}
