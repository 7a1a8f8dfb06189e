// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

extension ChunkPool {
    /// Four threads and a library each, whatever this machine has.
    static let forced = codecs.map { ChunkPool(width: 4, codec: $0) }
}

/// Chunks of one body on several threads, without a connection.
@Suite struct ParallelCodecTests {
    /// Numbered bytes that compress, or do not.
    static func raw(_ number: Int, _ count: Int, isRandom: Bool = false) -> [UInt8] {
        if isRandom {
            var random = SplitMix64(state: UInt64(number))
            return random.bytes(count)
        }
        return [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count)
    }

    private static func compressed(_ number: Int, _ count: Int, isFlush: Bool = false) throws -> Chunk {
        let payload = try #require(ChunkDeflater(codec: .zlib).compress(raw(number, count), within: count))
        return Chunk(compressed: payload[...], rawCount: count, isFlush: isFlush)
    }

    private func decode(_ chunk: Chunk) throws -> [UInt8] {
        guard chunk.isCompressed else { return Array(chunk.bytes) }
        return try ChunkInflater(codec: .zlib).inflate(payload: Array(chunk.bytes), rawLength: chunk.rawCount)
    }

    // MARK: Deflating

    private final class Handed: Sendable {
        let chunks = Mutex<[Chunk]>([])
    }

    @Test(
        "Chunks of every kind and size are handed on in order, with their flushes",
        arguments: ChunkPool.forced.indices
    )
    func deflates(pool index: Int) async throws {
        let pool = ChunkPool.forced[index]
        let handed = Handed()
        let ahead = DeflateAhead(pool: pool) { chunk in handed.chunks.withLock { $0.append(chunk) } }
        var random = SplitMix64(state: 7)
        var all: [[UInt8]] = []
        for number in 0..<200 {
            let count = [1, 100, 5_000, 16_384, 65_536, 100_000][Int(random.next() % 6)]
            let bytes = Self.raw(number, count, isRandom: count < 10_000 && random.next() % 3 == 0)
            all.append(bytes)
            await ahead.add(bytes[...], isFlush: number % 7 == 0, isAlone: number == 0)
            let waiting = number + 1 - handed.chunks.withLock { $0.count }
            // One more is in the hands of whoever hands it on.
            #expect(waiting <= pool.width + 1, "no more than the pool's width is ahead")
        }
        await ahead.waitUntilDone()
        let chunks = handed.chunks.withLock { $0 }
        #expect(chunks.count == all.count)
        for (number, chunk) in chunks.enumerated() {
            #expect(try decode(chunk) == all[number])
            #expect(chunk.isFlush == (number % 7 == 0))
        }
        #expect(chunks.filter(\.isCompressed).count > 100)
    }

    @Test("A body that is dropped hands nothing on any more, and its sender does not wait for ever")
    func drops() async throws {
        let pool = try #require(ChunkPool.forced.first)
        for round in 0..<50 {
            let handed = Handed()
            let ahead = DeflateAhead(pool: pool) { chunk in handed.chunks.withLock { $0.append(chunk) } }
            for number in 0..<round % 6 {
                await ahead.add(Self.raw(number, 100_000)[...], isFlush: false, isAlone: false)
            }
            ahead.drop()
            await ahead.waitUntilDone()
            let count = handed.chunks.withLock { $0.count }
            #expect(count <= round % 6)
            await ahead.add(Self.raw(9, 100_000)[...], isFlush: false, isAlone: false)
            await ahead.waitUntilDone()
            #expect(handed.chunks.withLock { $0.count } == count + 1)
        }
    }

    // MARK: Inflating

    private func bytes(_ item: InboundQueue.Item) throws -> [UInt8]? {
        if case .chunk(let chunk) = item { try decode(chunk) } else { nil }
    }

