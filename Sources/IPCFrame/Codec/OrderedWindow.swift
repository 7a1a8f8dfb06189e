// SPDX-License-Identifier: Apache-2.0

/// Puts what is done in any order back into the order in which it was begun, and bounds how much of it there is.
///
///     begun   0  1  2  3    oldest first; at most `width`
///     done       x     x    1 and 3 wait for 0
///     taken                 nothing, until 0 is done; then 0 and 1, then nothing until 2 is
///
/// Knows nothing of threads: whoever has several keeps it under a lock.
struct OrderedWindow<Value: Sendable>: Sendable {
    /// One place in the order.
    struct Place: Equatable, Sendable {
        fileprivate let number: UInt64
    }

    /// Places that may be begun and not taken.
    let width: Int
    /// What was done of the places that are not taken, the oldest first; nil where the work goes on.
    private var values: [Value?] = []
    /// The number of the first of them.
    private var first: UInt64 = 0

    init(width: Int) {
        precondition(width >= 0, "a window has no negative width")
        self.width = width
    }

    var isEmpty: Bool { values.isEmpty }
    var isFull: Bool { values.count >= width }
    /// Places that may be begun now.
    var room: Int { width - values.count }
    /// Whether ``takeFirst()`` gives something.
    var isFirstDone: Bool { values.first.map { $0 != nil } ?? false }

    /// The next place.
    ///
    /// - Precondition: the window is not full.
    mutating func begin() -> Place {
        precondition(!isFull, "a full window takes nothing")
        defer { values.append(nil) }
        return Place(number: first + UInt64(values.count))
    }

    /// Whether the work for a place that was begun is still of use: not after ``removeAll()``.
    func isWanted(_ place: Place) -> Bool { place.number >= first }

    /// Fills a place, once; nothing happens if it is not wanted any more.
    mutating func finish(_ place: Place, _ value: Value) {
        guard isWanted(place) else { return }
        let index = Int(place.number - first)
        precondition(values[index] == nil, "a place is filled once")
        values[index] = value
    }

    /// The oldest, if it is done.
    mutating func takeFirst() -> Value? {
        guard let value = values.first ?? nil else { return nil }
        values.removeFirst()
        first += 1
        return value
    }

    /// Drops everything, also what is not done yet.
    mutating func removeAll() {
        first += UInt64(values.count)
        values = []
    }
}
