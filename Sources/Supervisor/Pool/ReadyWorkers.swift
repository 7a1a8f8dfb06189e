// SPDX-License-Identifier: Apache-2.0

/// Workers with room for a call, ordered by the calls that they have, then by how long they have had so many.
///
/// Everything takes constant time, but for a walk over loads that no worker has.
struct ReadyWorkers: Sendable {
    /// Where a worker stands.
    struct Place: Sendable, Equatable {
        fileprivate let load: Int
        fileprivate let node: Int
    }

    private var lists = LinkedLists<UInt64>()
    /// The workers by their load.
    private var loads = [LinkedLists<UInt64>.List()]
    /// No worker has a smaller load.
    private var lowest = 0

    /// The one that should take the next call.
    var first: UInt64? { lowest < loads.count ? lists.first(of: loads[lowest])?.value : nil }

    /// The one that has had nothing to do for longest.
    var longestIdle: UInt64? { lists.first(of: loads[0])?.value }

    /// How many have nothing to do.
    var idleCount: Int { loads[0].count }

    mutating func insert(_ worker: UInt64, load: Int) -> Place {
        while load >= loads.count { loads.append(LinkedLists<UInt64>.List()) }
        lowest = min(lowest, load)
        return Place(load: load, node: lists.append(worker, to: &loads[load]))
    }

    mutating func remove(at place: Place) {
        lists.remove(place.node, from: &loads[place.load])
        while lowest < loads.count, loads[lowest].isEmpty { lowest += 1 }
    }
}
