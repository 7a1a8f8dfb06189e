// SPDX-License-Identifier: Apache-2.0
internal import Supervisor

/// What a run of chaos does, call by call: the same for the same seed.
struct ChaosPlan {
    /// One call, and what is done to it.
    struct Call: Equatable {
        let number: Int
        var harm: ChaosHarm?
        var moment = ChaosMoment.before
        /// How long the worker works on it, and how long an outside harm waits; milliseconds.
        var work = 0
        var delay = 0
        /// Bytes of its body.
        var size = 0

        /// A body that no other call has, and that tells at which byte it was damaged.
        var body: [UInt8] {
            var state = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
            var bytes: [UInt8] = []
            bytes.reserveCapacity(size)
            for index in 0..<size {
                if index % 8 == 0 { state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407 }
                bytes.append(UInt8(truncatingIfNeeded: state >> UInt64(8 * (index % 8))))
            }
            return bytes
        }
    }

    private var random: SeededRandom
    private let rates: [(ChaosHarm, Double)]
    private var next = 0

    /// `rates` are parts of 1 of all calls.
    init(seed: UInt64, rates: [ChaosHarm: Double]) {
        random = SeededRandom(seed: seed)
        self.rates = ChaosHarm.allCases.compactMap { harm in rates[harm].map { (harm, $0) } }
    }

    /// The next call.
    mutating func nextCall() -> Call {
        next += 1
        var call = Call(number: next)
        // The same number of draws for every call, so that a rate changes nothing but what it is for.
        var lot = Double.random(in: 0..<1, using: &random)
        call.moment = ChaosMoment.allCases.randomElement(using: &random) ?? .before
        call.work = Int.random(in: 0...5, using: &random)
        call.delay = Int.random(in: 0...20, using: &random)
        let kind = Int.random(in: 0..<100, using: &random)
        let part = Double.random(in: 0..<1, using: &random)
        let largest = kind < 60 ? 1_000 : kind < 90 ? 100_000 : kind < 99 ? 1_000_000 : 4_000_000
        call.size = Int(part * Double(largest))
        for (harm, rate) in rates {
            if lot < rate {
                call.harm = harm
                break
            }
            lot -= rate
        }
        return call
    }
}
