// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

/// A machine with a clock that stands where the test puts it.
struct RunAtBench {
    var machine: JobRunMachine
    var clock = ContinuousMoment(nanoseconds: 1_000_000_000_000)

    init(_ change: (inout JobRunMachine.Policy) -> Void = { _ in }) {
        var policy = JobRunMachine.Policy()
        change(&policy)
        machine = JobRunMachine(policy: policy)
    }

    @discardableResult
    mutating func send(_ event: JobRunMachine.Event) -> [JobRunMachine.Action] {
        machine.handle(event, now: clock)
    }

    /// Lets time pass, waking the machine whenever it asks for it.
    mutating func pass(_ duration: Duration) -> [JobRunMachine.Action] {
        let end = clock + duration
        var actions: [JobRunMachine.Action] = []
        while let wake = machine.nextWake, wake <= end {
            clock = wake
            actions += machine.handle(.wake, now: clock)
        }
        clock = end
        return actions
    }

    mutating func reachCall() {
        send(.start)
        send(.ready)
    }
}

@Suite("The life of a job")
struct JobRunMachineTests {
    static let crash = JobRunMachine.WorkerEnd.killed(signal: 11, dumpedCore: false)
    static let crashed = JobVerdict.workerKilled(signal: 11, dumpedCore: false)

    @Test("A job that goes well is spawned, called, placed, and its worker let go")
    func success() {
        var run = RunAtBench()
        #expect(run.send(.start) == [.spawn(attempt: 1)])
        #expect(run.send(.ready) == [.openCall])
        #expect(run.send(.progress(isFinal: true)) == [])
        #expect(run.send(.completed(exitCode: 0)) == [.placeResult])
        #expect(run.send(.resultPlaced) == [.stopWorker])
        #expect(run.send(.workerGone(.exited(code: 0))) == [.finish(.succeeded, commitUnknown: false)])
        #expect(run.machine.isFinished)
        #expect(run.machine.nextWake == nil)
    }

