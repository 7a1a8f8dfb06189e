// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

extension Rig {
    /// A question to a machine that cannot be copied, as `#expect` would.
    fileprivate func canSendFile(_ id: UInt64) -> Bool { machine.canSendFile(id) }
}

/// Every row of the tables of section 14.6, and what section 10.2 says of bodies that are files.
@Suite struct StateTableFileTests {
    static let rows = TableRow.all("files")
    static let accepted = TableRow.all("accepted")

    private static let size: UInt64 = 100_000
    private static let offer = Offer(size: size, delivery: .descriptor)

    private static func configuration(passesFiles: Bool = true) -> ConnectionStateMachine.Configuration {
        var configuration = ConnectionStateMachine.Configuration()
        if passesFiles { configuration.capabilities.features = Capabilities.descriptor }
        return configuration
    }

    private static func payload(_ offset: UInt64, _ count: UInt64) -> [UInt8] {
        Sample.encoded { bytes in for value in [offset, count] { bytes.appendLittleEndian(value) } }
    }

    private static func feedFile(
        _ rig: Rig,
        on id: UInt64,
        count: UInt64 = size,
        descriptors: UInt8 = 1,
        flags: FrameFlags = .file
    ) {
        let payload = payload(4_096, count)
        let length = UInt32(payload.count)
        rig.feed(FrameHeader(.data, flags: flags, descriptors: descriptors, stream: id, length: length), payload)
    }

    /// A body that is received, and was accepted as a file.
    private static func receiving(_ offer: Offer = offer) -> (rig: Rig, id: UInt64) {
        let rig = Rig.open(.child, configuration())
        let id = rig.beCalled(offer)
        rig.perform { $0.accept(id) }
        return (rig, id)
    }

    /// A body of ours that was accepted with this delivery.
    private static func sending(_ delivery: BodyDelivery) throws -> (rig: Rig, id: UInt64) {
        let rig = Rig.open(.parent, configuration())
        let id = try rig.call(offer)
        let accept = Accept(limit: 10, delivery: delivery)
        rig.feed(.accept, stream: id, payload: Sample.encoded { accept.encode(into: &$0) })
        return (rig, id)
    }

    private static func credits(_ rig: Rig) -> [UInt64] {
        rig.frames.filter { $0.header.type == .credit }
            .compactMap { try? Credit(parsing: Array($0.payload)).consumed }
    }

    @Test(arguments: rows)
    func rowHolds(_ row: TableRow) throws {
        let isOn = row[0] == "on"
        let rig = Rig.open(.child, Self.configuration(passesFiles: isOn))
        let id = rig.beCalled(isOn ? Self.offer : Offer(size: Self.size))
        rig.perform { $0.accept(id, takesFile: row[1] == "descriptor") }
        let chunk = row[3]
        if chunk == "behind" { rig.feedData(5, on: id) }
        if chunk == "twice" { Self.feedFile(rig, on: id) }
        let descriptors = try #require(UInt8(row[2]))
        Self.feedFile(rig, on: id, count: chunk == "part" ? Self.size - 1 : Self.size, descriptors: descriptors)
        if row[4] == "deliver" {
            #expect(rig.actionNames == ["deliver"])
        } else {
            StateTableConnectionTests.checkViolation(rig, row[4])
        }
        #expect("\(rig.machine.phase)" == (row[5] == "–" ? "open" : row[5]))
    }

    @Test(arguments: accepted)
    func acceptedRowHolds(_ row: TableRow) throws {
        let rig = Rig.open(.child, Self.configuration(passesFiles: row[0] == "on"))
        let size = row[1] == "known" ? Self.size : nil
        let id = rig.beCalled(Offer(size: size, codec: row[2] == "1" ? .zlib : .none, delivery: .descriptor))
        guard !row[3].hasPrefix("violation") else { return StateTableConnectionTests.checkViolation(rig, row[3]) }
        rig.perform { $0.accept(id) }
        let accept = try #require(rig.frames.last.map { try Accept(parsing: Array($0.payload)) })
        #expect("\(accept.delivery)" == row[3])
    }

    @Test func thereIsARowForEachCase() {
        #expect(Set(Self.rows.map { "\($0[0]) \($0[1]) \($0[2]) \($0[3])" }).count == 10 && Self.rows.count == 10)
        #expect(Self.accepted.count == 4)
    }

