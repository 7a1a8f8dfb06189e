// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import IPCFrame

/// Two machines, joined by a pipe that splits and delays at every point, under applications that do anything.
struct Simulation {
    /// Where a direction is cut off.
    struct Cut {
        let isFromParent: Bool
        let offset: Int
    }

    private let parent: SimulatedEnd
    private let child: SimulatedEnd
    private let pipes: [SimulatedPipe]
    private var random: SeededRandom
    private let isCut: Bool
    private let steps: Int

    init(seed: UInt64, steps: Int = 300, cut: Cut? = nil) {
        var random = SeededRandom(seed: seed)
        parent = SimulatedEnd(SimulatedApplication(.parent, Self.configuration(&random)))
        child = SimulatedEnd(SimulatedApplication(.child, Self.configuration(&random)))
        pipes = (0..<2).map { _ in SimulatedPipe(capacity: random.pick([40, 300, 5_000, 200_000])) }
        if let cut { pipes[cut.isFromParent ? 0 : 1].cut = cut.offset }
        isCut = cut != nil
        self.steps = steps
        self.random = random
    }

    private static func configuration(_ random: inout SeededRandom) -> ConnectionStateMachine.Configuration {
        var configuration = ConnectionStateMachine.Configuration()
        configuration.capabilities.limits.maxChunk = UInt32(random.pick([4_096, 4_097, 8_000]))
        configuration.capabilities.limits.maxStreams = UInt32(random.pick([1, 2, 5, 128]))
        configuration.capabilities.limits.initialCredit = UInt32(random.pick([0, 1, 100, 5_000]))
        configuration.receiveBudget = UInt64(random.pick([8_000, 12_288, 20_000, 100_000]))
        configuration.maxWindow = UInt64(random.pick([4_096, 10_000, 1 << 20]))
        return configuration
    }

    /// Runs to the end. Returns how many calls were opened and how many bytes went each way.
    mutating func run() throws -> (calls: Int, bytes: [Int]) {
        // Each end reads now and then; often one does not for a while.
        if !random.once(in: 8) { try shakeHands() }
        var isStalled = [false, false]
        for _ in 0..<steps {
            switch random.below(8) {
            case 0...3: try (random.once(in: 2) ? parent : child).application.act(&random)
            case 4: isStalled[random.below(2)] = random.once(in: 5)
            case 5: try move(write: random.below(2), random.once(in: 2) ? random.below(60) : 6_000)
            default:
                let direction = random.below(2)
                if !isStalled[direction] {
                    try move(read: direction, random.once(in: 2) ? 1 + random.below(60) : 6_000)
                }
            }
            try notice()
        }
        try windDown()
        try parent.application.checkEnd(expected)
        try child.application.checkEnd(expected)
        return (parent.application.opened + child.application.opened, pipes.map(\.delivered))
    }

    private mutating func shakeHands() throws {
        for _ in 0..<100 {
            _ = try parent.application.finish(&random)
            _ = try child.application.finish(&random)
            for direction in 0..<2 {
                try move(write: direction, 6_000)
                try move(read: direction, 6_000)
            }
        }
        try notice()
    }

    private func expected(_ end: ConnectionEnd) -> Bool {
        switch end {
        case .orderly: true
        case .peerVanished: isCut
        default: false
        }
    }

    private func ends(_ direction: Int) -> (writer: SimulatedEnd, reader: SimulatedEnd) {
        direction == 0 ? (parent, child) : (child, parent)
    }

    @discardableResult
    private func move(write direction: Int, _ count: Int) throws -> Bool {
        try ends(direction).writer.write(to: pipes[direction], count)
    }

    @discardableResult
    private func move(read direction: Int, _ count: Int) throws -> Bool {
        let pipe = pipes[direction]
        guard pipe.readable > 0 || pipe.isAtEnd else { return false }
        return try ends(direction).reader.read(from: pipe, count)
    }

    /// A reader that is gone makes writing fail; it has written its own last frame to the end.
    private func notice() throws {
        for direction in 0..<2 where ends(direction).reader.isOver {
            ends(direction).writer.application.machine.writeFailed()
        }
    }

    /// Both applications do what is still to be done; whoever cannot move then waits for ever.
    private mutating func windDown() throws {
        let first = random.below(3)
        var isDrained = false
        var rounds = 0
        while true {
            var hasMoved = false
            for end in [parent, child] where try end.application.finish(&random) { hasMoved = true }
            for direction in 0..<2 {
                if try move(write: direction, 100_000) { hasMoved = true }
                if try move(read: direction, 100_000) { hasMoved = true }
            }
            try notice()
            if parent.isOver && child.isOver { return }
            rounds += 1
            try hold(rounds < 20_000, "there is no end")
            guard !hasMoved else { continue }
            try hold(!isDrained, "nobody can move: \(parent.application.state), \(child.application.state)")
            isDrained = true
            if first != 0 { parent.application.drain() }
            if first != 1 { child.application.drain() }
        }
    }
}

/// A group of seeds, run by one test case.
struct SeedGroup: Sendable, CustomTestStringConvertible {
    let seeds: [UInt64]
    var testDescription: String { "seeds \(seeds.first ?? 0) to \(seeds.last ?? 0)" }

    /// Seeds for every run; IPCFRAME_SEED=N runs that one alone, IPCFRAME_SEEDS=N so many.
    static let all: [SeedGroup] = {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["IPCFRAME_SEED"].flatMap(UInt64.init) { return [SeedGroup(seeds: [seed])] }
        let count = environment["IPCFRAME_SEEDS"].flatMap(UInt64.init) ?? 1_000
        return stride(from: 0, to: count, by: 250).map { SeedGroup(seeds: Array($0..<min(count, $0 + 250))) }
    }()
}

@Suite struct SimulationTests {
    @Test(arguments: SeedGroup.all)
    func whateverHappensEveryCallEndsOnceAndNothingIsLeft(_ group: SeedGroup) {
        var calls = 0
        for seed in group.seeds {
            var simulation = Simulation(seed: seed)
            do {
                calls += try simulation.run().calls
            } catch {
                Issue.record("\(error) (replay with IPCFRAME_SEED=\(seed))")
                return
            }
        }
        #expect(calls > group.seeds.count, "the simulation opens hardly a call")
    }
}