    @Test("A job that ends with a code of its own leaves no result")
    func ownExitCode() {
        var run = RunAtBench()
        run.reachCall()
        let failure = JobFailure(code: "exitCode", exitCode: 3, text: "the job ended with code 3")
        #expect(run.send(.completed(exitCode: 3)) == [.stopWorker])
        #expect(
            run.send(.workerGone(.exited(code: 0)))
                == [.discardResult, .finish(.failed(failure), commitUnknown: false)]
        )
    }

    @Test("A code of its own comes with the job's own reason")
    func ownReason() {
        var run = RunAtBench()
        run.reachCall()
        let failure = JobFailure(code: "exitCode", exitCode: 3, text: "'sort' exited with 3")
        #expect(run.send(.completed(exitCode: 3, reason: "'sort' exited with 3")) == [.stopWorker])
        #expect(
            run.send(.workerGone(.exited(code: 0)))
                == [.discardResult, .finish(.failed(failure), commitUnknown: false)]
        )
    }

    @Test("A dead worker is told by its own end, once all that it sent has been heard")
    func death() {
        var run = RunAtBench()
        run.reachCall()
        #expect(run.send(.workerGone(Self.crash)) == [.hangUp])
        #expect(
            run.send(.callEnded(.connectionLost)) == [.discardResult, .finish(Self.crashed, commitUnknown: false)]
        )
    }

    @Test("A worker that said why before it died is believed")
    func lastWord() {
        var run = RunAtBench()
        run.reachCall()
        let failure = JobFailure(code: "badData", exitCode: 65, text: "line 7: 3 fields, expected 9")
        #expect(run.send(.workerGone(.exited(code: 1))) == [.hangUp])
        #expect(
            run.send(.callEnded(.failed(failure)))
                == [.discardResult, .finish(.failed(failure), commitUnknown: false)]
        )
    }

    @Test("A worker that delivered everything and then crashed has done the job, and the crash is told")
    func crashAfterSuccess() {
        var run = RunAtBench()
        run.reachCall()
        #expect(run.send(.completed(exitCode: 0)) == [.placeResult])
        #expect(run.send(.resultPlaced) == [.stopWorker])
        #expect(
            run.send(.workerGone(Self.crash))
                == [.tell(.workerEndedBadly(Self.crashed)), .finish(.succeeded, commitUnknown: false)]
        )
    }

    @Test("A worker that closes its connection and lives on is ended, if nobody else does it")
    func hangUp() {
        var run = RunAtBench { $0.grace = .seconds(3) }
        run.reachCall()
        #expect(run.send(.callEnded(.connectionLost)) == [])
        #expect(run.pass(.milliseconds(13_999)) == [])
        #expect(run.pass(.milliseconds(1)) == [.tell(.terminating), .terminateWorker])
        let actions = run.send(.workerGone(.killed(signal: 9, dumpedCore: false)))
        let text = "the worker closed its connection but went on running"
        #expect(
            actions == [
                .discardResult,
                .finish(.protocolViolation(code: "connectionClosed", text: text), commitUnknown: false),
            ]
        )
    }

    @Test("A worker that is not ready in time is ended")
    func startTimeout() {
        var run = RunAtBench { $0.startTimeout = .seconds(10) }
        run.send(.start)
        #expect(run.pass(.seconds(9)) == [])
        #expect(run.pass(.seconds(1)) == [.terminateWorker])
        #expect(
            run.send(.workerGone(.stopped)) == [.discardResult, .finish(.timedOut(.start), commitUnknown: false)]
        )
    }

    @Test("A job that takes too long is cancelled, and its worker ended when it does not listen")
    func totalTimeout() {
        var run = RunAtBench {
            $0.timeout = .seconds(60)
            $0.grace = .seconds(5)
        }
        run.reachCall()
        #expect(run.pass(.seconds(59)) == [])
        #expect(
            run.pass(.seconds(1)) == [.tell(.cancelling(.timedOut(.total), grace: .seconds(5))), .cancelCall]
        )
        #expect(run.pass(.seconds(5)) == [.tell(.terminating), .terminateWorker])
        #expect(
            run.send(.workerGone(.stopped)) == [.discardResult, .finish(.timedOut(.total), commitUnknown: false)]
        )
    }

    @Test("Bytes and progress put a stall off; silence brings it")
    func stall() {
        var run = RunAtBench { $0.stallTimeout = .seconds(10) }
        run.reachCall()
        for event in [JobRunMachine.Event.activity, .progress(isFinal: false), .activity] {
            #expect(run.pass(.seconds(9)) == [])
            run.send(event)
        }
        #expect(run.pass(.seconds(10)) == [.tell(.cancelling(.stalled, grace: .seconds(10))), .cancelCall])
        #expect(run.send(.callEnded(.cancelled)) == [.stopWorker])
        #expect(run.send(.workerGone(.stopped)).last == .finish(.stalled, commitUnknown: false))
    }

    @Test("Time in which we stood still ourselves counts against no deadline")
    func gap() {
        var run = RunAtBench { $0.timeout = .seconds(60) }
        run.reachCall()
        #expect(run.pass(.seconds(30)) == [])
        run.clock = run.clock + .seconds(3_600)
        #expect(run.send(.wake) == [])
        #expect(run.pass(.seconds(28)) == [])
        #expect(run.pass(.seconds(2)).contains(.cancelCall))
    }

    @Test("Ctrl-C cancels the call; a second one kills the worker")
    func interrupts() {
        var run = RunAtBench()
        run.reachCall()
        let verdict = JobVerdict.cancelled(.signal(2))
        #expect(
            run.send(.cancel(.signal(2), force: false))
                == [.tell(.cancelling(verdict, grace: .seconds(10))), .cancelCall]
        )
        #expect(run.send(.cancel(.signal(2), force: true)) == [.killWorker])
        #expect(run.send(.workerGone(.stopped)) == [.discardResult, .finish(verdict, commitUnknown: false)])
    }

    @Test("A cancellation before the worker is ready ends it at once: nothing is lost")
    func earlyCancel() {
        var run = RunAtBench()
        run.send(.start)
        #expect(run.send(.cancel(.signal(15), force: false)) == [.terminateWorker])
        #expect(run.send(.startFailed(.notFound("no such program"))).last.map(Self.verdict) == .cancelled(.signal(15)))
    }

    @Test("A job that is committing is left to end, and may still succeed")
    func cancelAfterFinal() {
        var run = RunAtBench()
        run.reachCall()
        run.send(.progress(isFinal: true))
        let verdict = JobVerdict.cancelled(.signal(2))
        #expect(
            run.send(.cancel(.signal(2), force: false)) == [.tell(.tooLateToCancel(verdict, grace: .seconds(10)))]
        )
        #expect(run.send(.completed(exitCode: 0)) == [.placeResult])
    }

    @Test("A worker lost between its commit and its last word leaves the commit unknown, and is not tried again")
    func commitUnknown() {
        var run = RunAtBench { $0.retries = 5 }
        run.reachCall()
        run.send(.progress(isFinal: true))
        run.send(.workerGone(Self.crash))
        #expect(
            run.send(.callEnded(.connectionLost)) == [.discardResult, .finish(Self.crashed, commitUnknown: true)]
        )
    }

    @Test("A failure that the worker itself tells after its commit began is known")
    func failedCommit() {
        var run = RunAtBench()
        run.reachCall()
        run.send(.progress(isFinal: true))
        let failure = JobFailure(code: "unavailable", exitCode: 75, text: "disk full", isRetryable: true)
        run.send(.callEnded(.failed(failure)))
        #expect(
            run.send(.workerGone(.exited(code: 0))).last == .finish(.failed(failure), commitUnknown: false)
        )
    }

    @Test("Retries wait longer each time, start from the beginning, and end")
    func retries() {
        var run = RunAtBench { $0.retries = 2 }
        run.send(.start)
        for attempt in 1...2 {
            run.send(.ready)
            run.send(.workerGone(Self.crash))
            let delay = Duration.milliseconds(500) * attempt
            #expect(
                run.send(.callEnded(.connectionLost))
                    == [.discardResult, .tell(.retrying(Self.crashed, attempt: attempt + 1, of: 3, delay: delay))]
            )
            #expect(run.pass(delay - .milliseconds(1)) == [])
            #expect(run.pass(.milliseconds(1)) == [.spawn(attempt: attempt + 1)])
        }
        run.send(.ready)
        run.send(.workerGone(Self.crash))
        #expect(run.send(.callEnded(.connectionLost)).last == .finish(Self.crashed, commitUnknown: false))
    }

    static let hopeless: [(JobRunMachine.Event, JobRunMachine.Event)] = [
        (.activity, .callEnded(.failed(JobFailure(code: "badData", text: "")))),
        (.activity, .callEnded(.protocolViolation(code: "malformedFrame", text: ""))),
        (.activity, .callEnded(.rejected("version 9"))),
        (.activity, .inputFailed("input: Input/output error")),
        (.activity, .outputFailed("result: No space left on device")),
        (.activity, .cancel(.signal(2), force: false)),
        (.resultLeft, .callEnded(.connectionLost)),
        (.progress(isFinal: true), .callEnded(.connectionLost)),
    ]

    @Test("Nothing is tried again that would fail again, or that has left a trace", arguments: hopeless)
    func noRetry(before: JobRunMachine.Event, event: JobRunMachine.Event) {
        var run = RunAtBench { $0.retries = 3 }
        run.reachCall()
        run.send(before)
        run.send(event)
        run.send(.callEnded(.cancelled))
        run.send(.workerGone(Self.crash))
        #expect(run.machine.isFinished)
    }

    @Test("A worker that was rejected reads why and exits by itself, or is made to after its grace")
    func rejected() {
        var run = RunAtBench { $0.grace = .seconds(3) }
        run.send(.start)
        #expect(run.send(.callEnded(.rejected("version 9"))) == [])
        #expect(run.pass(.seconds(3)) == [.tell(.terminating), .terminateWorker])
        let verdict = JobVerdict.protocolViolation(code: "rejected", text: "version 9")
        #expect(run.send(.workerGone(.stopped)).last == .finish(verdict, commitUnknown: false))
    }

    @Test("A cancellation while a retry is awaited ends the run")
    func cancelBetweenAttempts() {
        var run = RunAtBench { $0.retries = 1 }
        run.reachCall()
        run.send(.workerGone(Self.crash))
        run.send(.callEnded(.connectionLost))
        #expect(run.send(.cancel(.signal(2), force: false)).last.map(Self.verdict) == .cancelled(.signal(2)))
    }

    @Test("A worker that cannot be started is not tried again")
    func notStarted() {
        var run = RunAtBench { $0.retries = 3 }
        run.send(.start)
        let failure = JobStartFailure.notFound("nowhere: not found")
        #expect(
            run.send(.startFailed(failure)) == [.discardResult, .finish(.notStarted(failure), commitUnknown: false)]
        )
    }

    private static func verdict(_ action: JobRunMachine.Action) -> JobVerdict? {
        if case .finish(let verdict, _) = action { verdict } else { nil }
    }
}
