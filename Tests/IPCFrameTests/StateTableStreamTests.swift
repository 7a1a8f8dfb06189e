// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Every row of the tables of §14.3: what a frame does to the halves of an open stream.
@Suite struct StateTableStreamTests {
    static let sendRows = TableRow.all("send")
    static let receiveRows = TableRow.all("receive")
    static let sendFrames = ["ACCEPT", "CREDIT", "STOP", "REFUSE"]
    static let roles: [ConnectionStateMachine.Role] = [.parent, .child]

    /// A stream that has been brought into a state.
    struct Scene {
        let rig: Rig
        let id: UInt64
        /// Raw bytes of the peer's body so far.
        var received: UInt64 = 0
    }

    @Test(arguments: sendRows, roles)
    func sendRowHolds(_ row: TableRow, _ role: ConnectionStateMachine.Role) throws {
        #expect(row.cells.count == 5)
        let scenes = try SendScenes(role).scenes(row[0], row[1])
        try #require(!scenes.isEmpty, "the state '\(row[0]) \(row[1])' is not understood")
        for scene in scenes {
            #expect(scene.rig.stream(scene.id).map { "\($0.send.state)" } == row[1])
            switch row[2] {
            case "ACCEPT": scene.rig.feedAccept(100_000, on: scene.id)
            // Ten bytes have been sent in each scene that sends.
            case "CREDIT": scene.rig.feedCredit(10, 200_000, on: scene.id)
            case "STOP": scene.rig.feedHalt(.stop, .notWanted, on: scene.id)
            case "REFUSE": scene.rig.feed(.refuse, stream: scene.id, payload: Sample.payload(.refuse))
            default: Issue.record("the frame '\(row[2])' is not understood")
            }
            check(scene, action: row[3])
            checkNext(scene, next: row[4], before: row[1]) { "\($0.send.state)" }
        }
    }

    @Test(arguments: receiveRows, roles)
    func receiveRowHolds(_ row: TableRow, _ role: ConnectionStateMachine.Role) throws {
        #expect(row.cells.count == 5)
        let states = row[1] == "any" ? ["offered", "receiving", "taking", "discarding", "ended"] : [row[1]]
        for state in states {
            let scenes = try ReceiveScenes(role).scenes(row[0], state)
            try #require(!scenes.isEmpty, "the state '\(row[0]) \(state)' is not understood")
            for scene in scenes {
                #expect(scene.rig.stream(scene.id).map { "\($0.receive.state)" } == state)
                feed(scene, row[2])
                check(scene, action: row[3], endsCall: row[4] == "forgotten")
                checkNext(scene, next: row[4], before: state) { "\($0.receive.state)" }
            }
        }
    }

    private func feed(_ scene: Scene, _ frame: String) {
        let (rig, id) = (scene.rig, scene.id)
        switch frame {
        case "RESPONSE": rig.feed(.response, stream: id, payload: Sample.response(Sample.unknown))
        case "RESPONSE at once": rig.feed(.response, stream: id, payload: Sample.response(Sample.small))
        case "RESPONSE whole":
            rig.machine.features |= Capabilities.whole
            rig.feed(.response, stream: id, payload: Sample.wholeResponse)
        case "DATA": rig.feedData(5, on: id)
        case "END":
            let offer = rig.stream(id)?.receive.offer
            let total = rig.stream(id)?.receive.state == .receiving ? offer?.size ?? scene.received : scene.received
            if total > scene.received { rig.feedData(Int(total - scene.received), on: id) }
            rig.feedEnd(total, on: id)
        case "ERROR": rig.feed(.error, stream: id, payload: Sample.error(.failed))
        case "RESET": rig.feedHalt(.reset, .cancelled, on: id)
        case "RESET stopped": rig.feedHalt(.reset, .stopped, on: id)
        case "PROGRESS": rig.feed(.progress, stream: id, payload: Sample.payload(.progress))
        case "LOG": rig.feed(.log, stream: id, payload: Sample.payload(.log))
        default: Issue.record("the frame '\(frame)' is not understood")
        }
    }

