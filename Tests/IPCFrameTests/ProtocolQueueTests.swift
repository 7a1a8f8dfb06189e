// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// What waits to go out: its order, and its bounds.
@Suite struct ProtocolQueueTests {
    /// An answerer whose RESPONSE of unknown size has been accepted.
    private func answering(_ role: ConnectionStateMachine.Role = .child) throws -> (rig: Rig, id: UInt64) {
        let rig = Rig.open(role)
        let id = rig.beCalled(Offer(size: 0))
        rig.feedEnd(0, on: id)
        rig.perform { $0.take(id) }
        try rig.perform { try $0.respond(id, ResponseHead(offer: Sample.unknown)) }
        rig.feedAccept(1 << 20, on: id)
        return (rig, id)
    }

    @Test func ofPROGRESSTheNewestWaitsAndFINALIsKept() throws {
        let (rig, id) = try answering()
        rig.perform(writing: false) { machine in
            machine.sendProgress(id, Progress(completed: 1, unit: "rows"))
            machine.sendProgress(id, Progress(completed: 2, unit: "rows", isFinal: true))
            machine.sendLog(id, LogLine(level: .info, text: "between"))
            machine.sendProgress(id, Progress(completed: 3, unit: "rows"))
        }
        rig.keepWriting()
        #expect(rig.frameTypes == [.progress, .log])
        let frame = try #require(rig.frames.first)
        let progress = try Progress(parsing: Array(frame.payload), flags: frame.header.flags)
        #expect(progress.completed == 3 && progress.isFinal)
        rig.perform { $0.sendProgress(id, Progress(completed: 4, unit: "rows")) }
        #expect(rig.frames.first?.header.flags == [], "what has gone out is not repeated")
    }

    private func logs(_ rig: Rig) -> [LogLine] {
        rig.frames.filter { $0.header.type == .log }.compactMap { try? LogLine(parsing: Array($0.payload)) }
    }

    @Test func linesThatAreDroppedAreCountedAndTold() throws {
        let (rig, id) = try answering()
        rig.perform(writing: false) { machine in
            for number in 0..<100 { machine.sendLog(id, LogLine(level: .info, text: "\(number)")) }
        }
        rig.keepWriting()
        #expect(logs(rig).map(\.text) == (0..<64).map(String.init))
        #expect(logs(rig).allSatisfy { $0.dropped == 0 })
        rig.perform { $0.sendLog(id, LogLine(level: .info, text: "next", dropped: 2)) }
        #expect(logs(rig) == [LogLine(level: .info, text: "next", dropped: 38)])
    }

    @Test(arguments: [true, false])
    func linesThatAreDroppedAreToldBeforeTheCallEnds(_ isFailed: Bool) throws {
        let (rig, id) = try answering()
        rig.perform(writing: false) { machine in
            for number in 0..<70 { machine.sendLog(id, LogLine(level: .info, text: "\(number)")) }
            if isFailed {
                machine.fail(id, RemoteError(code: .failed, reason: "no"))
            } else {
                machine.sendEnd(id, digest: 0, trailer: Trailer())
            }
        }
        rig.keepWriting()
        #expect(logs(rig).count == 65 && logs(rig).last?.dropped == 6)
        #expect(rig.frameTypes.last == (isFailed ? .error : .end))
    }

    @Test func streamsTakeTurnsAndControlOvertakes() throws {
        let rig = Rig.open(.parent)
        let (one, two) = (try rig.call(Sample.unknown), try rig.call(Sample.unknown))
        rig.feedAccept(1_000, on: one)
        rig.feedAccept(1_000, on: two)
        for id in [one, one, two, two] { rig.send(10, on: id, writing: false) }
        rig.perform(writing: false) { $0.ping(1) }
        rig.keepWriting()
        #expect(rig.frameTypes == [.ping, .data, .data, .data, .data])
        #expect(rig.frames.dropFirst().map(\.header.stream) == [one, two, one, two])
    }

