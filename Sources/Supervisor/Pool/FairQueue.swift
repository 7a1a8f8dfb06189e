// SPDX-License-Identifier: Apache-2.0

/// Waiting calls in lanes: in order within a lane, and the lanes take turns.
///
/// Everything takes constant time. A lane exists only while something waits in it.
struct FairQueue: Sendable {
    /// Where a call waits.
    struct Place: Sendable, Equatable {
        fileprivate let lane: Int
        fileprivate let node: Int
        fileprivate let isCounted: Bool
    }

    private struct Lane: Sendable {
        var name: String
        var calls = LinkedLists<UInt64>.List()
        /// Its node among the turns.
        var turn: Int
        /// How many of its calls count against limits.
        var counted = 0
    }

    private var lists = LinkedLists<UInt64>()
    private var turns = LinkedLists<Int>()
    private var turnList = LinkedLists<Int>.List()
    private var lanes: [Lane] = []
    private var freeLanes: [Int] = []
    private var numbers: [String: Int] = [:]

    /// Calls that wait.
    private(set) var count = 0
    /// Calls that wait and count against limits.
    private(set) var countedCount = 0

    var isEmpty: Bool { count == 0 }

    /// How many calls of a lane count against limits.
    func countedCount(ofLane name: String) -> Int { numbers[name].map { lanes[$0].counted } ?? 0 }

    /// Puts a call at the end of its lane; it counts against limits.
    mutating func append(_ call: UInt64, lane name: String) -> Place {
        let lane = open(name)
        lanes[lane].counted += 1
        countedCount += 1
        count += 1
        return Place(lane: lane, node: lists.append(call, to: &lanes[lane].calls), isCounted: true)
    }

    /// Puts a call that comes back at the front of its lane; it does not count against limits.
    mutating func prepend(_ call: UInt64, lane name: String) -> Place {
        let lane = open(name)
        count += 1
        return Place(lane: lane, node: lists.prepend(call, to: &lanes[lane].calls), isCounted: false)
    }

    /// The call whose turn it is.
    var next: UInt64? {
        guard let lane = turns.first(of: turnList)?.value else { return nil }
        return lists.first(of: lanes[lane].calls)?.value
    }

    /// Takes out the call whose turn it is, which waits at `place`; its lane goes to the end of the turns.
    mutating func takeNext(at place: Place) {
        turns.remove(lanes[place.lane].turn, from: &turnList)
        lanes[place.lane].turn = turns.append(place.lane, to: &turnList)
        remove(at: place)
    }

    /// Takes out a call, wherever it waits.
    mutating func remove(at place: Place) {
        lists.remove(place.node, from: &lanes[place.lane].calls)
        count -= 1
        if place.isCounted {
            lanes[place.lane].counted -= 1
            countedCount -= 1
        }
        if lanes[place.lane].calls.isEmpty { close(place.lane) }
    }

    private mutating func open(_ name: String) -> Int {
        if let number = numbers[name] { return number }
        let number = freeLanes.popLast() ?? lanes.count
        let lane = Lane(name: name, turn: turns.append(number, to: &turnList))
        if number == lanes.count { lanes.append(lane) } else { lanes[number] = lane }
        numbers[name] = number
        return number
    }

    private mutating func close(_ number: Int) {
        turns.remove(lanes[number].turn, from: &turnList)
        numbers[lanes[number].name] = nil
        lanes[number].name = ""
        freeLanes.append(number)
    }
}
