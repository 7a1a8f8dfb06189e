// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

@Suite("A pool, simulated")
struct PoolSimulationTests {
    @Test("Whatever happens, a pool keeps its rules and every call ends once", arguments: 0..<10)
    func rules(block: UInt64) {
        for seed in block * 200..<(block + 1) * 200 {
            var simulation = PoolSimulation(seed: seed)
            simulation.run()
            #expect(simulation.brokenRules == [], "seed \(seed)")
        }
    }

    @Test("A seed fixes the whole course")
    func repeatable() {
        for seed in UInt64(0)..<20 {
            var (first, second) = (PoolSimulation(seed: seed), PoolSimulation(seed: seed))
            first.run()
            second.run()
            #expect(first.log == second.log, "seed \(seed)")
        }
    }

    @Test("The simulation reaches every kind of end and every event")
    func reach() {
        var ends: [PoolCallEnd: Int] = [:]
        var told: Set<String> = []
        for seed in UInt64(0)..<200 {
            var simulation = PoolSimulation(seed: seed)
            simulation.run()
            for call in simulation.calls.values {
                if let end = call.verdict?.end { ends[end, default: 0] += 1 }
            }
            for case .tell(let event) in simulation.log { told.insert(PoolSimulationTests.name(of: event)) }
        }
        #expect(ends.count == 11, "\(ends)")
        #expect(told.count == 16, "\(told)")
    }

    /// The case, without its figures.
    private static func name(of event: PoolEvent) -> String {
        String("\(event)".prefix { $0 != "(" })
    }
}
