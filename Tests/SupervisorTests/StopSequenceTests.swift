// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

private func moment(_ seconds: Double) -> ContinuousMoment {
    ContinuousMoment(nanoseconds: 1_000_000_000) + .seconds(seconds)
}

@Suite struct StopSequenceTests {
    typealias Step = (at: Double, event: StopSequence.Event, action: StopSequence.Action?, wake: Double?)

    private func play(_ steps: [Step], grace: Duration = .seconds(10)) {
        var sequence = StopSequence(grace: grace)
        for (index, step) in steps.enumerated() {
            let action = sequence.receive(step.event, at: moment(step.at))
            #expect(action == step.action, "step \(index)")
            #expect(sequence.nextWake == step.wake.map(moment), "step \(index)")
        }
    }

    @Test func aPoliteWorkerIsOnlyAsked() {
        play([
            (0, .stop, .drain, 10), (1, .connectionEnded, nil, 10), (1.5, .exited, nil, nil), (20, .wake, nil, nil),
        ])
    }

    @Test func aDeafWorkerIsAskedThenToldThenKilledAgainAndAgain() {
        play([
            (0, .stop, .drain, 10), (9.9, .wake, nil, 10), (10, .wake, .terminate, 20), (20, .wake, .kill, 20.25),
            (20.25, .wake, .kill, 20.75), (20.75, .wake, .kill, 21.75), (21.75, .wake, .kill, 23.75),
            (23.75, .wake, .reportUnkillable, 27.75), (27.75, .wake, .kill, 35.75), (35.75, .wake, .kill, 43.75),
            (50, .exited, nil, nil),
        ])
    }

    @Test func aWorkerThatClosesItsConnectionButLivesIsGivenGraceThenStopped() {
        play([(0, .connectionEnded, nil, 10), (10, .wake, .terminate, 20), (20, .wake, .kill, 20.25)])
    }

    @Test func stoppingAfterTheConnectionEndedSkipsTheQuestion() {
        play([(0, .connectionEnded, nil, 10), (3, .stop, .terminate, 13)])
    }

    @Test func askingTwiceDoesNotProlongTheGrace() {
        play([
            (0, .stop, .drain, 10), (5, .stop, nil, 10), (6, .connectionEnded, nil, 10),
            (7, .terminate, .terminate, 17),
        ])
    }

    @Test func killOvertakesEverything() {
        play([(0, .stop, .drain, 10), (1, .kill, .kill, 1.25), (1, .terminate, nil, 1.25), (1.1, .stop, nil, 1.25)])
    }

    @Test func withoutGraceEachStepFollowsAtOnce() {
        play([(0, .stop, .drain, 0), (0, .wake, .terminate, 0), (0, .wake, .kill, 0.25)], grace: .zero)
    }

    @Test(
        "Whatever happens in whatever order, the steps only get harder and time never runs backwards",
        arguments: 0..<200
    )
    func randomEvents(seed: UInt64) {
        var generator = SeededRandom(seed: seed)
        var sequence = StopSequence(grace: .seconds(5))
        var (now, hardest, hasEnded) = (moment(0), 0, false)
        var begun: ContinuousMoment?
        for _ in 0..<200 {
            let events: [StopSequence.Event] = [
                .stop, .terminate, .kill, .connectionEnded, .wake, .wake, .wake, .exited,
            ]
            var event = events[Int.random(in: 0..<events.count, using: &generator)]
            if event == .exited, Int.random(in: 0..<8, using: &generator) > 0 { event = .wake }
            if let next = sequence.nextWake {
                // Timers that are due fire before anything else is looked at.
                if next <= now { event = .wake }
                if event == .wake { now = max(now, next) }
            }
            let action = sequence.receive(event, at: now)
            if hasEnded { #expect(action == nil) }
            hasEnded = hasEnded || event == .exited
            let rank =
                switch action {
                case .drain: 1
                case .terminate: 2
                case .kill, .reportUnkillable: 3
                case nil: hardest
                }
            #expect(rank >= hardest)
            hardest = rank
            if sequence.isStopping { begun = begun ?? now }
            if let next = sequence.nextWake {
                // Every wake was answered: none may be left in the past. And no step waits longer than its grace.
                #expect(event != .wake || next > now)
                #expect(next <= now + max(.seconds(5), StopSequence.lastKillInterval))
            }
            if let begun, now - begun > .seconds(15) { #expect(hardest == 3 || hasEnded) }
            now = now + .milliseconds(Int.random(in: 0..<2000, using: &generator))
        }
    }
}

@Suite struct DeadlineClockTests {
    @Test func anOrdinaryDelayIsCounted() {
        var clock = DeadlineClock()
        clock.willWake(at: moment(5))
        #expect(clock.observe(moment(6)) == moment(6))
        #expect(clock.gap == .zero)
    }

    @Test func theTimeInWhichTheSupervisorWasStoppedIsNot() {
        var clock = DeadlineClock()
        let deadline = clock.observe(moment(0)) + .seconds(10)
        clock.willWake(at: moment(1))
        #expect(clock.observe(moment(61)) == moment(1))
        #expect(clock.real(deadline) == moment(70))
        clock.willWake(at: moment(62))
        #expect(clock.observe(moment(62)) == moment(2))
    }

    @Test func oneGapIsCountedOnceHoweverOftenTheClockIsRead() {
        var clock = DeadlineClock()
        clock.willWake(at: moment(1))
        #expect(clock.observe(moment(11)) == moment(1))
        #expect(clock.observe(moment(11)) == moment(1))
        #expect(clock.observe(moment(11.5)) == moment(1.5))
        #expect(clock.gap == .seconds(10))
    }

    @Test func withoutAPromiseThereIsNoGap() {
        var clock = DeadlineClock()
        #expect(clock.observe(moment(0)) == moment(0))
        #expect(clock.observe(moment(1000)) == moment(1000))
    }
}