    @Test("What waits is inflated ahead, and is taken in order", arguments: ChunkPool.forced.indices)
    func inflates(pool index: Int) async throws {
        let queue = InboundQueue(pool: ChunkPool.forced[index])
        var random = SplitMix64(state: 8)
        for number in 0..<300 {
            let chunk =
                switch random.next() % 4 {
                case 0: Chunk(stored: Self.raw(number, 5_000)[...], isFlush: number % 5 == 0)
                case 1: try Self.compressed(number, 5_000, isFlush: number % 5 == 0)
                default: try Self.compressed(number, 70_000, isFlush: number % 5 == 0)
                }
            queue.put(.chunk(chunk))
        }
        queue.put(.end(End(total: 0, digestKind: .none, digest: 0, trailer: Trailer())))
        var ahead = 0
        for number in 0..<300 {
            if number % 10 == 0 { usleep(1_000) }
            let item = try await queue.take()
            guard case .chunk(let chunk) = item else { throw CancellationError() }
            if chunk.rawCount == 70_000, !chunk.isCompressed { ahead += 1 }
            let raw = try decode(chunk)
            #expect(raw == Self.raw(number, chunk.rawCount))
            #expect(chunk.isFlush == (number % 5 == 0))
        }
        guard case .end = try await queue.take() else { throw CancellationError() }
        #expect(ahead > 0 && queue.isEmpty)
    }

    @Test("No more than the pool's width is inflated ahead of a reader who does not come")
    func bounded() async throws {
        let pool = try #require(ChunkPool.forced.first)
        let queue = InboundQueue(pool: pool)
        for number in 0..<50 { queue.put(.chunk(try Self.compressed(number, 100_000))) }
        // Behind all that was asked of the pool.
        usleep(100_000)
        var ahead = 0
        while case .chunk(let chunk)? = try queue.takeNow(), !chunk.isCompressed, ahead < pool.width { ahead += 1 }
        #expect(ahead <= pool.width)
    }

    @Test("A damaged chunk fails where it is, in the words of the reader", arguments: ChunkPool.forced.indices)
    func damaged(pool index: Int) async throws {
        let pool = ChunkPool.forced[index]
        for position in 0..<6 {
            let queue = InboundQueue(pool: pool)
            for number in 0..<8 {
                var chunk = try Self.compressed(number, 70_000)
                if number == position {
                    var payload = Array(chunk.bytes)
                    payload[payload.count - 1] ^= 1
                    chunk = Chunk(compressed: payload[...], rawCount: chunk.rawCount)
                }
                queue.put(.chunk(chunk))
            }
            var decoder = BodyDecoder(Offer(size: nil, codec: .zlib, digest: .none), codec: pool.codec)
            var taken = 0
            let error = await #expect(throws: CallError.self) {
                while true {
                    switch try await queue.take() {
                    case .chunk(let chunk): _ = try decoder.decode(chunk)
                    case .damaged(let error): throw error
                    case .end, .file: return
                    }
                    taken += 1
                }
            }
            #expect(error == .corruptBody("\(CodecError.damaged)") && taken == position)
        }
    }

    /// Whether items were being inflated or not: the first failure is told, once, to a reader who sleeps or comes later.
    @Test func aFailureDropsWhatIsBeingInflated() async throws {
        let pool = try #require(ChunkPool.forced.last)
        let chunks = try (0..<6).map { try Self.compressed($0, 200_000) }
        for round in 0..<100 {
            let queue = InboundQueue(pool: pool)
            let reader = Task {
                while true { _ = try await queue.take() }
            }
            for chunk in chunks { queue.put(.chunk(chunk)) }
            if round % 2 == 0 { sched_yield() }
            queue.fail(.cancelled, dropping: true)
            await #expect(throws: CallError.cancelled) { try await reader.value }
            #expect(queue.isEmpty)
        }
    }

    @Test func whatIsBeingInflatedIsStillHandedOutWhenTheConnectionEnds() async throws {
        let pool = try #require(ChunkPool.forced.last)
        let chunks = try (0..<6).map { try Self.compressed($0, 200_000) }
        for _ in 0..<20 {
            let queue = InboundQueue(pool: pool)
            for chunk in chunks { queue.put(.chunk(chunk)) }
            queue.fail(.draining, dropping: false)
            for number in 0..<6 { #expect(try bytes(try await queue.take())?.first == UInt8(number)) }
            await #expect(throws: CallError.draining) { try await queue.take() }
        }
    }
}
