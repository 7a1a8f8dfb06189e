// SPDX-License-Identifier: Apache-2.0

/// Decides when which result goes to standard output: as they come, or each after those before it.
///
/// Results that wait are counted, since each may hold a descriptor.
struct ResultQueue<Result> {
    /// The most results that may wait for an earlier one.
    static var capacity: Int { 256 }

    private let isOrdered: Bool
    /// The file whose result is next; without order, of no meaning.
    private var turn = 0
    private var waiting: [Int: Result] = [:]
    /// Files that have no result, and have not had their turn.
    private var skipped: Set<Int> = []
    private var ready: [(index: Int, result: Result)] = []

    init(isOrdered: Bool) { self.isOrdered = isOrdered }

    /// Whether so many results wait for an earlier one that no more should come.
    var isFull: Bool { waiting.count >= Self.capacity }

    var isEmpty: Bool { waiting.isEmpty && ready.isEmpty }

    /// Takes in the result of a file; nil for one that has none.
    mutating func add(_ result: Result?, of index: Int) {
        guard isOrdered else {
            if let result { ready.append((index, result)) }
            return
        }
        if let result { waiting[index] = result } else { skipped.insert(index) }
        while true {
            if let result = waiting.removeValue(forKey: turn) {
                ready.append((turn, result))
            } else if skipped.remove(turn) == nil {
                return
            }
            turn += 1
        }
    }

    /// Takes out what may be written now, in its order.
    mutating func takeReady() -> [(index: Int, result: Result)] {
        defer { ready = [] }
        return ready
    }
}
