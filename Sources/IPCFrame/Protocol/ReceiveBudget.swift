// SPDX-License-Identifier: Apache-2.0

/// Divides one connection's receive memory over the bodies that it has accepted.
///
/// A body *holds* what the sender may still send and the application has not consumed, and at least one
/// chunk as long as it runs, so that none can starve. What is held never exceeds ``total``.
/// Absolute offsets are QUIC's idea (RFC 9000 §4.1).
struct ReceiveBudget {
    /// Raw bytes that may be held in all.
    let total: UInt64
    /// The largest window that one body gets.
    let maxWindow: UInt64
    private(set) var held: UInt64 = 0
    private(set) var bodies: UInt64 = 0

    init(total: UInt64, maxWindow: UInt64) {
        self.total = total
        self.maxWindow = maxWindow
    }

    /// Whether one more body can be accepted now.
    func admits(maxChunk: UInt32) -> Bool {
        bodies == 0 || held + UInt64(maxChunk) <= total
    }

    mutating func open(_ half: inout ReceiveHalf, maxChunk: UInt32) {
        bodies += 1
        update(&half, maxChunk: maxChunk)
        _ = raise(&half, maxChunk: maxChunk, force: true)
    }

    /// Takes the body out of the account.
    mutating func close(_ half: inout ReceiveHalf) {
        guard half.held > 0 else { return }
        held -= half.held
        half.held = 0
        bodies -= 1
    }

    /// Moves the limit of `half` if it may grow by half a window, if the sender is out of credit, or if forced.
    ///
    /// - Returns: whether it grew.
    mutating func raise(_ half: inout ReceiveHalf, maxChunk: UInt32, force: Bool) -> Bool {
        update(&half, maxChunk: maxChunk)
        let window = max(UInt64(maxChunk), min(maxWindow, total / max(1, bodies)))
        var goal = half.consumed + window
        if let size = half.offer?.size { goal = min(goal, size) }
        // What the body holds already is its own to use; beyond that, what is free.
        let reach = half.consumed + half.held + (total - min(total, held))
        goal = min(goal, reach)
        guard goal > half.limit else { return false }
        guard force || goal - half.limit >= window / 2 || half.limit == half.consumed else { return false }
        half.limit = goal
        update(&half, maxChunk: maxChunk)
        return true
    }

    private mutating func update(_ half: inout ReceiveHalf, maxChunk: UInt32) {
        var floor = UInt64(maxChunk)
        if let size = half.offer?.size { floor = min(floor, max(1, size - min(size, half.consumed))) }
        let now = max(half.limit - half.consumed, floor)
        held = held - half.held + now
        half.held = now
    }
}
