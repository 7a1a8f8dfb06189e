// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// How calls and connections end, where the halves of a stream end at different times.
@Suite struct ProtocolEndingTests {
    @Test func anErrorThatMeetsAnUnsentENDIsAnsweredWithRESET() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.small)
        rig.send(5, on: id, writing: false)
        rig.sendEnd(id, writing: false)
        // The answerer fails the call on its REQUEST alone, and waits for the end of a body that will not come.
        rig.feed(.error, stream: id, payload: Sample.error(.failed))
        #expect(rig.actionNames == ["failed", "forgotten"])
        #expect(rig.frameTypes == [.reset])
        #expect(try Halt(parsing: Array(try #require(rig.frames.first).payload)).code == .stopped)
    }

    @Test func anENDThatMeetsAnUnsentENDIsAnsweredWithRESET() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.small)
        rig.send(5, on: id, writing: false)
        rig.sendEnd(id, writing: false)
        rig.feed(.response, stream: id, payload: Sample.response(.init(size: 0)), writing: false)
        rig.feedEnd(0, on: id)
        #expect(rig.frameTypes == [.reset])
        rig.perform { $0.take(id) }
        #expect(rig.stream(id) == nil)
        #expect(!rig.hasOutput)
    }

    @Test func anAnswerAfterCancelWaitsForNoFinalCredit() throws {
        let rig = Rig.open(.child)
        let id = rig.beCalled(.init(size: 0))
        rig.feedEnd(0, on: id)
        rig.perform { $0.take(id) }
        try rig.perform { try $0.respond(id, ResponseHead(offer: Sample.unknown)) }
        rig.feedAccept(1_000, on: id)
        rig.send(10, on: id)
        rig.feedHalt(.reset, .cancelled, on: id)
        #expect(rig.actionNames == ["cancel"])
        rig.sendEnd(id)
        #expect(rig.frameTypes == [.end])
        #expect(rig.stream(id) == nil)
    }

    @Test func aCancelEndsTheWaitForTheFinalCredit() throws {
        let scene = try #require(try SendScenes(.child).scenes("answerer", "untaken").first)
        scene.rig.feedHalt(.reset, .cancelled, on: scene.id)
        #expect(scene.rig.actionNames == ["cancel", "forgotten"])
    }

    @Test func aRESETThatAnswersOurENDLeavesTheFinalCreditOutstanding() throws {
        // The opener resets what is left of its request body, and goes on to take the response body.
        let scene = try #require(try SendScenes(.child).scenes("answerer", "untaken").first)
        scene.rig.feedHalt(.reset, .stopped, on: scene.id)
        #expect(scene.rig.actions.isEmpty)
        #expect(scene.rig.stream(scene.id)?.send.state == .untaken)
        scene.rig.feedCredit(10, 10, on: scene.id)
        #expect(scene.rig.actionNames == ["consumed", "taken", "forgotten"])
    }

    @Test func anUnsentRequestIsCancelledWithoutATrace() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.unknown, writing: false)
        rig.perform { $0.cancel(id) }
        #expect(rig.actionNames == ["forgotten"])
        #expect(rig.frames.isEmpty)
        #expect(rig.machine.openLocally == 0)
        let next = try rig.call(Sample.unknown)
        #expect(next == id + 2)
        #expect(rig.frames.map(\.header.stream) == [next])
    }

    @Test func manyCancelledRequestsLeaveNothingBehind() throws {
        let rig = Rig.open(.parent)
        for _ in 0..<10_000 {
            let id = try rig.call(Sample.unknown, writing: false)
            rig.perform(writing: false) { $0.cancel(id) }
        }
        #expect(!rig.hasOutput)
        #expect(rig.machine.out.entryCount <= 256)
        #expect(rig.machine.streams.isEmpty)
    }

    @Test func drainWaitsForTheRequestBeforeIt() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.unknown, writing: false)
        rig.perform(writing: false) { $0.drain() }
        rig.keepWriting()
        #expect(rig.frameTypes == [.request, .drain])
        #expect(throws: CallRejection.draining) { try rig.call(Sample.unknown) }
        rig.feed(.refuse, stream: id, payload: Sample.payload(.refuse))
        #expect(rig.stream(id) == nil)
    }

    @Test func drainGoesOutWhenTheRequestBeforeItIsCancelled() throws {
        let rig = Rig.open(.parent)
        let id = try rig.call(Sample.unknown, writing: false)
        rig.perform(writing: false) { $0.drain() }
        rig.perform { $0.cancel(id) }
        #expect(rig.frameTypes == [.drain])
    }

    @Test func byeIsDueWhenTheLastStreamIsForgottenWithFramesInItsQueue() throws {
        let rig = Rig.open(.child)
        let id = rig.beCalled(.init(size: 0))
        rig.feedEnd(0, on: id)
        rig.feed(.drain, payload: Sample.number(id))
        #expect(rig.actionNames == ["drain"])
        rig.perform(writing: false) { machine in
            for _ in 0..<3 { machine.sendLog(id, LogLine(level: .info, text: "a line")) }
            machine.take(id)
            machine.refuse(id, Refuse(code: .notWanted, reason: "no"))
        }
        rig.keepWriting()
        #expect(rig.frameTypes == [.refuse])
        #expect(rig.actionNames.last == "idle")
        rig.perform { $0.bye(Trailer()) }
        #expect(rig.frameTypes == [.bye])
        #expect(rig.actionNames == ["shutdownWrite"])
        rig.feed(.ping, payload: Sample.number(1))
        #expect(rig.frames.isEmpty, "nothing follows BYE")
    }

    @Test func byeIsDueWhenOnlyAPointlessCreditWasLeft() throws {
        let rig = Rig.open(.child)
        let id = rig.beCalled(Sample.unknown)
        rig.perform { $0.accept(id) }
        rig.feedData(10, on: id, flags: .flush)
        rig.feed(.drain, payload: Sample.number(id))
        rig.perform(writing: false) { $0.consume(id, count: 10, isFlush: true) }
        rig.feedHalt(.reset, .cancelled, on: id)
        rig.perform(writing: false) { $0.fail(id, RemoteError(code: .cancelled, reason: "")) }
        rig.keepWriting()
        #expect(rig.actionNames.filter { $0 == "idle" }.count == 1)
    }

    @Test(arguments: StateTableStreamTests.roles)
    func byeFailsWhateverStillWaitsForThePeer(_ role: ConnectionStateMachine.Role) throws {
        let openers = ReceiveScenes(role)
        for state in ["awaitingResponse", "offered", "receiving", "discarding"] {
            for scene in try openers.scenes("opener", state) {
                scene.rig.feed(.bye)
                let outcome = state == "discarding" ? [] : ["reset"]
                #expect(scene.rig.actionNames == outcome + ["forgotten", "idle"], "\(state)")
            }
        }
        for state in ["offered", "receiving", "taking", "ended"] {
            for scene in try openers.scenes("answerer", state) {
                scene.rig.feed(.bye)
                #expect(scene.rig.actionNames == ["cancel", "forgotten", "idle"], "\(state)")
            }
        }
    }

    @Test(arguments: StateTableStreamTests.roles)
    func byeLeavesAWholeAnswerToItsApplication(_ role: ConnectionStateMachine.Role) throws {
        let scene = try #require(try ReceiveScenes(role).scenes("opener", "taking").first)
        scene.rig.feed(.bye)
        #expect(scene.rig.actionNames == ["forgotten", "idle"])
        scene.rig.perform { machine in
            machine.consume(scene.id, count: 5)
            machine.take(scene.id)
        }
        #expect(scene.rig.actions.isEmpty && scene.rig.frames.isEmpty)
    }

    @Test func theEndOfFileAfterByeDoesNotKeepOurOwnBye() {
        let rig = Rig.open(.parent)
        rig.feed(.bye)
        rig.perform { $0.receiveEndOfFile(duringFrame: false) }
        rig.perform { $0.receiveEndOfFile(duringFrame: false) }
        #expect(rig.end == nil)
        rig.perform { $0.bye(Trailer()) }
        #expect(rig.frameTypes == [.bye])
        #expect(rig.actionNames == ["shutdownWrite", "close"])
        #expect(rig.end == .orderly)
    }

    @Test func byesThatCrossAreBothSent() {
        let rig = Rig.open(.child)
        rig.feed(.drain, payload: Sample.number(0))
        rig.perform(writing: false) { $0.bye(Trailer()) }
        rig.feed(.bye)
        #expect(rig.frameTypes == [.bye])
        #expect(rig.actionNames == ["shutdownWrite"])
    }

    @Test func aPeerThatIsGoneAfterItsByeHasEndedInOrder() {
        let rig = Rig.open(.parent)
        rig.feed(.bye)
        rig.perform { $0.writeFailed() }
        rig.perform { $0.receiveEndOfFile(duringFrame: false) }
        #expect(rig.end == .orderly)
    }

    @Test func nothingIsToldAfterTheEnd() {
        let rig = Rig.open(.child)
        rig.feed(.drain, payload: Sample.number(0))
        rig.perform(writing: false) { machine in
            machine.bye(Trailer())
            machine.receiveEndOfFile(duringFrame: true)
        }
        rig.keepWriting()
        #expect(rig.frameTypes == [.bye])
        #expect(rig.actionNames == ["close"])
    }

    @Test func endOfFileWithoutByeMeansThatThePeerVanished() {
        for isDuringFrame in [false, true] {
            let rig = Rig.open(.parent)
            rig.perform { $0.receiveEndOfFile(duringFrame: isDuringFrame) }
            #expect(rig.end == .peerVanished(duringFrame: isDuringFrame))
        }
        let rig = Rig.open(.parent)
        rig.feed(.bye)
        rig.perform { $0.receiveEndOfFile(duringFrame: true) }
        #expect(rig.end == .peerVanished(duringFrame: true))
    }
}
