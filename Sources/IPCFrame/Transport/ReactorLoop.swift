// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// The part of a reactor that only its thread touches: descriptors, timers, and the jobs whose turn has come.
final class ReactorLoop {
    /// The jobs after which a round ends.
    static let roundLimit = 64
    /// The nanoseconds after which a round ends, so that descriptors never wait long for a busy actor.
    static let roundNanoseconds: UInt64 = 1_000_000

    private struct Slot {
        var descriptor: CInt = -1
        var generation: UInt32 = 0
        var interest: Reactor.Interest = []
        var handler: ((Reactor.Readiness) -> Void)?
    }

    var pending = Queue<Reactor.Work>()
    var timers = ReactorTimers()
    var polling = BusyPolling()

    private static let wakeupToken = UInt64.max

    private let epoll: CInt
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var events = [clinux_event](repeating: clinux_event(), count: 64)
    private var eventCount = 0
    /// How often the descriptors were asked for, and how often besides, in vain, before a sleep.
    private(set) var polls: UInt64 = 0
    private(set) var looks: UInt64 = 0

    /// `wakeup` is the eventfd that ends a sleep; the caller keeps it open.
    init(wakeup: CInt) {
        epoll = clinux_epoll_create()
        precondition(epoll >= 0, "\(SystemError(call: "epoll_create1", errno: -epoll))")
        let result = clinux_epoll_add_edge(epoll, wakeup, Self.wakeupToken)
        precondition(result == 0, "\(SystemError(call: "epoll_ctl", errno: -result))")
    }

    deinit { _ = close(epoll) }

    // MARK: Descriptors

    func register(
        _ descriptor: CInt,
        _ interest: Reactor.Interest,
        _ handler: @escaping (Reactor.Readiness) -> Void
    ) throws(SystemError) -> Reactor.Registration {
        let index = freeSlots.popLast() ?? slots.count
        if index == slots.count { slots.append(Slot()) }
        let registration = Reactor.Registration(slot: index, generation: slots[index].generation)
        if !interest.isEmpty {
            let result = clinux_epoll_add(epoll, descriptor, interest.rawValue, registration.token)
            guard result == 0 else {
                freeSlots.append(index)
                throw SystemError(call: "epoll_ctl", errno: -result)
            }
        }
        slots[index].descriptor = descriptor
        slots[index].interest = interest
        slots[index].handler = handler
        return registration
    }

    func modify(_ registration: Reactor.Registration, _ interest: Reactor.Interest) {
        let slot = living(registration)
        guard slot.interest != interest else { return }
        let result =
            if interest.isEmpty {
                // Taken out rather than set to nothing: a hang-up is reported even to those who asked for nothing,
                // at every poll.
                clinux_epoll_remove(epoll, slot.descriptor)
            } else if slot.interest.isEmpty {
                clinux_epoll_add(epoll, slot.descriptor, interest.rawValue, registration.token)
            } else {
                clinux_epoll_modify(epoll, slot.descriptor, interest.rawValue, registration.token)
            }
        precondition(result == 0, "descriptor \(slot.descriptor): \(SystemError(call: "epoll_ctl", errno: -result))")
        slots[registration.slot].interest = interest
    }

    func unregister(_ registration: Reactor.Registration) {
        let slot = living(registration)
        if !slot.interest.isEmpty {
            let result = clinux_epoll_remove(epoll, slot.descriptor)
            precondition(result == 0, "descriptor \(slot.descriptor) was closed before it was unregistered")
        }
        slots[registration.slot] = Slot(generation: slot.generation &+ 1)
        freeSlots.append(registration.slot)
    }

    private func living(_ registration: Reactor.Registration) -> Slot {
        let slot = slots[registration.slot]
        precondition(
            slot.generation == registration.generation && slot.handler != nil,
            "the registration has ended"
        )
        return slot
    }

    // MARK: One turn

    /// Fetches events; sleeps for them if nothing else is to be done.
    func wait(mayBlock: Bool) {
        var timeout: Int64 = mayBlock ? -1 : 0
        if mayBlock, let next = timers.next {
            timeout = max(0, (next - .now).wholeNanoseconds)
        }
        polls += 1
        fetch(timeout: timeout)
    }

    /// Fetches the events that are there, before a sleep; whether there are some.
    func look() -> Bool {
        fetch(timeout: 0)
        if eventCount > 0 { polls += 1 } else { looks += 1 }
        return eventCount > 0
    }

    private func fetch(timeout: Int64) {
        // The span is a plain array of C structs that outlives the call.
        let count = unsafe events.withUnsafeMutableBufferPointer { buffer in
            unsafe clinux_epoll_wait(epoll, buffer.baseAddress, CInt(buffer.count), timeout)
        }
        precondition(count >= 0, "\(SystemError(call: "epoll_wait", errno: -count))")
        eventCount = Int(count)
    }

    /// Calls the handlers of the events that were fetched.
    func dispatchEvents() {
        for index in 0..<eventCount {
            let event = events[index]
            if event.token == Self.wakeupToken { continue }
            let registration = Reactor.Registration(token: event.token)
            let slot = slots[registration.slot]
            // An earlier handler of this batch may have unregistered or muted this one.
            guard slot.generation == registration.generation, !slot.interest.isEmpty else { continue }
            let ignored: Reactor.Readiness = [.read, .write]
            let wanted = Reactor.Readiness(rawValue: slot.interest.rawValue)
            let readiness = Reactor.Readiness(rawValue: event.readiness).subtracting(ignored.subtracting(wanted))
            guard !readiness.isEmpty else { continue }
            slot.handler?(readiness)
        }
        eventCount = 0
    }

    /// Calls the handlers of the timers that are due.
    func fireTimers() {
        guard let next = timers.next else { return }
        let now = ContinuousMoment.now
        guard next <= now else { return }
        let youngest = timers.youngest
        while let handler = timers.popDue(at: now, upTo: youngest) { handler() }
    }

    /// Runs jobs until none is left, or the round is over.
    func runRound(on reactor: Reactor) {
        guard !pending.isEmpty else { return }
        let start = clinux_monotonic_now()
        for _ in 1...Self.roundLimit {
            guard let work = pending.popFirst() else { return }
            switch work {
            case .job(let job):
                // Each job that the runtime enqueued is run once. As the serial executor only: were the thread also
                // declared the task executor, then a task without that preference would be enqueued anew at each await
                // from one method of an actor to another, and others would come between.
                unsafe job.runSynchronously(on: reactor.asUnownedSerialExecutor())
            case .taskJob(let job):
                unsafe job.runSynchronously(on: reactor.asUnownedTaskExecutor())
            case .closure(let body):
                body()
            }
            if !pending.isEmpty, clinux_monotonic_now() - start > Self.roundNanoseconds { return }
        }
    }

    /// Drops every registration and timer.
    func removeAll() {
        timers.removeAll()
        for index in slots.indices where slots[index].handler != nil {
            unregister(Reactor.Registration(slot: index, generation: slots[index].generation))
        }
    }
}

extension Reactor.Registration {
    fileprivate var token: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    fileprivate init(token: UInt64) {
        self.init(slot: Int(token & 0xFFFF_FFFF), generation: UInt32(token >> 32))
    }
}
