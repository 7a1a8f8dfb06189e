// SPDX-License-Identifier: Apache-2.0
import Supervisor
import Testing

@testable import ipc_parent

@Suite("Chaos, as it is run", .timeLimit(.minutes(5)))
struct ChaosCommandTests {
    private static let worker = "--worker \(FailureMatrix.support)/worker.py --retries 1"

    @Test(
        "Nothing is lost, doubled, hung or left",
        arguments: [
            (300, ""), (300, "--retries 2 --workers 8"), (100, worker), (100, "--kill-supervisor 3"),
        ]
    )
    func run(calls: Int, options: String) async throws {
        let result = try await CommandLine().sh("$P chaos --quiet --calls \(calls) --seed 7 \(options)")
        #expect(result.code == 0, "\(result)")
        let last = result.output.split(separator: "\n").last ?? ""
        let account = try #require(
            last.wholeMatch(
                of: #/chaos seed 7 calls (\d+) ok (\d+) failed-with-reason (\d+) lost 0 doubled 0 hung 0 left 0/#
            ),
            "\(result)"
        )
        #expect(Int(account.1) == calls)
        #expect((Int(account.2) ?? 0) + (Int(account.3) ?? 0) == calls)
        #expect(account.2 != "0")
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ("--calls 0", "--calls takes a number"), ("--workers 257", "--workers takes a number"),
            ("--retries -1", ""), ("--kill-supervisor 10001", "--kill-supervisor takes a number"),
            ("--kill 101%", "write 5% or 0.05"), ("--stop nonsense", "write 5% or 0.05"),
            ("--kill 60% --stop 60%", "more than 100%"),
            ("--oom 1% --worker /bin/cat", "--oom needs the built-in worker"),
            ("--no-such-option", ""),
        ]
    )
    func refusals(options: String, words: String) async throws {
        let result = try await CommandLine().sh("$P chaos \(options)")
        #expect(result.code == 64, "\(result)")
        #expect(result.output == "")
        #expect(words.isEmpty || result.errors.contains(words), "\(result)")
    }
}

@Suite struct ChaosPlanTests {
    private func calls(_ plan: ChaosPlan, _ count: Int = 1_000) -> [ChaosPlan.Call] {
        var plan = plan
        return (0..<count).map { _ in plan.nextCall() }
    }

    @Test func theSamePlanComesFromTheSameSeed() {
        let rates: [ChaosHarm: Double] = [.kill: 0.1, .exit: 0.1]
        #expect(calls(ChaosPlan(seed: 7, rates: rates)) == calls(ChaosPlan(seed: 7, rates: rates)))
        #expect(calls(ChaosPlan(seed: 7, rates: rates)) != calls(ChaosPlan(seed: 8, rates: rates)))
    }

    @Test func aRateChangesNothingButItsHarm() {
        let with = calls(ChaosPlan(seed: 7, rates: [.kill: 0.5]))
        let without = calls(ChaosPlan(seed: 7, rates: [:]))
        #expect(without.allSatisfy { $0.harm == nil })
        #expect(with.map(\.size) == without.map(\.size))
        #expect(with.map(\.moment) == without.map(\.moment))
        #expect(with.map { [$0.work, $0.delay, $0.number] } == without.map { [$0.work, $0.delay, $0.number] })
    }

    @Test func harmsAreAsFrequentAsTheirRates() {
        let plan = calls(ChaosPlan(seed: 1, rates: [.kill: 0.2, .fail: 0.3]), 10_000)
        #expect((1_850...2_150).contains(plan.count { $0.harm == .kill }))
        #expect((2_850...3_150).contains(plan.count { $0.harm == .fail }))
        #expect(plan.allSatisfy { [nil, .kill, .fail].contains($0.harm) })
        #expect(Set(plan.map(\.moment)) == Set(ChaosMoment.allCases))
    }

    @Test func allOfARateOfOneAreHarmed() {
        #expect(calls(ChaosPlan(seed: 3, rates: [.late: 1])).allSatisfy { $0.harm == .late })
    }

    @Test func bodiesAreTheirOwn() {
        let plan = calls(ChaosPlan(seed: 7, rates: [:]), 100).filter { $0.size >= 8 }
        for call in plan { #expect(call.body.count == call.size && call.body == call.body) }
        #expect(Set(plan.map { Array($0.body.prefix(8)) }).count == plan.count)
    }
}

@Suite struct ChaosRateTests {
    @Test(arguments: [("5%", 0.05), ("0.05", 0.05), ("0", 0), ("0%", 0), ("100%", 1), ("1", 1), ("1e-3", 0.001)])
    func aRateIsAPartOfAllCalls(text: String, part: Double) throws {
        #expect(abs(try Rate(parsing: text).part - part) < 1e-12)
    }

    @Test(arguments: ["", "%", "5 %", "-1", "-1%", "1.1", "101%", "5%%", "nan", "inf", "-inf%", "five", "0,05"])
    func anythingElseIsRefused(text: String) {
        #expect(throws: ValueError.self) { try Rate(parsing: text) }
    }
}