    /// The names of the actions that a row's action stands for, without `forgotten`.
    private static let actionNames: [String: [String]] = [
        "accepted": ["sendable"], "credit": ["consumed"], "taken": ["consumed", "taken"], "stopped": ["stopped"],
        "stopped, send RESET": ["stopped"], "refused": ["refused"], "ignore": [], "response": ["response"],
        "failed": ["failed"], "reset": ["reset"], "progress": ["progress"], "log": ["log"], "deliver": ["deliver"],
        "end": ["end"], "discard": [], "over": [], "cancel": ["cancel"],
    ]

    private func check(_ scene: Scene, action: String, endsCall: Bool = false) {
        guard let names = Self.actionNames[action] else {
            StateTableConnectionTests.checkViolation(scene.rig, action)
            return
        }
        #expect(scene.rig.actionNames.filter { $0 != "forgotten" } == names)
        let resets = scene.rig.frames.filter { $0.header.type == .reset }
        for frame in resets {
            let reset = try? Halt(parsing: Array(frame.payload))
            #expect(frame.header.stream == scene.id)
            #expect(reset?.code == .stopped)
        }
        switch action {
        case "stopped, send RESET": #expect(scene.rig.frameTypes == [.reset])
        // The end of the call: RESET tells that our request body stays unfinished, if it is.
        case _ where endsCall || ["failed", "reset", "over", "end"].contains(action):
            #expect(resets.count == scene.rig.frames.count && resets.count <= 1)
        default: #expect(scene.rig.frames.isEmpty)
        }
    }

    private func checkNext(
        _ scene: Scene,
        next: String,
        before: String,
        _ state: (IPCFrame.Stream) -> String
    ) {
        let now = scene.rig.stream(scene.id).map(state)
        let isForgotten = scene.rig.actionNames.contains("forgotten")
        #expect(scene.rig.actionNames.filter { $0 == "forgotten" }.count <= 1)
        switch next {
        case "closed":
            #expect(scene.rig.machine.phase == .closed)
        case "forgotten":
            #expect(now == nil && isForgotten)
        case "ended":
            // With the other half over already, this was the last that was known of the stream.
            #expect(now == nil ? isForgotten : now == "ended")
        case "–":
            #expect(now == before)
        default:
            #expect(now == next)
        }
    }

    @Test func everyPairOfStateAndFrameHasARow() {
        func pairs(_ rows: [TableRow]) -> Set<String> { Set(rows.map { "\($0[0]) \($0[1]) \($0[2])" }) }
        let (send, receive) = (pairs(Self.sendRows), pairs(Self.receiveRows))
        #expect(send.count == Self.sendRows.count && receive.count == Self.receiveRows.count, "a row is there twice")

        var expected: Set<String> = []
        for state in SendHalf.State.allCases {
            for frame in Self.sendFrames {
                if state != .idle { expected.insert("opener \(state) \(frame)") }
                expected.insert("answerer \(state) \(frame)")
            }
        }
        #expect(send == expected)

        expected = [
            "opener awaitingResponse RESPONSE at once", "opener awaitingResponse RESPONSE whole",
            "opener discarding RESPONSE whole", "answerer discarding RESET stopped",
        ]
        for state in ReceiveHalf.State.allCases {
            // The end of the opener's receiving half is the end of the call: there is no stream to get a frame.
            if state != .ended {
                for frame in ["RESPONSE", "DATA", "END", "ERROR", "RESET", "PROGRESS", "LOG"] {
                    expected.insert("opener \(state) \(frame)")
                }
            }
            if state != .awaitingResponse {
                for frame in ["DATA", "END", "RESET"] { expected.insert("answerer \(state) \(frame)") }
            }
        }
        for frame in ["RESPONSE", "ERROR", "PROGRESS", "LOG"] { expected.insert("answerer any \(frame)") }
        #expect(receive == expected)
    }
}
