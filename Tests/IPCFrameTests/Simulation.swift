// SPDX-License-Identifier: Apache-2.0
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

    init(seed: UInt64, steps: Int = 300, largestBody: Int = 60_000, cut: Cut? = nil) {
        var random = SeededRandom(seed: seed)
        let arena = SimulatedArena()
        parent = SimulatedEnd(.init(.parent, Self.configuration(&random), arena, largestBody: largestBody))
        child = SimulatedEnd(.init(.child, Self.configuration(&random), arena, largestBody: largestBody))
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
        configuration.capabilities.features = random.once(in: 3) ? 0 : Capabilities.arena
        if !random.once(in: 3) { configuration.capabilities.features |= Capabilities.descriptor }
        if !random.once(in: 3) { configuration.capabilities.features |= Capabilities.whole }
        configuration.receiveBudget = UInt64(random.pick([8_000, 12_288, 20_000, 100_000]))
        configuration.maxWindow = UInt64(random.pick([4_096, 10_000, 1 << 20]))
        return configuration
    }

    /// What a run was.
    struct Result {
        /// How the calls ended, on either side.
        var outcomes: [String: Int]
        /// Bytes from the parent, and from the child.
        var bytes: [Int]
        var ends: [ConnectionEnd?]
    }

    /// Runs to the end.
    mutating func run() throws -> Result {
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
        return Result(
            outcomes: parent.application.outcomes.merging(child.application.outcomes, uniquingKeysWith: +),
            bytes: pipes.map(\.delivered),
            ends: [parent.application.end, child.application.end]
        )
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
            for end in [parent, child] where !end.isOver {
                try hold(end.application.machine.streams.isEmpty, "a call never ends: \(end.application.state)")
                try hold(end.application.machine.areAllSlotsFree, "a slot is never freed")
            }
            if first != 0 { parent.application.drain() }
            if first != 1 { child.application.drain() }
        }
    }
}
