// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

/// How a worker goes wrong; by the names that Tests/Support/hostile_worker.py has for it.
enum WayToDie: String, CaseIterable, Sendable {
    case exit0, exit3, segv
    /// By signals from outside.
    case kill, stop
    case oom
    /// Closes its socket, and lives.
    case close
    case garbage
    /// Exits within a frame.
    case half
    /// Floods its standard error, and goes on.
    case flood
    /// Hears nothing any more, not even that it is to end.
    case silent
    case ignoreTerm
    /// Leaves a process behind that has left its session, and goes on.
    case grandchild
}

/// When it does.
enum MomentOfDeath: String, CaseIterable, Sendable {
    /// Before HELLO; the call waits.
    case starting
    /// After a call, before the next.
    case idle
    /// With a part of the body read.
    case reading
    /// With the whole body read, and nothing answered.
    case working
    /// With half of the answer sent.
    case sending
    /// With all of the answer sent, before anybody can have acknowledged it.
    case answered
    /// When it is told to take no more calls.
    case draining
}

/// One way at one moment, and what must come of it.
struct Death: Sendable, CustomTestStringConvertible {
    /// What the caller of the call gets.
    enum Outcome: Equatable, Sendable {
        case succeeds
        /// `workerLost`, with the reason that the worker's end has.
        case isLost
        case timesOut
    }

    /// A reason without its figures.
    enum Reason: String, Sendable {
        case exited0, exited3, segv, kill, term, outOfMemory, timedOutStart, timedOutTotal, heartbeat
        case protocolViolation, handshakeFailed, ordinary
    }

    let way: WayToDie
    let moment: MomentOfDeath
    let outcome: Outcome
    let reason: Reason
    /// Whether SIGKILL is needed in the end.
    let needsKill: Bool

    var testDescription: String { "\(way) \(moment)" }
}

extension Death {
    /// Ways at moments that cannot be, or of which nothing can be promised, and why.
    static func impossible(_ way: WayToDie, _ moment: MomentOfDeath) -> String? {
        switch (way, moment) {
        case (.grandchild, .draining):
            "what leaves the session between the last look and the exit is found by a subreaper only, and that is "
                + "for the program that is one (ipc-parent), not for a library in somebody's process"
        default: nil
        }
    }

    static let all: [Death] = WayToDie.allCases.flatMap { way in
        MomentOfDeath.allCases.filter { impossible(way, $0) == nil }.map { Death(way, $0) }
    }

    /// The table.
    init(_ way: WayToDie, _ moment: MomentOfDeath) {
        self.way = way
        self.moment = moment
        needsKill = way == .ignoreTerm
        let isInCall = [.reading, .working, .sending].contains(moment)
        var outcome = isInCall ? Outcome.isLost : .succeeds
        switch way {
        case .exit0: reason = .exited0
        case .exit3: reason = .exited3
        case .segv: reason = .segv
        case .kill: reason = .kill
        case .oom: reason = .outOfMemory
        case .close:
            // One that was let go anyway is not blamed for how it said goodbye.
            reason = moment == .starting ? .handshakeFailed : moment == .draining ? .term : .protocolViolation
        case .garbage: reason = .protocolViolation
        case .half: reason = .exited0
        case .flood, .grandchild:
            reason = .ordinary
            outcome = .succeeds
        case .stop, .silent, .ignoreTerm:
            switch moment {
            case .starting: reason = .timedOutStart
            case .draining: reason = way == .ignoreTerm ? .kill : .term
            case .idle, .answered: reason = .heartbeat
            case .reading, .working, .sending:
                // SIGSTOP is found by the heartbeat, the others by the call's timeout: each is tried.
                reason = way == .stop ? .heartbeat : .timedOutTotal
                if way != .stop { outcome = .timesOut }
            }
        }
        self.outcome = outcome
    }

    /// Whether the heartbeat is what finds it.
    var needsHeartbeat: Bool { reason == .heartbeat }

    /// Whether the worker goes on as if nothing had been.
    var isSurvived: Bool { reason == .ordinary }
}

extension Death.Reason {
    func isMet(by reason: ExitReason) -> Bool {
        switch (self, reason) {
        case (.exited0, .exited(0)), (.exited3, .exited(3)), (.segv, .signalled(11, _)), (.kill, .signalled(9, _)),
            (.term, .signalled(15, _)), (.outOfMemory, .outOfMemory), (.timedOutStart, .timedOut(.start)),
            (.timedOutTotal, .timedOut(.total)), (.heartbeat, .stalled(.heartbeat)),
            (.protocolViolation, .protocolViolation), (.handshakeFailed, .handshakeFailed), (.ordinary, .exited(0)):
            true
        default: false
        }
    }
}
