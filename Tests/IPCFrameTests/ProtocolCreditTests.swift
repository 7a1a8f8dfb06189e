// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Credit, the receive budget, and what is sent at once.
@Suite struct ProtocolCreditTests {
    private func configuration(budget: UInt64, maxChunk: UInt32 = 4_096) -> ConnectionStateMachine.Configuration {
        var configuration = ConnectionStateMachine.Configuration()
        configuration.capabilities.limits.maxChunk = maxChunk
        configuration.receiveBudget = budget
        return configuration
    }

    private func credits(_ rig: Rig) -> [Credit] {
        rig.frames.filter { $0.header.type == .credit }.compactMap { try? Credit(parsing: Array($0.payload)) }
    }

    @Test(arguments: [65_535, 65_536, 65_537] as [UInt64])
    func aBodyIsSentAtOnceUpToInitialCredit(_ size: UInt64) throws {
        let isAtOnce = size <= 65_536
        let sender = Rig.open(.parent)
        let id = try sender.call(Offer(size: size))
        #expect(sender.stream(id)?.send.state == (isAtOnce ? .sending : .offered))
        #expect(sender.machine.sendWindow(id) == (isAtOnce ? Int(size) : 0))
        let receiver = Rig.open(.child)
        _ = receiver.beCalled(Offer(size: size))
        #expect(receiver.stream(1)?.receive.state == (isAtOnce ? .receiving : .offered))
        let held = Rig.open(.child)
        _ = held.beCalled(Offer(size: 0, isHeld: true))
        #expect(held.stream(1)?.receive.state == .offered)
    }

    @Test func aBodySentAtOnceIsHeldToItsSize() {
        let rig = Rig.open(.child)
        let id = rig.beCalled(Offer(size: 10))
        rig.feedData(10, on: id)
        rig.feedData(1, on: id)
        #expect(rig.violation == .creditExceeded)
    }

    @Test func aChunkMayReachTheLimitAndNotPassIt() {
        let rig = Rig.open(.child, configuration(budget: 8_192))
        let id = rig.beCalled(Sample.unknown)
        rig.perform { $0.accept(id) }
        #expect(rig.stream(id)?.receive.limit == 8_192)
        rig.feedData(4_096, on: id)
        rig.feedData(4_096, on: id)
        #expect(rig.actionNames == ["deliver"])
        rig.feedData(1, on: id)
        #expect(rig.violation == .creditExceeded)
    }

    @Test func aChunkMayHaveMaxChunkBytesAndNoMore() {
        for (count, isCompressed) in [(4_096, false), (4_097, false), (4_096, true), (4_097, true)] {
            let rig = Rig.open(.child, configuration(budget: 65_536))
            let id = rig.beCalled(Offer(size: nil, codec: .zlib))
            rig.perform { $0.accept(id) }
            if isCompressed {
                let payload = Sample.encoded { $0.appendLittleEndian(UInt32(count)) } + [1, 2]
                rig.feed(.data, flags: .compressed, stream: id, payload: payload)
            } else {
                rig.feedData(count, on: id)
            }
            #expect(rig.violation == (count == 4_096 ? nil : .frameTooLarge))
        }
    }

    @Test func whatACompressedChunkMustDeclare() {
        for (payload, codec) in [
            ([0, 0, 0, 0, 1], BodyCodec.zlib), ([1, 0, 0, 0], .zlib), ([], .zlib), ([1, 0, 0, 0, 9], .none),
        ] as [([UInt8], BodyCodec)] {
            let rig = Rig.open(.child)
            let id = rig.beCalled(Offer(size: 5, codec: codec))
            rig.feed(.data, flags: .compressed, stream: id, payload: payload)
            #expect(rig.violation == .malformedFrame)
        }
        let rig = Rig.open(.child)
        let id = rig.beCalled(Sample.small)
        rig.feedData(0, on: id)
        #expect(rig.violation == .malformedFrame, "a chunk of no bytes without FLUSH")
    }

