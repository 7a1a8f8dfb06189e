// SPDX-License-Identifier: Apache-2.0

/// Timers in the order of their moments, and of their scheduling where those are equal.
struct ReactorTimers {
    private struct Entry {
        let moment: ContinuousMoment
        let serial: UInt64

        func precedes(_ other: Entry) -> Bool { (moment, serial) < (other.moment, other.serial) }
    }

    /// A binary heap.
    ///
    /// Cancelled entries stay until they surface, or until they are the majority.
    private var heap: [Entry] = []
    private var handlers = CallTable<() -> Void>()
    private var lastSerial: UInt64 = 0

    /// Timers that have neither fired nor been cancelled.
    var count: Int { handlers.count }

    /// Entries held in memory; never much more than twice ``count``.
    var entryCount: Int { heap.count }

    /// The moment of the first timer.
    var next: ContinuousMoment? { heap.first?.moment }

    mutating func add(at moment: ContinuousMoment, _ handler: @escaping () -> Void) -> Reactor.TimerID {
        lastSerial += 1
        handlers[lastSerial] = handler
        heap.append(Entry(moment: moment, serial: lastSerial))
        siftUp(from: heap.count - 1)
        return Reactor.TimerID(serial: lastSerial)
    }

    mutating func cancel(_ timer: Reactor.TimerID) {
        guard handlers.removeValue(forKey: timer.serial) != nil else { return }
        if heap.count > 64, heap.count > 2 * handlers.count {
            heap.removeAll { handlers[$0.serial] == nil }
            heap.sort { $0.precedes($1) }  // a sorted array is a heap
        }
        dropCancelledHead()
    }

    /// Takes out the first timer if it is due and older than `limit`, which keeps those a handler adds for later.
    mutating func popDue(at now: ContinuousMoment, upTo limit: UInt64) -> (() -> Void)? {
        guard let first = heap.first, first.moment <= now, first.serial <= limit else { return nil }
        let handler = handlers.removeValue(forKey: first.serial)
        removeHead()
        dropCancelledHead()
        return handler
    }

    /// The serial number of the youngest timer.
    var youngest: UInt64 { lastSerial }

    mutating func removeAll() {
        heap.removeAll()
        handlers.removeAll()
    }

    /// Keeps the head a living timer, so that `next` never wakes the thread for nothing.
    private mutating func dropCancelledHead() {
        while let first = heap.first, handlers[first.serial] == nil { removeHead() }
    }

    private mutating func removeHead() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        siftDown()
    }

    private mutating func siftUp(from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < heap.count else { return }
            let right = left + 1
            let child = right < heap.count && heap[right].precedes(heap[left]) ? right : left
            guard heap[child].precedes(heap[parent]) else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}
