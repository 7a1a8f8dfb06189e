// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Every row of table 14.5, and what section 10.1 says of the frames that the arena changes.
@Suite struct StateTableArenaTests {
    static let rows = TableRow.all("arena")

    static func configuration(sharesMemory: Bool = true) -> ConnectionStateMachine.Configuration {
        var configuration = ConnectionStateMachine.Configuration()
        if sharesMemory { configuration.capabilities.features = Capabilities.arena }
        return configuration
    }

    static func feedArena(_ rig: Rig, payload: [UInt8] = Sample.payload(.arena), descriptors: UInt8 = 1) {
        let length = UInt32(payload.count)
        rig.feed(FrameHeader(.arena, descriptors: descriptors, stream: 0, length: length), payload)
    }

    /// A child whose region is mapped, and a body for it that was offered so.
    static func receiving(sharesMemory: Bool = true) -> (rig: Rig, id: UInt64) {
        let rig = Rig.open(.child, configuration())
        feedArena(rig)
        rig.perform { $0.adoptArena() }
        let id = rig.beCalled(Offer(size: nil, delivery: .arena))
        rig.perform { $0.accept(id, sharesMemory: sharesMemory) }
        return (rig, id)
    }

    static func place(_ slot: UInt32, _ offset: UInt32, _ length: UInt32) -> [UInt8] {
        Sample.encoded { bytes in for value in [slot, offset, length] { bytes.appendLittleEndian(value) } }
    }

    static func layout(_ slotBytes: UInt32, _ slots: UInt32) -> [UInt8] { Array(place(slotBytes, slots, 0).prefix(8)) }

    /// DATA that cannot be, and what it is.
    static let wrongPlaces: [(payload: [UInt8], flags: FrameFlags, code: ErrorCode)] = [
        (place(16, 0, 1), .arena, .malformedFrame),
        (place(.max, 0, 1), .arena, .malformedFrame),
        (place(0, 0, 0), .arena, .malformedFrame),
        (place(0, 1, 262_144), .arena, .malformedFrame),
        (place(0, 0, 262_145), .arena, .malformedFrame),
        (place(0, .max, .max), .arena, .malformedFrame),
        (place(0, 0, 1), [.arena, .compressed], .malformedFrame),
        (Array(place(0, 0, 1).dropLast()), .arena, .malformedFrame),
        (place(0, 0, 1) + [0], .arena, .malformedFrame),
        (place(0, 0, 1), [.arena, .file], .unexpectedFrame),
    ]

    @Test(arguments: rows)
    func rowHolds(_ row: TableRow) throws {
        let role: ConnectionStateMachine.Role = row[0] == "parent" ? .parent : .child
        let rig = Rig.open(role, Self.configuration(sharesMemory: row[1] == "on"))
        // Where no descriptor belongs, the header alone would be a violation.
        let descriptors: UInt8 = role == .child && row[1] == "on" ? 1 : 0
        if row[2] == "there" { Self.feedArena(rig, descriptors: descriptors) }
        Self.feedArena(rig, descriptors: descriptors)
        if row[3] == "arena" {
            #expect(rig.actionNames == ["arena"])
        } else {
            StateTableConnectionTests.checkViolation(rig, row[3])
        }
        #expect("\(rig.machine.phase)" == (row[4] == "–" ? "open" : row[4]))
    }

    @Test func thereIsARowForEachCase() {
        #expect(Set(Self.rows.map { "\($0[0]) \($0[1]) \($0[2])" }).count == 5)
        #expect(Self.rows.count == 5)
    }

    @Test(arguments: [UInt8(0), 2, 8])
    func anotherNumberOfDescriptorsIsAViolation(count: UInt8) {
        let rig = Rig.open(.child, Self.configuration())
        Self.feedArena(rig, descriptors: count)
        #expect(rig.violation == .badDescriptors)
    }

    @Test func anotherLayoutIsAViolation() {
        for payload in [Self.layout(262_144, 15), Self.layout(4_096, 16), Self.layout(0, 0), [0, 0, 4, 0]] {
            let rig = Rig.open(.child, Self.configuration())
            Self.feedArena(rig, payload: payload)
            #expect(rig.violation == .malformedFrame)
        }
    }

    @Test func aChunkInTheArenaIsDelivered() throws {
        let (rig, id) = Self.receiving()
        #expect(rig.frames.last.map { try? Accept(parsing: Array($0.payload)).delivery } == .arena)
        rig.feed(.data, flags: .arena, stream: id, payload: Self.place(15, 262_143, 1))
        guard case .deliver(_, let chunk)? = rig.actions.first else {
            Issue.record("\(rig.actionNames)")
            return
        }
        #expect(chunk.place?.slot == 15 && chunk.place?.offset == 262_143 && chunk.rawCount == 1)
    }

