// SPDX-License-Identifier: Apache-2.0

/// When one worker is to be replaced: the policy's figures, moved at random for this worker.
struct RecycleRule: Sendable, Equatable {
    let calls: Int?
    let age: Duration?
    let residentSize: UInt64?

    /// Draws a worker's own figures.
    init(policy: RecyclePolicy, using random: inout SeededRandom) {
        let jitter = min(max(policy.jitter, 0), 1)
        calls = policy.calls.map { max(1, Int(Self.move(Double($0), by: jitter, using: &random).rounded())) }
        age = policy.age.map { .seconds(Self.move($0 / .seconds(1), by: jitter, using: &random)) }
        residentSize = policy.residentSize.map { UInt64(Self.move(Double($0), by: jitter, using: &random)) }
    }

    private static func move(_ figure: Double, by jitter: Double, using random: inout SeededRandom) -> Double {
        let moved = figure * (1 + Double.random(in: -jitter...jitter, using: &random))
        // Within what the integers hold; nobody lives to see such a figure reached.
        return min(max(moved, 0), 1e18)
    }
}
