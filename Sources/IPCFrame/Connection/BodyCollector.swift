// SPDX-License-Identifier: Apache-2.0

/// Puts the pieces of a body together, in memory.
struct BodyCollector {
    /// Raw bytes for which room is made because the sender announces them; memory that is not written to costs nothing.
    private static let trustedSize: UInt64 = 64 << 20

    private(set) var bytes: [UInt8] = []
    private let size: UInt64?
    private let limit: UInt64

    /// `size` is what the sender announces, `limit` the most that is taken; raw bytes.
    init(size: UInt64?, limit: UInt64) {
        self.size = size
        self.limit = limit
    }

    /// Call before anything moves.
    func checkSize() throws(CallError) {
        if let size, size > limit { throw .tooLarge(limit: limit) }
    }

    mutating func append(_ piece: [UInt8]) throws(CallError) {
        if bytes.isEmpty, size == nil || size == UInt64(piece.count), UInt64(piece.count) <= limit {
            bytes = piece
            return
        }
        try append(count: piece.count) { $0.append(contentsOf: piece) }
    }

    /// Has `body` append the next `count` bytes.
    mutating func append(count: Int, _ body: (inout [UInt8]) throws(CallError) -> Void) throws(CallError) {
        let count = UInt64(bytes.count) + UInt64(count)
        guard count <= limit else { throw .tooLarge(limit: limit) }
        if let size, count > UInt64(bytes.capacity) {
            // Room for all of it, as far as a stranger's word is good for: more the more has come.
            bytes.reserveCapacity(Int(min(size, max(Self.trustedSize, 4 * count))))
        }
        try body(&bytes)
    }
}
