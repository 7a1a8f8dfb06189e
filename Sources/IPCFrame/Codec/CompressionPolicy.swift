// SPDX-License-Identifier: Apache-2.0

/// When a body's chunks are worth compressing.
///
/// Knows sizes only. A chunk that saves less than 5 % goes stored. After two such in a row the next 1, then 2, 4, 8 and at most 16 chunks
/// go stored untried, so that a body of random bytes costs little more than no compression at all, and a body that
/// becomes compressible later is noticed within 16 chunks. One chunk that compresses starts everything anew.
package struct CompressionPolicy: Equatable, Sendable {
    /// Smaller chunks are not tried: the stream's own overhead eats what could be saved.
    package static let smallestTried = 64
    /// Chunks in a row that are stored untried, at most.
    package static let longestSkip = 16

    private var failuresInARow = 0
    private var toSkip = 0

    package init() {}

    /// Bytes that the compressed payload of a chunk may have at most, for the chunk to go compressed.
    package static func largestPayload(forRaw count: Int) -> Int {
        count - (count + 19) / 20
    }

    /// Whether to try the next chunk, which has `count` raw bytes.
    package mutating func shouldTry(rawCount count: Int) -> Bool {
        guard count >= Self.smallestTried else { return false }
        guard toSkip == 0 else {
            toSkip -= 1
            return false
        }
        return true
    }

    /// What became of a chunk that was tried.
    package mutating func tried(compressed: Bool) {
        guard !compressed else {
            failuresInARow = 0
            return
        }
        failuresInARow += 1
        if failuresInARow >= 2 { toSkip = min(1 << min(failuresInARow - 2, 16), Self.longestSkip) }
    }
}
