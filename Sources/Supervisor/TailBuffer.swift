// SPDX-License-Identifier: Apache-2.0

/// Keeps the last bytes of a stream, and counts all.
struct TailBuffer: Sendable {
    private let limit: Int
    private var bytes: [UInt8] = []

    /// How many bytes went through.
    private(set) var total: UInt64 = 0

    init(limit: Int = 64 * 1024) {
        precondition(limit > 0, "a tail has a length")
        self.limit = limit
    }

    mutating func append(_ more: some Collection<UInt8>) {
        total += UInt64(more.count)
        bytes.append(contentsOf: more.suffix(limit))
        // Trimmed only now and then, so that each byte is moved about once.
        if bytes.count >= 2 * limit { bytes.removeFirst(bytes.count - limit) }
    }

    /// The last bytes, at most `limit`.
    var tail: [UInt8] { Array(bytes.suffix(limit)) }
}