    @Test func fourChunksOfABodyWaitAndRoomIsToldWhenHalfOfThemAreGone() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.unknown)
        rig.feedAccept(1_000, on: id)
        #expect(rig.actionNames == ["sendable"])
        for rest in [990, 980, 970] {
            rig.send(10, on: id, writing: false)
            #expect(rig.machine.sendWindow(id) == rest)
            #expect(rig.machine.sendRoom(id).bytes == rest)
        }
        rig.send(10, on: id, writing: false)
        #expect(rig.machine.sendWindow(id) == 0)
        _ = rig.perform(writing: false) { $0.nextFrame() }
        #expect(rig.actionNames.isEmpty, "whoever sends is not woken for one chunk")
        _ = rig.perform(writing: false) { $0.nextFrame() }
        #expect(rig.actionNames == ["sendable"])
        #expect(rig.machine.sendRoom(id) == SendRoom(bytes: 960, chunks: 2))
    }

    @Test func amongManyCallsTwoChunksOfEachBodyWait() throws {
        let rig = Rig.open(.parent)
        let ids = try (0..<17).map { _ in try rig.call(Sample.unknown) }
        rig.feedAccept(1_000, on: ids[0])
        #expect(rig.machine.sendRoom(ids[0]) == SendRoom(bytes: 1_000, chunks: 2))
    }

    @Test func creditIsToldWhenThereWasNone() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.unknown)
        rig.feedAccept(10, on: id)
        rig.send(10, on: id)
        #expect(rig.actions.isEmpty, "nobody has asked")
        #expect(rig.machine.sendWindow(id) == 0)
        rig.feedCredit(0, 10, on: id)
        #expect(rig.actions.isEmpty)
        rig.feedCredit(5, 11, on: id)
        #expect(rig.actionNames == ["consumed", "sendable"])
        rig.feedCredit(5, 12, on: id)
        #expect(rig.actions.isEmpty, "told once")
    }

    @Test func aTrailerThatFitsIntoNoFrameFailsTheCallAndNotTheConnection() throws {
        let (rig, id) = try answering()
        let trailer = Trailer(values: [Argument("k", [UInt8](repeating: 0, count: 300_000))])
        rig.perform { $0.sendEnd(id, digest: 0, trailer: trailer) }
        #expect(rig.frameTypes == [.error])
        let error = try RemoteError(parsing: Array(try #require(rig.frames.first).payload), flags: [])
        #expect(error.code == .internal && error.reason.contains("trailer"))
        #expect(rig.stream(id) == nil)
    }

    @Test func anOpenerKeepsToMaxStreams() throws {
        var configuration = ConnectionStateMachine.Configuration()
        configuration.capabilities.limits.maxStreams = 2
        let rig = Rig.open(.child, configuration)
        let first = try rig.call(Sample.unknown)
        _ = try rig.call(Sample.unknown)
        #expect(throws: CallRejection.tooManyCalls(limit: 2)) { try rig.call(Sample.unknown) }
        rig.feed(.error, stream: first, payload: Sample.error(.failed))
        #expect(try rig.call(Sample.unknown) == 6)
    }

    // MARK: Floods, of a peer that does not read

    @Test func aFloodOfPINGsKeepsOnePONG() {
        let rig = Rig.open(.child)
        for value in 1...10_000 { rig.feed(.ping, payload: Sample.number(UInt64(value)), writing: false) }
        #expect(rig.machine.out.controlBytes == 24 && rig.machine.out.entryCount == 1)
        rig.keepWriting()
        #expect(rig.frameTypes == [.pong])
        #expect(rig.frames.first.map { Array($0.payload) } == Sample.number(10_000))
    }

    @Test(arguments: [false, true])
    func aFloodOfRequestsEndsWithPeerNotReading(_ isReset: Bool) {
        let rig = Rig.open(.child)
        var id: UInt64 = 1
        while rig.machine.phase == .open, id < 100_000 {
            rig.feed(.request, stream: id, payload: Sample.request(Sample.unknown), writing: false)
            if isReset {
                // Opened, wanted, cancelled, answered: the answer waits, and with it the stream.
                rig.perform(writing: false) { $0.accept(id) }
                rig.feed(.reset, stream: id, payload: Sample.halt(.cancelled), writing: false)
                rig.perform(writing: false) { $0.fail(id, RemoteError(code: .cancelled, reason: "")) }
            }
            #expect(rig.machine.streams.count <= 128 && rig.machine.waitingAccepts.count <= 128)
            #expect(rig.machine.out.entryCount < 10_000)
            id += 2
        }
        #expect(rig.end == .peerNotReading)
        #expect(rig.machine.streams.isEmpty)
    }

    @Test func aFloodOfFramesForOneStreamKeepsNothing() throws {
        let rig = Rig.open(.child)
        let id = rig.beCalled(Sample.unknown)
        rig.perform { $0.accept(id) }
        try rig.perform { try $0.respond(id, ResponseHead(offer: Sample.unknown)) }
        rig.feedAccept(1_000, on: id)
        for number in 0..<1_000 as Range<UInt64> {
            rig.feed(.stop, stream: id, payload: Sample.halt(.notWanted), writing: false)
            #expect(rig.actionNames == (number == 0 ? ["stopped"] : []))
            rig.feed(.reset, stream: id, payload: Sample.halt(.cancelled), writing: false)
            rig.feed(.credit, stream: id, payload: Sample.payload(.credit), writing: false)
            rig.feed(.accept, stream: id, payload: Sample.payload(.accept), writing: false)
        }
        #expect(rig.machine.out.entryCount <= 2)
        #expect(rig.machine.phase == .open)
    }

    @Test func ourOwnControlFramesAreBoundedToo() {
        let rig = Rig.open(.parent)
        var count: UInt64 = 0
        while rig.machine.phase == .open, count < 100_000 {
            count += 1
            rig.perform(writing: false) { $0.ping(count) }
        }
        #expect(rig.end == .peerNotReading)
        #expect(count == (256 << 10) / 24 + 1)
    }
}
