// SPDX-License-Identifier: Apache-2.0

/// First in, first out: a ring over an array that is used again, in which nothing moves when the first is taken.
///
/// One element alone has its place beside the ring: most queues never have a second, and need no memory.
struct Queue<Element>: RandomAccessCollection, MutableCollection {
    /// An empty queue keeps this many places, and gives more back.
    private static var keptPlaces: Int { 1_024 }

    /// The first of all, if it came when there was none.
    private var single: Element?
    /// The others: as many places as a power of two, or none; nil where nothing waits, so that what was taken is let go.
    private var places: [Element?] = []
    private var head = 0
    private var countInRing = 0

    var count: Int { countInRing + (single == nil ? 0 : 1) }
    var startIndex: Int { 0 }
    var endIndex: Int { count }
    var isEmpty: Bool { single == nil && countInRing == 0 }

    subscript(index: Int) -> Element {
        get {
            if index == 0, let single { return single }
            guard let element = places[place(of: index)] else { preconditionFailure("a place in use has its element") }
            return element
        }
        set {
            if index == 0, single != nil { single = newValue } else { places[place(of: index)] = newValue }
        }
    }

    private func place(of index: Int) -> Int {
        precondition(index >= 0 && index < count, "no such place in the queue")
        return (head + index - (count - countInRing)) & (places.count - 1)
    }

    mutating func append(_ element: Element) {
        if isEmpty {
            single = element
            return
        }
        if countInRing == places.count { grow() }
        places[(head + countInRing) & (places.count - 1)] = element
        countInRing += 1
    }

    mutating func popFirst() -> Element? {
        if let element = single.take() { return element }
        guard countInRing > 0 else { return nil }
        let element = places[head].take()
        head = (head + 1) & (places.count - 1)
        countInRing -= 1
        if countInRing == 0, places.count > Self.keptPlaces { removeAll() }
        return element
    }

    mutating func removeAll() { self = Queue() }

    mutating func removeAll(where isUnwanted: (Element) -> Bool) {
        var rest = Queue()
        for element in self where !isUnwanted(element) { rest.append(element) }
        self = rest
    }

    private mutating func grow() {
        var more: [Element?] = []
        more.reserveCapacity(Swift.max(4, places.count * 2))
        for index in 0..<countInRing { more.append(places[(head + index) & (places.count - 1)].take()) }
        while more.count < Swift.max(4, places.count * 2) { more.append(nil) }
        places = more
        head = 0
    }
}

extension Queue: Sendable where Element: Sendable {}
