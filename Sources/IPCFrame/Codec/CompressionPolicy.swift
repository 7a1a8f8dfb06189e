// SPDX-License-Identifier: Apache-2.0

/// When a body's chunks are worth compressing.
///
/// Knows sizes only. A chunk that saves less than 5 % goes stored. After two such in a row the next 1, then 2, 4, 8 and
/// at most 16 chunks go stored untried, so that a body of random bytes costs little more than no compression at all, and
/// a body that becomes compressible later is noticed within 16 chunks. One chunk that compresses starts everything anew.
///
/// Several chunks may be tried at the same time, before it is known what becomes of the first; their results are told in
/// the chunks' order. But once two in a row have failed they are tried one at a time: what comes while such a one is
/// under way goes stored as well.
package struct CompressionPolicy: Equatable, Sendable {
    /// Smaller chunks are not tried: the stream's own overhead eats what could be saved.
    package static let smallestTried = 64
    /// Chunks in a row that are stored untried, at most.
    package static let longestSkip = 16

    private var failuresInARow = 0
    private var toSkip = 0
    /// Chunks that are tried now.
    private var tries = 0

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
        guard failuresInARow < 2 || tries == 0 else { return false }
        tries += 1
        return true
    }

    /// What became of the first of the chunks that are being tried.
    package mutating func tried(compressed: Bool) {
        precondition(tries > 0, "a result belongs to a chunk that is being tried")
        tries -= 1
        guard !compressed else {
            failuresInARow = 0
            toSkip = 0
            return
        }
        failuresInARow += 1
        if failuresInARow >= 2 { toSkip = min(1 << min(failuresInARow - 2, 16), Self.longestSkip) }
    }
}
