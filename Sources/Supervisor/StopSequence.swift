// SPDX-License-Identifier: Apache-2.0
package import IPCFrame

/// Decides how a worker is brought to its end: asked, told, killed.
///
///     running --stop--> draining --grace--> terminating --grace--> killing --exited--> ended
///         \--connectionEnded--> leaving --grace--^
///
/// Knows nothing of processes or clocks: events and the time go in, actions come out.
package struct StopSequence: Equatable, Sendable {
    /// What happened.
    package enum Event: Equatable, Sendable {
        /// The worker is no longer wanted; it may finish what it does.
        case stop
        /// It must go, without being asked over its connection first.
        case terminate
        /// It must go now.
        case kill
        /// Its connection ended, yet the process lives.
        case connectionEnded
        /// The process has ended.
        case exited
        /// ``nextWake`` was reached.
        case wake
    }

    /// What must be done.
    package enum Action: Equatable, Sendable {
        /// Send DRAIN.
        case drain
        /// Send SIGTERM to the group.
        case terminate
        /// Send SIGKILL to the group.
        case kill
        /// Say that SIGKILL has been without effect for long: the process hangs in the kernel.
        case reportUnkillable
    }

    private enum State: Equatable, Sendable {
        case running
        case draining(until: ContinuousMoment)
        case leaving(until: ContinuousMoment)
        case terminating(until: ContinuousMoment)
        case killing(next: ContinuousMoment, interval: Duration, count: Int)
        case ended
    }

    /// The first pause between two SIGKILLs; it doubles each time.
    package static let firstKillInterval = Duration.milliseconds(250)
    /// The longest pause.
    package static let lastKillInterval = Duration.seconds(8)
    /// The SIGKILL that is reported as being without effect; about four seconds after the first.
    package static let unkillableCount = 5

    private let grace: Duration
    private var state = State.running

    /// A worker that runs; `grace` is what each polite step waits.
    package init(grace: Duration) {
        precondition(grace >= .zero, "a grace period is not negative")
        self.grace = grace
    }

    /// When ``Event/wake`` is due.
    package var nextWake: ContinuousMoment? {
        switch state {
        case .running, .ended: nil
        case .draining(let until): until
        case .leaving(let until): until
        case .terminating(let until): until
        case .killing(let next, _, _): next
        }
    }

    /// Whether an end has been begun, by us or by the worker.
    package var isStopping: Bool { state != .running }

    /// Whether its connection ended and it may yet go by itself.
    var isLeaving: Bool {
        if case .leaving = state { true } else { false }
    }

    /// Whether it has been told to end, not just asked.
    var isTerminating: Bool {
        switch state {
        case .terminating, .killing, .ended: true
        case .running, .draining, .leaving: false
        }
    }

    /// Takes an event in and returns what must be done about it.
    package mutating func receive(_ event: Event, at now: ContinuousMoment) -> Action? {
        switch event {
        case .stop: stop(at: now)
        case .terminate: terminate(at: now)
        case .kill: kill(at: now)
        case .connectionEnded: connectionEnded(at: now)
        case .exited: exited()
        case .wake: wake(at: now)
        }
    }

    private mutating func stop(at now: ContinuousMoment) -> Action? {
        switch state {
        case .running:
            state = .draining(until: now + grace)
            return .drain
        case .leaving:
            // Nobody is left to read a DRAIN.
            return terminate(at: now)
        case .draining, .terminating, .killing, .ended:
            return nil
        }
    }

    private mutating func terminate(at now: ContinuousMoment) -> Action? {
        switch state {
        case .running, .draining, .leaving:
            state = .terminating(until: now + grace)
            return .terminate
        case .terminating, .killing, .ended:
            return nil
        }
    }

    private mutating func kill(at now: ContinuousMoment) -> Action? {
        switch state {
        case .running, .draining, .leaving, .terminating:
            state = .killing(next: now + Self.firstKillInterval, interval: Self.firstKillInterval, count: 1)
            return .kill
        case .killing, .ended:
            return nil
        }
    }

    private mutating func connectionEnded(at now: ContinuousMoment) -> Action? {
        switch state {
        case .running:
            state = .leaving(until: now + grace)
        case .draining(let until):
            // It has drained; what is left of the time is for its exit.
            state = .leaving(until: until)
        case .leaving, .terminating, .killing, .ended:
            break
        }
        return nil
    }

    private mutating func exited() -> Action? {
        state = .ended
        return nil
    }

    private mutating func wake(at now: ContinuousMoment) -> Action? {
        switch state {
        case .running, .ended:
            return nil
        case .draining(let until):
            return now < until ? nil : terminate(at: now)
        case .leaving(let until):
            return now < until ? nil : terminate(at: now)
        case .terminating(let until):
            return now < until ? nil : kill(at: now)
        case .killing(let next, let interval, let count):
            guard now >= next else { return nil }
            let longer = min(interval * 2, Self.lastKillInterval)
            state = .killing(next: now + longer, interval: longer, count: count + 1)
            return count + 1 == Self.unkillableCount ? .reportUnkillable : .kill
        }
    }
}