    @Test func deliveriesThatAreNotInForceAreViolations() {
        for flags in [FrameFlags.arena, .file] {
            let rig = Rig.open(.child)
            let id = rig.beCalled(Sample.small)
            rig.feedData(5, on: id, flags: flags)
            #expect(rig.violation == .unexpectedFrame)
        }
        let rig = Rig.open(.child)
        rig.feed(.request, stream: 1, payload: Sample.request(Offer(size: 5, delivery: .arena)))
        #expect(rig.violation == .malformedFrame)
    }

    @Test(arguments: [UInt64.max, UInt64.max - 1, 1 << 63])
    func hugeOffsetsAreNoHarm(_ value: UInt64) throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Offer(size: UInt64.max - 1))
        rig.feedAccept(value, on: id)
        #expect(rig.machine.sendWindow(id) == 262_144)
        rig.send(10, on: id)
        rig.feedCredit(10, value, on: id)
        #expect(rig.actionNames == ["consumed"])
        rig.feedCredit(value, value, on: id)
        #expect(rig.violation == .malformedFrame, "more consumed than sent")
    }

    @Test func aSmallerCreditIsIgnored() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.unknown)
        rig.feedAccept(1_000, on: id)
        rig.send(500, on: id)
        rig.feedCredit(300, 2_000, on: id)
        rig.feedCredit(200, 1_500, on: id)
        #expect(rig.actions.isEmpty)
        #expect(rig.machine.sendWindow(id) == 1_500)
        #expect(rig.stream(id)?.send.consumed == 300)
    }

    @Test func theFinalCreditCompletesTheSend() throws {
        for size in [0, 10] as [UInt64] {
            let rig = Rig.open(.child)
            let id = rig.beCalled(Offer(size: size, isHeld: true))
            rig.perform { $0.accept(id) }
            if size > 0 { rig.feedData(Int(size), on: id) }
            rig.feedEnd(size, on: id)
            if size > 0 { rig.perform { $0.consume(id, count: Int(size)) } }
            #expect(credits(rig).isEmpty)
            rig.perform { $0.take(id) }
            #expect(credits(rig).map(\.consumed) == [size])
        }
        let atOnce = Rig.open(.child)
        let id = atOnce.beCalled(Sample.small)
        atOnce.feedData(5, on: id)
        atOnce.feedEnd(5, on: id)
        atOnce.perform { machine in
            machine.consume(id, count: 5)
            machine.take(id)
        }
        #expect(atOnce.frames.isEmpty)
    }

    @Test func whatENDSaysMustBeTrue() {
        for (total, digest, size) in [
            (4, BodyDigest.crc32, nil), (6, .crc32, nil), (5, .none, nil), (5, .crc32, 6),
        ] as [(UInt64, BodyDigest, UInt64?)] {
            let rig = Rig.open(.child)
            let id = rig.beCalled(Offer(size: size, digest: .crc32, isHeld: true))
            rig.perform { $0.accept(id) }
            rig.feedData(5, on: id)
            rig.feedEnd(total, on: id, digest: digest)
            #expect(rig.violation == .malformedFrame)
        }
    }

    @Test func flushIsAnsweredAsSoonAsItIsConsumed() {
        for offer in [Sample.unknown, .init(size: 100)] {
            let rig = Rig.open(.child)
            let id = rig.beCalled(offer)
            rig.perform { $0.accept(id) }
            rig.feedData(10, on: id, flags: .flush)
            rig.perform { $0.consume(id, count: 10, isFlush: true) }
            #expect(credits(rig).map(\.consumed) == [10])
            // A chunk of no bytes asks for what came before it.
            rig.feedData(5, on: id)
            rig.perform { $0.consume(id, count: 5) }
            #expect(rig.frames.isEmpty)
            rig.feedData(0, on: id, flags: .flush)
            #expect(rig.actionNames == ["deliver"])
            rig.perform { $0.consume(id, count: 0, isFlush: true) }
            #expect(credits(rig).map(\.consumed) == [15])
        }
    }

    @Test func aFloodOfEmptyFlushesReachesTheApplicationOnce() {
        let rig = Rig.open(.child)
        let id = rig.beCalled(Sample.unknown)
        rig.perform { $0.accept(id) }
        rig.feedData(0, on: id, flags: .flush)
        #expect(rig.actionNames == ["deliver"])
        for _ in 0..<1_000 {
            rig.feedData(0, on: id, flags: .flush)
            #expect(rig.actions.isEmpty && rig.frames.isEmpty)
        }
        rig.perform { $0.consume(id, count: 0, isFlush: true) }
        #expect(credits(rig).count == 1)
        rig.feedData(0, on: id, flags: .flush)
        #expect(credits(rig).count == 1, "it has been answered, and is answered again")
    }

    @Test func waitingCreditsBecomeOneWithTheNewestValues() {
        let rig = Rig.open(.child)
        let id = rig.beCalled(Sample.unknown)
        rig.perform { $0.accept(id) }
        rig.feedData(30, on: id)
        rig.perform(writing: false) { machine in
            for _ in 0..<30 { machine.consume(id, count: 1, isFlush: true) }
        }
        rig.keepWriting()
        #expect(credits(rig).map(\.consumed) == [30])
    }

    // MARK: The budget

    @Test func aBodyWaitsForItsVerdictUntilAnotherHasConsumedEnough() {
        let rig = Rig.open(.child, configuration(budget: 8_192))
        let first = rig.beCalled(Sample.unknown)
        let second = rig.beCalled(Sample.unknown)
        rig.perform { machine in
            machine.accept(first)
            machine.accept(second)
        }
        #expect(rig.frames.map(\.header.stream) == [first])
        rig.feedData(4_096, on: first)
        rig.perform { $0.consume(first, count: 4_096) }
        #expect(rig.frames.first.map { $0.header.type == .accept && $0.header.stream == second } == true)
        #expect(rig.machine.budget.held == 8_192)
    }

    @Test func aBodyWaitsForItsVerdictUntilAnotherIsTaken() {
        let rig = Rig.open(.child, configuration(budget: 8_192))
        let first = rig.beCalled(Offer(size: 8_192, isHeld: true))
        let second = rig.beCalled(Sample.unknown)
        rig.perform { machine in
            machine.accept(first)
            machine.accept(second)
        }
        rig.feedData(4_096, on: first)
        rig.feedData(4_096, on: first)
        rig.feedEnd(8_192, on: first)
        rig.perform { machine in
            machine.consume(first, count: 8_192)
            machine.take(first)
        }
        // The call itself goes on: its answerer may need the second body before it can answer.
        #expect(rig.stream(first) != nil)
        #expect(rig.frameTypes.contains(.accept))
    }

    @Test func aBodyThatIsNotWantedAnyMoreGetsNoVerdict() {
        let rig = Rig.open(.child, configuration(budget: 4_096))
        let first = rig.beCalled(Sample.unknown)
        let second = rig.beCalled(Sample.unknown)
        rig.perform { machine in
            machine.accept(first)
            machine.accept(second)
            machine.stop(second)
        }
        rig.perform { $0.fail(first, RemoteError(code: .failed, reason: "")) }
        #expect(rig.frameTypes == [.error])
        #expect(rig.machine.budget.held == 0)
    }

    @Test func aSmallBodyHoldsNoMoreThanItsSize() {
        let rig = Rig.open(.child, configuration(budget: 65_536))
        for size in [0, 1, 100] as [UInt64] {
            let before = rig.machine.budget.held
            let id = rig.beCalled(Offer(size: size, isHeld: true))
            rig.perform { $0.accept(id) }
            #expect(rig.machine.budget.held - before == size)
            #expect(rig.stream(id)?.receive.limit == size)
        }
        #expect(rig.machine.budget.bodies == 3)
    }
}
