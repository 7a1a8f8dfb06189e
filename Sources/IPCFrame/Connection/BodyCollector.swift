// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// Puts the pieces of a body together, in memory.
struct BodyCollector {
    /// Raw bytes for which room is made because the sender announces them; memory that is not written to costs nothing.
    static let trustedSize: UInt64 = 1 << 30
    /// Memory from here on comes fresh from the kernel, most often, and is worth huge pages.
    private static let largeSize = 4 << 20

    private(set) var bytes: [UInt8]
    private let size: UInt64?
    private let limit: UInt64

    /// `size` is what the sender announces, `limit` the most that is taken; raw bytes.
    ///
    /// The memory of `memory` is used again, as far as it goes.
    init(size: UInt64?, limit: UInt64, reusing memory: inout [UInt8]) {
        self.size = size
        self.limit = limit
        bytes = []
        reuse(&memory)
    }

    /// Call before anything is there.
    mutating func reuse(_ memory: inout [UInt8]) {
        swap(&bytes, &memory)
        bytes.removeAll(keepingCapacity: true)
    }

    init(size: UInt64?, limit: UInt64) {
        var none: [UInt8] = []
        self.init(size: size, limit: limit, reusing: &none)
    }

    /// Call before anything moves.
    func checkSize() throws(CallError) {
        if let size, size > limit { throw .tooLarge(limit: limit) }
    }

    mutating func append(_ piece: [UInt8]) throws(CallError) {
        if bytes.capacity == 0, size == nil || size == UInt64(piece.count), UInt64(piece.count) <= limit {
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
            reserve(Int(min(size, max(Self.trustedSize, 4 * count))))
        }
        try body(&bytes)
    }

    private mutating func reserve(_ capacity: Int) {
        bytes.reserveCapacity(capacity)
        Self.useHugePages(&bytes, capacity: capacity)
    }

    /// Has `bytes` hold `count` bytes, which are not set: whoever asks writes all of them before anybody sees them.
    static func makeRoom(for count: Int, in bytes: inout [UInt8]) {
        let hasRoom = bytes.capacity >= count
        let before = address(of: bytes)
        bytes.removeAll(keepingCapacity: hasRoom)
        bytes.append(addingCapacity: count) { span in
            unsafe span.withUnsafeMutableBufferPointer { _, initialized in initialized = count }
        }
        // Memory that is used again has had the advice.
        if !hasRoom || address(of: bytes) != before { useHugePages(&bytes, capacity: count) }
    }

    /// Only told apart, never followed.
    private static func address(of bytes: [UInt8]) -> UInt {
        unsafe bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    }

    /// Of use for memory that was just reserved and not written to.
    private static func useHugePages(_ bytes: inout [UInt8], capacity: Int) {
        guard capacity >= largeSize else { return }
        // The array's own memory, as much as it has; the advice changes nothing in it.
        unsafe bytes.withUnsafeMutableBytes { unsafe clinux_use_huge_pages($0.baseAddress, capacity) }
    }
}
