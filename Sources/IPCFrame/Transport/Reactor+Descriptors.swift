// SPDX-License-Identifier: Apache-2.0

// What lives on the reactor's thread. Each of these traps on any other.
extension Reactor {
    /// What to be told about a descriptor.
    ///
    /// An empty set mutes it altogether, hang-ups too.
    package struct Interest: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let read = Interest(rawValue: 1)
        package static let write = Interest(rawValue: 2)
    }

    /// What a descriptor is ready for.
    ///
    /// Hang-up and error come unasked while the interest is not empty.
    package struct Readiness: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let read = Readiness(rawValue: 1)
        package static let write = Readiness(rawValue: 2)
        package static let hangup = Readiness(rawValue: 4)
        package static let error = Readiness(rawValue: 8)
    }

    /// A descriptor under watch.
    ///
    /// Stays distinct from every later one, also when the descriptor's number is reused.
    package struct Registration: Hashable, Sendable {
        let slot: Int
        let generation: UInt32
    }

    /// A timer that was scheduled.
    package struct TimerID: Hashable, Sendable {
        let serial: UInt64
    }

    /// Calls `handler` whenever `descriptor` is ready, level-triggered, until it is unregistered.
    package func register(
        _ descriptor: CInt,
        _ interest: Interest,
        _ handler: @escaping (Readiness) -> Void
    ) throws(SystemError) -> Registration {
        try loop.register(descriptor, interest, handler)
    }

    /// Changes what the handler is called for.
    package func modify(_ registration: Registration, _ interest: Interest) {
        loop.modify(registration, interest)
    }

    /// Ends the watch; the handler is not called again, not even for an event that was already fetched.
    ///
    /// Must come before the descriptor is closed.
    package func unregister(_ registration: Registration) {
        loop.unregister(registration)
    }

    /// Calls `handler` once, at or soon after `moment`.
    package func schedule(at moment: ContinuousMoment, _ handler: @escaping () -> Void) -> TimerID {
        loop.timers.add(at: moment, handler)
    }

    /// Forgets a timer; one that has fired or been cancelled is ignored.
    package func cancel(_ timer: TimerID) {
        loop.timers.cancel(timer)
    }
}
