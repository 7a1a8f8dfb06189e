// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// One row of a table of PROTOCOL.md §14.
struct TableRow: Sendable, CustomTestStringConvertible {
    let cells: [String]

    init(_ cells: [String]) { self.cells = cells }

    /// A cell; one that is not there is a text that no test understands.
    subscript(_ index: Int) -> String { index < cells.count ? ProtocolDocument.plain(cells[index]) : "(no cell)" }

    var testDescription: String { cells.joined(separator: " | ") }

    static func all(_ table: String) -> [TableRow] { ProtocolDocument.table(table).map(TableRow.init) }
}

/// Every row of table 14.1.
@Suite struct StateTableConnectionTests {
    typealias Phase = ConnectionStateMachine.Phase

    static let rows = TableRow.all("connection")

    /// The types that belong to a stream.
    static let streamTypes: [FrameType] = [
        .request, .response, .accept, .refuse, .data, .credit, .end, .error, .reset, .stop, .progress, .log,
    ]

    /// Frames by the names that the table's second column uses.
    static let frames: [String: [(header: FrameHeader, payload: [UInt8])]] = {
        var result: [String: [(header: FrameHeader, payload: [UInt8])]] = [:]
        for type in FrameType.allCases where !streamTypes.contains(type) {
            result[type.name] = [frame(type)]
        }
        result["ERROR on 0"] = [frame(.error)]
        result["stream frame"] = streamTypes.flatMap { [frame($0, stream: 1), frame($0, stream: 2)] }
        result["unknown, bit 7 set"] = [0x80, 0xAB, 0xFF].map(unknown)
        result["unknown, bit 7 clear"] = [0x00, 0x05, 0x22, 0x41, 0x7F].map(unknown)
        return result
    }()

    static func frame(_ type: FrameType, stream: UInt64 = 0) -> (header: FrameHeader, payload: [UInt8]) {
        let payload = Sample.payload(type)
        return (FrameHeader(type, stream: stream, length: UInt32(payload.count)), payload)
    }

    static func unknown(_ type: UInt8) -> (header: FrameHeader, payload: [UInt8]) {
        var header = FrameHeader(.ping, stream: 3, length: 2)
        header.rawType = type
        return (header, [1, 2])
    }

    /// Machines in the named state, brought there by frames; none when the state is not known.
    static func rigs(in state: String) -> [Rig] {
        switch state {
        case "awaitingHello":
            return [Rig(.parent)]
        case "awaitingReady":
            let rig = Rig(.parent)
            rig.feed(.hello, payload: Sample.hello())
            return [rig]
        case "awaitingWelcome":
            return [Rig(.child)]
        case "preparing":
            let rig = Rig(.child)
            rig.feed(.welcome, payload: Sample.welcome())
            return [rig]
        case "open":
            return [Rig.open(.parent), Rig.open(.child)]
        case "closing":
            return [Rig.open(.parent), Rig.open(.child)].map { rig in
                rig.feed(.bye)
                return rig
            }
        default:
            return []
        }
    }

    @Test(arguments: rows)
    func rowHolds(_ row: TableRow) throws {
        let (state, name, action, next) = (row[0], row[1], row[2], row[3])
        #expect(row.cells.count == 4)
        let frames = try #require(Self.frames[name], "the frame '\(name)' is not understood")
        if action == "see 14.2" || action == "see 14.5" { return }
        for (header, payload) in frames {
            let rigs = Self.rigs(in: state)
            #expect(!rigs.isEmpty, "the state '\(state)' is not understood")
            for rig in rigs {
                #expect("\(rig.machine.phase)" == state)
                rig.feed(header, payload)
                Self.check(rig, action)
                #expect("\(rig.machine.phase)" == (next == "–" ? state : next))
            }
        }
    }

    /// What a row's action looks like from outside.
    static func check(_ rig: Rig, _ action: String) {
        switch action {
        case "welcome":
            #expect(rig.frameTypes == [.welcome])
            #expect(rig.actions.isEmpty)
        case "prepare":
            #expect(rig.actionNames == ["prepare"])
        case "open":
            #expect(rig.actionNames == ["open"])
        case "pong":
            #expect(rig.frameTypes == [.pong])
            #expect(rig.frames.first.map { Array($0.payload) } == Sample.number(7))
            #expect(rig.actions.isEmpty)
        case "pongReceived":
            #expect(rig.actionNames == ["pong"])
        case "drain":
            // In `preparing` there is no idleness yet: READY comes first.
            #expect(rig.actionNames == (rig.machine.phase == .open ? ["drain", "idle"] : ["drain"]))
        case "bye":
            #expect(rig.actionNames == ["idle"])
        case "close":
            switch rig.end {
            case .reportedByPeer(code: .failed, reason: "because"), .rejected(code: .versionMismatch, _): break
            default: Issue.record("the end is \(String(describing: rig.end))")
            }
            #expect(rig.frames.isEmpty)
        case "ignore":
            #expect(rig.actions.isEmpty)
            #expect(rig.frames.isEmpty)
        default:
            checkViolation(rig, action)
        }
    }

    /// `violation CODE`: the peer is told on stream 0, and it is over.
    static func checkViolation(_ rig: Rig, _ action: String) {
        guard action.hasPrefix("violation ") else {
            Issue.record("the action '\(action)' is not understood")
            return
        }
        let code = String(action.dropFirst("violation ".count))
        #expect(rig.violation?.description == code)
        #expect(rig.machine.phase == .closed)
        #expect(rig.frameTypes == [.error])
        #expect(rig.frames.first?.header.stream == 0)
        let told = rig.frames.first.flatMap { try? RemoteError(parsing: Array($0.payload), flags: []) }
        #expect(told?.code.description == code)
    }

    @Test func everyPairOfStateAndFrameHasExactlyOneRow() {
        var count: [String: Int] = [:]
        for row in Self.rows { count["\(row[0]) \(row[1])", default: 0] += 1 }
        for phase in Phase.allCases where phase != .closed {
            for frame in Self.frames.keys {
                #expect(count["\(phase) \(frame)"] == 1, "\(phase), \(frame)")
            }
        }
        #expect(Self.rows.count == (Phase.allCases.count - 1) * Self.frames.count)
    }
}
