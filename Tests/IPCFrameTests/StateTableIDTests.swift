// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Every row of table 14.2: which streams a frame may name.
@Suite struct StateTableIDTests {
    static let rows = TableRow.all("ids")

    /// Every frame of a stream but REQUEST.
    static let others = StateTableConnectionTests.streamTypes.filter { $0 != .request }

    /// For each row: a machine, and the id that the frame shall name.
    static let scenes: [String: @Sendable (ConnectionStateMachine.Role) throws -> [(Rig, UInt64)]] = [
        "new REQUEST": { role in
            let rig = Rig.open(role)
            let later = Rig.open(role)
            _ = later.beCalled(Sample.small)
            return [(rig, rig.nextPeerID), (rig, rig.nextPeerID + 20), (later, later.nextPeerID)]
        },
        "new REQUEST whole": { role in
            var configuration = ConnectionStateMachine.Configuration()
            configuration.capabilities.features = Capabilities.whole
            let rig = Rig.open(role, configuration)
            return [(rig, rig.nextPeerID)]
        },
        "new, maxStreams open REQUEST": { role in
            var configuration = ConnectionStateMachine.Configuration()
            configuration.capabilities.limits.maxStreams = 2
            let rig = Rig.open(role, configuration)
            _ = rig.beCalled(Sample.small)
            _ = rig.beCalled(Sample.small)
            return [(rig, rig.nextPeerID)]
        },
        "new, DRAIN sent REQUEST": { role in
            let rig = Rig.open(role)
            rig.perform { $0.drain() }
            return [(rig, rig.nextPeerID)]
        },
        "new, DRAIN received REQUEST": { role in
            let rig = Rig.open(role)
            rig.feed(.drain, payload: Sample.number(0))
            return [(rig, rig.nextPeerID)]
        },
        "old REQUEST": { role in
            let (rig, gap) = (Rig.open(role), Rig.open(role))
            let id = rig.beCalled(Sample.small)
            gap.feed(.request, stream: gap.nextPeerID + 4, payload: Sample.request(Sample.small))
            return [(rig, id), (gap, gap.machine.highestPeerID - 2)]
        },
        "ours REQUEST": { role in
            let rigs = [Rig.open(role), Rig.open(role)]
            let id = try rigs[1].call(Sample.small)
            let unused: UInt64 = role == .parent ? 1 : 2
            return [(rigs[0], unused), (rigs[1], id)]
        },
        "zero REQUEST": { role in [(Rig.open(role), UInt64(0))] },
        "zero other": { role in [(Rig.open(role), UInt64(0))] },
        "never opened other": { role in
            let (fresh, used) = (Rig.open(role), Rig.open(role))
            let id = used.beCalled(Sample.unknown)
            let ours = try used.call(Sample.unknown)
            let unsent = Rig.open(role)
            let waiting = try unsent.call(Sample.unknown, writing: false)
            return [
                (fresh, 1), (fresh, 2), (fresh, UInt64.max), (used, id + 2), (used, ours + 2), (unsent, waiting),
            ]
        },
        "forgotten other": { role in
            let rig = Rig.open(role)
            let id = rig.beCalled(Sample.unknown)
            rig.perform { $0.refuse(id, Refuse(code: .notWanted, reason: "no")) }
            let ours = try rig.call(Sample.unknown)
            rig.feed(.refuse, stream: ours, payload: Sample.payload(.refuse))
            let gap = Rig.open(role)
            gap.feed(.request, stream: gap.nextPeerID + 4, payload: Sample.request(Sample.small))
            return [(rig, id), (rig, ours), (gap, gap.machine.highestPeerID - 2)]
        },
        "open other": { _ in [] },
    ]

    @Test(arguments: rows, StateTableStreamTests.roles)
    func rowHolds(_ row: TableRow, _ role: ConnectionStateMachine.Role) throws {
        #expect(row.cells.count == 3)
        let name = "\(row[0]) \(row[1])"
        let make = try #require(Self.scenes[name], "the row '\(name)' is not understood")
        let types: [FrameType]
        switch row[1] {
        case "REQUEST", "REQUEST whole": types = [.request]
        // ERROR on stream 0 is a frame of the connection.
        case "other": types = Self.others.filter { row[0] != "zero" || $0 != .error }
        default: types = []
        }
        #expect(!types.isEmpty)
        for type in types {
            for index in try make(role).indices {
                let (rig, id) = try make(role)[index]
                let isWhole = row[1] == "REQUEST whole"
                let payload = isWhole ? Sample.wholeRequest : Sample.payload(type)
                rig.feed(type, stream: id, payload: payload, writing: !row[0].hasPrefix("never"))
                rig.keepWriting()
                check(rig, row[2], id)
                if isWhole { #expect(rig.stream(id)?.receive.state == .ended) }
            }
        }
    }

    private func check(_ rig: Rig, _ action: String, _ id: UInt64) {
        switch action {
        case "call":
            guard case .call(id, _)? = rig.actions.first else {
                Issue.record("no call but \(rig.actionNames)")
                return
            }
            #expect(rig.machine.openByPeer == UInt32(rig.machine.streams.count))
        case "refuse tooManyStreams", "refuse draining":
            #expect(rig.frameTypes == [.refuse])
            #expect(rig.frames.first?.header.stream == id)
            let refuse = rig.frames.first.flatMap { try? Refuse(parsing: Array($0.payload)) }
            #expect(refuse?.code.description == action.dropFirst("refuse ".count).description)
            #expect(rig.stream(id) == nil)
            #expect(rig.actions.isEmpty)
        case "ignore":
            #expect(rig.actions.isEmpty)
            #expect(rig.frames.isEmpty)
        default:
            StateTableConnectionTests.checkViolation(rig, action)
        }
    }

    @Test func everyCaseHasARow() {
        // `open`, the case that leads to table 14.3, is that table's test.
        #expect(Set(Self.rows.map { "\($0[0]) \($0[1])" }) == Set(Self.scenes.keys))
        #expect(Self.rows.count == Self.scenes.count)
        #expect(Self.rows.last.map { [$0[0], $0[2]] } == ["open", "see 14.3"])
    }
}
