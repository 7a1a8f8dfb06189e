// SPDX-License-Identifier: Apache-2.0
import IPCFrame

extension JobRunMachine {
    /// The moments at which a run loses its patience.
    ///
    /// While any is set we wake every second; a wake that comes more than a second late means that we, not the worker,
    /// stood still (stopped, suspended, starved), and every deadline is put off by the gap.
    struct Deadlines: Sendable, Equatable {
        enum Kind: CaseIterable, Sendable { case retry, start, total, stall, grace }

        static let beat = Duration.seconds(1)
        static let tolerance = Duration.seconds(1)

        private var moments: [Kind: ContinuousMoment] = [:]
        private var lastSeen: ContinuousMoment?

        subscript(kind: Kind) -> ContinuousMoment? {
            get { moments[kind] }
            set { moments[kind] = newValue }
        }

        mutating func set(_ kind: Kind, after duration: Duration?, now: ContinuousMoment) {
            moments[kind] = duration.map { now + $0 }
        }

        mutating func clear(_ kinds: Kind...) {
            for kind in kinds { moments[kind] = nil }
        }

        mutating func clearAll() { moments = [:] }

        var nextWake: ContinuousMoment? {
            guard let first = moments.values.min() else { return nil }
            guard let lastSeen else { return first }
            return min(first, lastSeen + Self.beat)
        }

        mutating func advance(to now: ContinuousMoment) {
            if let wake = nextWake, wake < now, now - wake > Self.tolerance {
                moments = moments.mapValues { $0 + (now - wake) }
            }
            lastSeen = now
        }

        func firstPassed(at now: ContinuousMoment) -> Kind? {
            Kind.allCases.first { kind in moments[kind].map { $0 <= now } ?? false }
        }
    }
}
