// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// Moments at which something is due, at most one for each key.
///
/// What is cleared is dropped from the heap when it comes up, or when there is too much of it; the first entry is always
/// valid, so that ``next`` costs nothing. Timers of one moment go off in the order in which they were set.
struct TimerHeap<Key: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let moment: ContinuousMoment
        let number: UInt64
        let key: Key

        func isBefore(_ other: Entry) -> Bool {
            moment == other.moment ? number < other.number : moment < other.moment
        }
    }

    private var heap: [Entry] = []
    /// The number of the entry that is valid.
    private var numbers: [Key: UInt64] = [:]
    private var lastNumber: UInt64 = 0

    /// The first moment at which something is due.
    var next: ContinuousMoment? { heap.first?.moment }

    /// Entries in memory, also those that were cleared.
    var storedCount: Int { heap.count }

    /// Sets a timer, in place of the one that the key has.
    mutating func set(_ key: Key, at moment: ContinuousMoment) {
        lastNumber += 1
        numbers[key] = lastNumber
        heap.append(Entry(moment: moment, number: lastNumber, key: key))
        siftUp(heap.count - 1)
        tidy()
    }

    /// Clears the timer of a key, if it has one.
    mutating func clear(_ key: Key) {
        if numbers.removeValue(forKey: key) != nil { tidy() }
    }

    mutating func clearAll() { self = Self() }

    /// Takes out the first timer that is due.
    mutating func takeDue(at now: ContinuousMoment) -> Key? {
        guard let first = heap.first, first.moment <= now else { return nil }
        numbers[first.key] = nil
        tidy()
        return first.key
    }

    private func isValid(_ entry: Entry) -> Bool { numbers[entry.key] == entry.number }

    private mutating func tidy() {
        if heap.count > 2 * numbers.count + 64 {
            heap = heap.filter(isValid)
            for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
        }
        while let first = heap.first, !isValid(first) {
            heap.swapAt(0, heap.count - 1)
            heap.removeLast()
            siftDown(0)
        }
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0, heap[index].isBefore(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            if least == index { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