    @Test(arguments: wrongPlaces)
    func aPlaceThatCannotBeIsAViolation(payload: [UInt8], flags: FrameFlags, code: ErrorCode) {
        let (rig, id) = Self.receiving()
        rig.feed(.data, flags: flags, stream: id, payload: payload)
        #expect(rig.violation == code)
    }

    @Test func chunksInTheArenaCountAsCreditAndHaveTheirLimit() {
        let (rig, id) = Self.receiving()
        let limit = rig.stream(id)?.receive.limit ?? 0
        for _ in 0..<limit / 262_144 {
            rig.feed(.data, flags: .arena, stream: id, payload: Self.place(0, 0, 262_144))
        }
        #expect(rig.end == nil)
        rig.feed(.data, flags: .arena, stream: id, payload: Self.place(0, 0, 1))
        #expect(rig.violation == .creditExceeded)

        var configuration = Self.configuration()
        configuration.capabilities.limits.maxChunk = 4_096
        let small = Rig.open(.child, configuration)
        Self.feedArena(small)
        small.perform { $0.adoptArena() }
        let body = small.beCalled(Offer(size: nil, delivery: .arena))
        small.perform { $0.accept(body) }
        small.feed(.data, flags: .arena, stream: body, payload: Self.place(0, 0, 4_097))
        #expect(small.violation == .frameTooLarge)
    }

    @Test func aBodyThatWasAcceptedInlineHasNoChunksInTheArena() {
        let (rig, id) = Self.receiving(sharesMemory: false)
        #expect(rig.frames.last.map { try? Accept(parsing: Array($0.payload)).delivery } == .inline)
        rig.feed(.data, flags: .arena, stream: id, payload: Self.place(0, 0, 1))
        #expect(rig.violation == .unexpectedFrame)
    }

    @Test func aDeliveryThatWasNotOfferedCannotBeAccepted() throws {
        let rig = Rig.open(.parent, Self.configuration())
        let id = try rig.call(Sample.unknown)
        let accept = Accept(limit: 100_000, delivery: .arena)
        rig.feed(.accept, stream: id, payload: Sample.encoded { accept.encode(into: &$0) })
        #expect(rig.violation == .malformedFrame)
    }

    /// The chunk was copied before the cancel came, and is sent behind it.
    @Test func aChunkThatIsLateForACancelNamesNoSlot() throws {
        let rig = Rig.open(.child, Self.configuration())
        Self.feedArena(rig)
        rig.perform { $0.adoptArena() }
        let id = rig.beCalled(Sample.small)
        try rig.perform { try $0.respond(id, ResponseHead(offer: Offer(size: nil, delivery: .arena))) }
        let accept = Accept(limit: 1_000_000, delivery: .arena)
        rig.feed(.accept, stream: id, payload: Sample.encoded { accept.encode(into: &$0) })
        let slot = try #require(rig.perform { $0.sendRoom(id, slots: 1) }.slots.first)
        rig.feedHalt(.reset, .cancelled, on: id)
        rig.perform { $0.send(Chunk(in: ArenaPlace(slot: slot, count: 10)), on: id) }
        #expect(rig.frames.isEmpty && rig.machine.areAllSlotsFree)
    }

    /// ERROR is not answered, save for this: the answerer must learn when its slots are read no more.
    @Test func aBodyThatItsSenderGivesUpIsAnsweredByALastCredit() throws {
        let rig = Rig.open(.parent, Self.configuration())
        rig.perform { $0.announceArena() }
        let id = try rig.call(Sample.small)
        rig.feed(.response, stream: id, payload: Sample.response(Offer(size: nil, delivery: .arena)))
        rig.perform { $0.accept(id) }
        rig.feed(.data, flags: .arena, stream: id, payload: Self.place(0, 0, 10))
        rig.feed(.error, stream: id, payload: Sample.error(.failed))
        #expect(rig.frameTypes.contains(.credit))
        let credit = rig.frames.first { $0.header.type == .credit }
        #expect(try credit.map { try Credit(parsing: Array($0.payload)).consumed } == 10)
    }

    @Test func aBodySentAtOnceIsOfferedInline() throws {
        let rig = Rig.open(.parent, Self.configuration())
        rig.perform { $0.announceArena() }
        #expect(rig.frames.first?.header.descriptors == 1)
        _ = try rig.call(Offer(size: 5, delivery: .arena))
        let request = try rig.frames.first.map { try Request(parsing: Array($0.payload)) }
        #expect(request?.offer.delivery == .inline)
    }
}
