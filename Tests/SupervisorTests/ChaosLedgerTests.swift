// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor
@testable import ipc_parent

@Suite struct ChaosLedgerTests {
    private func call(_ number: Int = 1, _ harm: ChaosHarm? = nil, size: Int = 10) -> ChaosPlan.Call {
        var call = ChaosPlan.Call(number: number)
        call.harm = harm
        call.size = size
        return call
    }

    private static let remote = CallError.failed(RemoteError(code: .failed, reason: "told to"))

    @Test func theRightAnswerSucceeds() {
        let call = call()
        #expect(ChaosLedger.judge(call, .answer(call.body)) == .succeeded)
    }

    @Test func anotherAnswerIsWrong() {
        var body = call().body
        body[9] ^= 1
        for answer in [body, Array(body.prefix(9)), body + [0], []] {
            guard case .wrong(let what) = ChaosLedger.judge(call(), .answer(answer)) else {
                Issue.record("\(answer.count) bytes were taken for the answer")
                continue
            }
            #expect(what == "the answer is not what was sent: \(answer.count) bytes")
        }
    }

    @Test(arguments: ChaosHarm.allCases) func onlyWhatMaySucceedMay(harm: ChaosHarm) {
        let call = call(1, harm)
        let spared: Set<ChaosHarm> = [.kill, .stop, .cancel, .flood, .late]
        let expected: ChaosLedger.Judgement =
            spared.contains(harm) ? .succeeded : .wrong("it succeeded in spite of its harm")
        #expect(ChaosLedger.judge(call, .answer(call.body)) == expected)
    }

    @Test(arguments: [
        (PoolError.quarantined(PoolRig.crashed), "worker was ended by SIGSEGV"), (.quarantined(nil), "quarantined"),
        (.timedOut(whileRunning: true), "timed out"), (.timedOut(whileRunning: false), "timed out before it began"),
        (.stalled(nil), "stalled"), (.cancelled, "cancelled"), (.queueFull, "queue full"),
        (.breakerOpen(retryAfter: .seconds(1), lastEnd: nil), "breaker open"),
        (.notStarted(PoolRig.spawnError(.system)), "worker not started"),
    ])
    func aReasonOfTheSupervisorsExplains(error: PoolError, words: String) {
        #expect(ChaosLedger.judge(call(1, .kill), .failure(error)) == .explained(words))
    }

    @Test(arguments: [
        (ExitReason.exited(code: 41), ChaosHarm.exit, "worker exited with status 41"),
        (.outOfMemory(.residentSize(7, limit: 5)), .oom, "worker ran out of memory"),
        (.protocolViolation("garbage"), .garbage, "worker broke the protocol"),
        (.signalled(signal: 11, dumpedCore: false), .crash, "worker was ended by SIGSEGV"),
    ])
    func anEndExplainsTheHarmThatShowsSo(reason: ExitReason, harm: ChaosHarm, words: String) {
        let error = PoolError.workerLost(PoolRig.exit(reason))
        #expect(ChaosLedger.judge(call(1, harm), .failure(error)) == .explained(words))
        guard case .wrong = ChaosLedger.judge(call(1, .flood), .failure(error)) else {
            Issue.record("a reason that does not fit the harm is wrong")
            return
        }
    }

    /// What may come from outside, or from the call before, may strike any call.
    @Test func aStrayHarmExplainsAnyCall() {
        for reason in [ExitReason.signalled(signal: 9, dumpedCore: false), .stalled(.heartbeat), .exited(code: 42)] {
            let error = PoolError.workerLost(PoolRig.exit(reason))
            guard case .explained = ChaosLedger.judge(call(1, nil), .failure(error)) else {
                Issue.record("\(reason) may strike any call")
                return
            }
        }
    }

    @Test func noReasonIsNone() {
        let unknown = PoolError.workerLost(PoolRig.exit(.unknown("somebody took its status")))
        let errors: [any Error] = [unknown, PoolError.stopped, Self.remote, CallError.cancelled, Oddity()]
        for error in errors {
            guard case .wrong = ChaosLedger.judge(call(1, .kill), .failure(error)) else {
                Issue.record("\(error) was taken for a reason")
                continue
            }
        }
    }

    @Test func aFailureThatWasOrderedIsTheReason() {
        #expect(ChaosLedger.judge(call(1, .fail), .failure(Self.remote)) == .explained("failed: told to"))
    }

    @Test func eachCallIsCountedOnce() {
        var ledger = ChaosLedger()
        let calls = [call(1), call(2, .kill), call(3), call(4)]
        for call in calls { ledger.began(call) }
        #expect(ledger.hung == 4)
        ledger.ended(calls[0], .answer(calls[0].body))
        ledger.ended(calls[1], .failure(PoolError.cancelled))
        ledger.ended(calls[2], .answer([1]))
        #expect((ledger.succeeded, ledger.explained, ledger.lost, ledger.hung, ledger.doubled) == (1, 1, 1, 1, 0))
        #expect(ledger.reasons == ["cancelled": 1])
        #expect(ledger.findings == ["call 3 (harm: none while before): the answer is not what was sent: 1 bytes"])
        ledger.ended(calls[0], .answer(calls[0].body))
        #expect((ledger.succeeded, ledger.doubled) == (1, 1))
        #expect(ledger.findings.last == "call 1 came back twice")
    }

    @Test func aCallThatThePoolEndsTwiceIsFound() {
        var ledger = ChaosLedger()
        func end(_ call: UInt64) -> PoolEvent {
            .callEnded(call: call, .succeeded, attempts: 1, waited: .zero, ran: .zero)
        }
        ledger.heard(end(1))
        ledger.heard(end(2))
        ledger.heard(.draining)
        #expect(ledger.doubled == 0)
        ledger.heard(end(1))
        #expect(ledger.doubled == 1)
        #expect(ledger.findings == ["the pool ended its call 1 twice"])
    }

    @Test func findingsAreBounded() {
        var ledger = ChaosLedger()
        for number in 0..<200 { ledger.find("\(number)") }
        #expect(ledger.findings.count == 50)
    }
}

private struct Oddity: Error {}
