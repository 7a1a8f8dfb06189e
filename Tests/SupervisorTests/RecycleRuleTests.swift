// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite("When a worker is replaced")
struct RecycleRuleTests {
    @Test("Each worker's figures are moved by up to the jitter, and not all alike")
    func jitter() {
        var policy = RecyclePolicy()
        policy.calls = 1_000
        policy.age = .seconds(100)
        policy.residentSize = 1_000_000
        var random = SeededRandom(seed: 1)
        let rules = (0..<200).map { _ in RecycleRule(policy: policy, using: &random) }
        #expect(rules.allSatisfy { 900...1_100 ~= $0.calls ?? 0 })
        #expect(rules.allSatisfy { .seconds(90)...Duration.seconds(110) ~= $0.age ?? .zero })
        #expect(rules.allSatisfy { 900_000...1_100_000 ~= $0.residentSize ?? 0 })
        #expect(Set(rules.compactMap(\.calls)).count > 50)
    }

    @Test("Without jitter they are the policy's, and nil stays nil")
    func exact() {
        var policy = RecyclePolicy()
        policy.jitter = 0
        policy.calls = 1
        var random = SeededRandom(seed: 1)
        let rule = RecycleRule(policy: policy, using: &random)
        #expect(rule.calls == 1)
        #expect(rule.age == nil)
        #expect(rule.residentSize == nil)
        policy.calls = .max
        policy.residentSize = .max
        _ = RecycleRule(policy: policy, using: &random)
    }
}
