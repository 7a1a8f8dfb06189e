// SPDX-License-Identifier: Apache-2.0

/// Divides one connection's receive memory over the bodies that it has accepted.
///
/// A body *holds* what the sender may still send and the application has not consumed, and as long as more may come
/// at least one chunk, so that none can starve. What is held never exceeds ``total``.
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
        half.isBudgeted = true
        bodies += 1
        _ = raise(&half, maxChunk: maxChunk, force: true)
    }

    /// Takes the body out of the account.
    mutating func close(_ half: inout ReceiveHalf) {
        guard half.isBudgeted else { return }
        half.isBudgeted = false
        held -= half.held
        half.held = 0
        bodies -= 1
    }

    /// The body is whole: it holds only what the application has not consumed.
    mutating func settle(_ half: inout ReceiveHalf) {
        guard half.isBudgeted else { return }
        hold(half.received - half.consumed, &half)
    }

    /// Frees what has been consumed.
    mutating func update(_ half: inout ReceiveHalf, maxChunk: UInt32) {
        guard half.isBudgeted else { return }
        var floor = UInt64(maxChunk)
        if let size = half.offer?.size { floor = min(floor, size - min(size, half.consumed)) }
        hold(max(half.limit - half.consumed, floor), &half)
    }

    /// Moves the limit of `half` if it may grow by half a window, if the sender is out of credit, or if forced.
    ///
    /// - Returns: whether it grew.
    mutating func raise(_ half: inout ReceiveHalf, maxChunk: UInt32, force: Bool) -> Bool {
        update(&half, maxChunk: maxChunk)
        let window = max(UInt64(maxChunk), min(maxWindow, total / max(1, bodies)))
        // What the body holds already is its own to use; beyond that, what is free.
        let room = min(window, half.held + (total - min(total, held)))
        var (goal, isBeyond) = half.consumed.addingReportingOverflow(room)
        // All ones would say that the size is not known; no body comes near.
        if isBeyond { goal = UInt64.max }
        if let size = half.offer?.size { goal = min(goal, size) }
        guard goal > half.limit else { return false }
        guard force || goal - half.limit >= window / 2 || half.limit == half.consumed else { return false }
        half.limit = goal
        update(&half, maxChunk: maxChunk)
        return true
    }

    private mutating func hold(_ bytes: UInt64, _ half: inout ReceiveHalf) {
        held = held - half.held + bytes
        half.held = bytes
    }
}
