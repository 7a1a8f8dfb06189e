// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

/// A world in which workers, calls, users and clocks behave as badly as they may.
struct JobRunWorld {
    typealias Event = JobRunMachine.Event

    var random: SeededRandom
    var machine: JobRunMachine
    var now = ContinuousMoment(nanoseconds: 5_000_000_000)
    var pending: [(at: ContinuousMoment, worker: Int?, event: Event)] = []

    // What has happened, for the rules.
    var spawns = 0
    var workerLives = false
    var callOpen = false
    var wasFinal = false
    var resultLeft = false
    var completed = false
    var placed = false
    var verdicts: [JobVerdict] = []
    var commitUnknown = false
    var brokenRules: [String] = []

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        var policy = JobRunMachine.Policy()
        policy.timeout = Bool.random(using: &random) ? .seconds(Int.random(in: 1...100, using: &random)) : nil
        policy.stallTimeout = Bool.random(using: &random) ? .seconds(Int.random(in: 1...20, using: &random)) : nil
        policy.grace = .seconds(Int.random(in: 0...10, using: &random))
        policy.retries = Int.random(in: 0...3, using: &random)
        machine = JobRunMachine(policy: policy)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    mutating func plan(_ event: Event, within seconds: Int, ofWorker: Bool = true) {
        let delay = Duration.milliseconds(Int.random(in: 0...seconds * 1_000, using: &random))
        pending.append((now + delay, ofWorker ? spawns : nil, event))
    }

    mutating func run() {
        // In the end somebody loses patience: a worker that does nothing for ever is a case, not an endless test.
        pending.append((now + .seconds(400), nil, .cancel(.signal(2), force: false)))
        pending.append((now + .seconds(600), nil, .cancel(.signal(2), force: true)))
        if chance(20) { plan(.cancel(.signal(15), force: chance(30)), within: 60, ofWorker: false) }
        if chance(10) { plan(.inputFailed("input"), within: 60, ofWorker: false) }
        if chance(10) { plan(chance(50) ? .outputFailed("output") : .resultReaderGone, within: 60, ofWorker: false) }
        deliver(.start)
        for _ in 0..<10_000 where !machine.isFinished {
            let next = pending.indices.min { pending[$0].at < pending[$1].at }
            if let wake = machine.nextWake, next.map({ wake <= pending[$0].at }) ?? true {
                now = max(now, wake)
                if chance(2) { now = now + .seconds(Int.random(in: 2...100, using: &random)) }
                deliver(.wake)
            } else if let next {
                let (at, worker, event) = pending.remove(at: next)
                now = max(now, at)
                if worker == nil || worker == spawns { deliver(event) }
            } else {
                brokenRules.append("nothing is awaited, and the run has not ended")
                return
            }
        }
    }

    mutating func deliver(_ event: Event) {
        switch event {
        case .progress(isFinal: true): wasFinal = true
        case .resultLeft: resultLeft = true
        case .completed, .callEnded:
            guard callOpen else { return }
            callOpen = false
            if case .completed = event { completed = true }
        case .activity, .progress: guard callOpen else { return }
        case .workerGone, .startFailed:
            guard workerLives else { return }
            workerLives = false
        case .ready: guard workerLives else { return }
        case .resultPlaced: placed = true
        default: break
        }
        for action in machine.handle(event, now: now) { obey(action) }
    }

    mutating func check(_ rule: Bool, _ text: String) {
        if !rule { brokenRules.append(text) }
    }

    mutating func obey(_ action: JobRunMachine.Action) {
        check(verdicts.isEmpty, "\(action) after the end")
        switch action {
        case .spawn(let attempt):
            spawns += 1
            check(attempt == spawns, "attempts are counted")
            check(!workerLives, "one worker at a time")
            check(!wasFinal && !resultLeft, "no retry after the point of no return")
            check(spawns <= machine.policy.retries + 1, "no more retries than asked for")
            workerLives = true
            callOpen = true
            planWorker()
        case .openCall: planCall()
        case .cancelCall:
            if chance(60) { plan(.callEnded(.cancelled), within: 15) }
        case .hangUp:
            plan(.callEnded(.connectionLost), within: 1)
        case .placeResult:
            check(completed, "only a whole result is placed")
            plan(chance(90) ? .resultPlaced : .resultNotPlaced("full"), within: 1)
        case .discardResult: check(!placed, "a placed result stays")
        case .stopWorker, .terminateWorker: plan(.workerGone(chance(80) ? .exited(code: 0) : .stopped), within: 20)
        case .killWorker: plan(.workerGone(.stopped), within: 1)
        case .tell: break
        case .finish(let verdict, let unknown):
            verdicts.append(verdict)
            commitUnknown = unknown
        }
    }

    mutating func planWorker() {
        if chance(5) { return plan(.startFailed(.notFound("worker")), within: 1) }
        if chance(80) { plan(.ready, within: 12) }
        if chance(30) { plan(.workerGone(randomEnd()), within: 100) }
    }

    mutating func planCall() {
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            plan(chance(50) ? .activity : .progress(isFinal: chance(5)), within: 60)
        }
        if chance(20) { plan(.resultLeft, within: 60) }
        if chance(60) { plan(.completed(exitCode: chance(80) ? 0 : 3), within: 80) }
        if chance(30) { plan(.callEnded(randomCallEnd()), within: 80) }
    }

    mutating func randomEnd() -> JobRunMachine.WorkerEnd {
        [
            .exited(code: 0), .exited(code: 9), .killed(signal: 11, dumpedCore: true), .outOfMemory(evidence: "7"),
            .outOfCPUTime(evidence: "7"),
            .timedOut(.heartbeat), .protocolViolation(code: "x", text: ""), .unknown("lost"),
        ].randomElement(using: &random) ?? .stopped
    }

    mutating func randomCallEnd() -> JobRunMachine.CallEnd {
        [
            .failed(JobFailure(code: "badData", text: "")),
            .failed(JobFailure(code: "unavailable", text: "", isRetryable: true)),
            .connectionLost, .protocolViolation(code: "x", text: ""), .rejected("old"),
        ].randomElement(using: &random) ?? .cancelled
    }
}

@Suite("The life of a job, simulated")
struct JobRunSimulationTests {
    @Test("Whatever happens, a run keeps its rules and ends once", arguments: 0..<20)
    func rules(block: UInt64) {
        for seed in block * 100..<(block + 1) * 100 {
            var world = JobRunWorld(seed: seed)
            world.run()
            #expect(world.brokenRules == [], "seed \(seed)")
            #expect(world.verdicts.count == 1, "seed \(seed)")
            #expect(!world.workerLives, "seed \(seed): the worker outlives the run")
            #expect((world.verdicts.first == .succeeded) == world.placed, "seed \(seed)")
            if world.commitUnknown { #expect(world.wasFinal && !world.placed, "seed \(seed)") }
            if world.wasFinal, !world.completed, world.verdicts.first?.outcome != .failed {
                #expect(world.commitUnknown, "seed \(seed)")
            }
        }
    }

    @Test("The simulation reaches every kind of end")
    func reach() {
        var reached: Set<JobVerdict.Outcome> = []
        var unknownCommits = 0
        var retries = 0
        for seed in 0..<3_000 {
            var world = JobRunWorld(seed: UInt64(seed))
            world.run()
            reached.formUnion(world.verdicts.map(\.outcome))
            unknownCommits += world.commitUnknown ? 1 : 0
            retries += world.spawns - 1
        }
        #expect(reached == Set(JobVerdict.Outcome.allCases))
        #expect(unknownCommits > 10)
        #expect(retries > 100)
    }
}
