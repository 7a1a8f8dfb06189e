// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// Remembers which identities have cost workers, and refuses those that have cost too many.
///
/// What it knows of an identity it forgets after a time without news, and the oldest first when it knows too many.
struct Quarantine: Sendable {
    /// The most identities that are remembered.
    static let capacity = 1_000

    private struct Record: Sendable {
        var kills: Int
        var isHeld: Bool
        var expires: ContinuousMoment
    }

    private let time: Duration
    private var records: [String: Record] = [:]

    init(time: Duration) { self.time = time }

    /// How many identities are remembered.
    var count: Int { records.count }

    /// Whether calls of this identity are refused.
    mutating func holds(_ identity: String, now: ContinuousMoment) -> Bool {
        record(identity, now: now)?.isHeld ?? false
    }

    /// Charges an identity with a worker; returns how many it has cost.
    mutating func charge(_ identity: String, now: ContinuousMoment) -> Int {
        var record = record(identity, now: now) ?? Record(kills: 0, isHeld: false, expires: now)
        record.kills += 1
        record.expires = now + time
        remember(record, of: identity)
        return record.kills
    }

    /// Refuses an identity from now on.
    mutating func hold(_ identity: String, now: ContinuousMoment) {
        remember(Record(kills: 0, isHeld: true, expires: now + time), of: identity)
    }

    /// Forgets what an identity that has done well was charged with, unless it is refused already.
    mutating func forgive(_ identity: String) {
        if !records.isEmpty, records[identity]?.isHeld == false { records[identity] = nil }
    }

    private mutating func record(_ identity: String, now: ContinuousMoment) -> Record? {
        guard let record = records[identity] else { return nil }
        if record.expires > now { return record }
        records[identity] = nil
        return nil
    }

    private mutating func remember(_ record: Record, of identity: String) {
        if records.count >= Self.capacity, records[identity] == nil {
            // Rare, and of bounded cost; ties are broken by name so that a run can be repeated.
            let oldest = records.min { ($0.value.expires, $0.key) < ($1.value.expires, $1.key) }
            if let oldest { records[oldest.key] = nil }
        }
        records[identity] = record
    }
}