    @Test func aFileIsDeliveredWithItsRangeAndTakesNothingOfTheBudget() throws {
        let (rig, id) = Self.receiving()
        #expect(rig.machine.budget.bodies == 1)
        Self.feedFile(rig, on: id)
        guard case .deliver(_, let chunk)? = rig.actions.first else {
            Issue.record("\(rig.actionNames)")
            return
        }
        #expect(chunk.file == FileRange(offset: 4_096, count: Self.size) && chunk.rawCount == Int(Self.size))
        #expect(rig.machine.budget.bodies == 0 && rig.machine.budget.held == 0)
        rig.feedData(1, on: id)
        #expect(rig.violation == .creditExceeded)
    }

    @Test func anInlineChunkIsAllowedInstead() {
        let (rig, id) = Self.receiving()
        rig.feedData(50_000, on: id)
        rig.feedData(50_000, on: id)
        rig.feedEnd(Self.size, on: id)
        #expect(rig.end == nil && rig.actionNames == ["end"])
    }

    @Test func theSenderHearsOfEachMebibyteAndOfTheEnd() {
        let (rig, id) = Self.receiving(Offer(size: 5 << 20, delivery: .descriptor))
        Self.feedFile(rig, on: id, count: 5 << 20)
        rig.feedEnd(5 << 20, on: id)
        var told: [UInt64] = []
        for _ in 0..<10 {
            rig.perform { $0.consume(id, count: 512 << 10) }
            told += Self.credits(rig)
        }
        #expect(told == [1, 2, 3, 4].map { $0 << 20 })
        rig.perform { $0.take(id) }
        #expect(Self.credits(rig) == [5 << 20])
    }

    @Test func aFlushIsAnsweredWhenAllOfTheFileIsConsumed() {
        let (rig, id) = Self.receiving()
        Self.feedFile(rig, on: id, flags: [.file, .flush])
        rig.perform { $0.consume(id, count: Int(Self.size), isFlush: true) }
        #expect(Self.credits(rig) == [Self.size])
    }

    @Test func aFileForABodyThatWasStoppedIsDropped() {
        let (rig, id) = Self.receiving()
        rig.perform { $0.stop(id) }
        Self.feedFile(rig, on: id)
        #expect(rig.end == nil && rig.actions.isEmpty)
    }

    @Test func aFileGoesWithItsDescriptorWhateverTheCredit() throws {
        let (rig, id) = try Self.sending(.descriptor)
        #expect(rig.canSendFile(id))
        let range = try #require(FileRange(offset: 7, count: Self.size))
        rig.perform { $0.send(range, on: id) }
        let frame = try #require(rig.frames.first)
        #expect(frame.header.flags == .file && frame.header.descriptors == 1)
        #expect(Array(frame.payload) == Self.payload(7, Self.size))
        #expect(rig.perform { $0.sendRoom(id) }.isEmpty && !rig.canSendFile(id))
        rig.feedCredit(Self.size / 2, Self.size, on: id)
        #expect(rig.actionNames == ["consumed"])
        rig.sendEnd(id)
        #expect(rig.frameTypes == [.end])
        rig.feedCredit(Self.size, Self.size, on: id)
        #expect(rig.actionNames == ["consumed", "taken"])
    }

    @Test func aBodyThatWasAcceptedInlineIsNoFile() throws {
        let (rig, id) = try Self.sending(.inline)
        #expect(!rig.canSendFile(id))
        let range = try #require(FileRange(offset: 0, count: Self.size))
        rig.perform { $0.send(range, on: id) }
        #expect(rig.frames.isEmpty && rig.perform { $0.sendRoom(id) }.bytes == 10)
    }

    @Test func aFileIsNotSentBehindOtherBytes() throws {
        let (rig, id) = try Self.sending(.descriptor)
        rig.send(5, on: id)
        #expect(!rig.canSendFile(id))
    }

    @Test func aBodySentAtOnceIsOfferedInline() throws {
        let rig = Rig.open(.parent, Self.configuration())
        _ = try rig.call(Offer(size: 5, delivery: .descriptor))
        let request = try rig.frames.first.map { try Request(parsing: Array($0.payload)) }
        #expect(request?.offer.delivery == .inline)
    }

    @Test func aRangeEndsWhereAFileCan() {
        let most = UInt64(Int64.max)
        #expect(FileRange(offset: 0, count: most) != nil && FileRange(offset: most - 1, count: 1) != nil)
        #expect(FileRange(offset: 1, count: most) == nil && FileRange(offset: 0, count: 0) == nil)
        #expect(FileRange(offset: .max, count: 1) == nil && FileRange(offset: .max, count: .max) == nil)
    }
}
