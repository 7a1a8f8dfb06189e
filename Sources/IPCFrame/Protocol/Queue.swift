// SPDX-License-Identifier: Apache-2.0

/// First in, first out: a ring over an array that is used again, in which nothing moves when the first is taken.
struct Queue<Element>: RandomAccessCollection, MutableCollection {
    /// An empty queue keeps this many places, and gives more back.
    private static var keptPlaces: Int { 1_024 }

    /// As many places as a power of two, or none; nil where nothing waits, so that what was taken is let go.
    private var places: [Element?] = []
    private var head = 0
    private(set) var count = 0

    var startIndex: Int { 0 }
    var endIndex: Int { count }
    var isEmpty: Bool { count == 0 }

    subscript(index: Int) -> Element {
        get {
            guard let element = places[place(of: index)] else { preconditionFailure("a place in use has its element") }
            return element
        }
        set { places[place(of: index)] = newValue }
    }

    private func place(of index: Int) -> Int {
        precondition(index >= 0 && index < count, "no such place in the queue")
        return (head + index) & (places.count - 1)
    }

    mutating func append(_ element: Element) {
        if count == places.count { grow() }
        places[(head + count) & (places.count - 1)] = element
        count += 1
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = places[head].take()
        head = (head + 1) & (places.count - 1)
        count -= 1
        if count == 0, places.count > Self.keptPlaces { removeAll() }
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
        for index in 0..<count { more.append(places[(head + index) & (places.count - 1)].take()) }
        while more.count < Swift.max(4, places.count * 2) { more.append(nil) }
        places = more
        head = 0
    }
}

extension Queue: Sendable where Element: Sendable {}
