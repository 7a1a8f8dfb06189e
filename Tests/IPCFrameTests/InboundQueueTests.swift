// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

@Suite struct InboundQueueTests {
    /// One byte, compressed as small as zlib goes.
    static let tinyPayload: [UInt8] = [1, 0, 0, 0] + [0x78, 0x01, 0x4B, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62]

    private func chunk(_ byte: UInt8) -> InboundQueue.Item { .chunk(Chunk(stored: [byte])) }

    /// Too large to be joined with others.
    private func large(_ byte: UInt8) -> InboundQueue.Item {
        .chunk(Chunk(stored: [UInt8](repeating: byte, count: 5_000)[...]))
    }

    private func bytes(_ item: InboundQueue.Item?) -> [UInt8]? {
        if case .chunk(let chunk) = item { Array(chunk.bytes) } else { nil }
    }

    @Test func itemsComeOutInTheirOrder() async throws {
        let queue = InboundQueue()
        for round in 0..<3 {
            for byte in 0..<UInt8(200) { queue.put(large(byte)) }
            for byte in 0..<UInt8(200) {
                let item = byte % 2 == 0 ? try queue.takeNow() : try await queue.take()
                #expect(bytes(item)?.first == byte, "round \(round)")
            }
            let isEmpty = try queue.takeNow().map { _ in false } ?? true
            #expect(isEmpty)
        }
    }

    @Test func whatHasComeSurvivesTheEndOfTheConnectionAndNotACancel() async throws {
        let ended = InboundQueue()
        ended.put(chunk(1))
        ended.fail(.connection(.peerVanished(duringFrame: false)), dropping: false)
        #expect(bytes(try await ended.take()) == [1])
        await #expect(throws: CallError.connection(.peerVanished(duringFrame: false))) { try await ended.take() }

        let cancelled = InboundQueue()
        cancelled.put(chunk(1))
        cancelled.fail(.cancelled, dropping: true)
        cancelled.fail(.draining, dropping: true)
        cancelled.put(chunk(2))
        #expect(throws: CallError.cancelled) { try cancelled.takeNow() }
    }

    @Test func aSleepingReaderIsWokenByAnItemAndByAFailure() async throws {
        let queue = InboundQueue()
        async let first = queue.take()
        queue.put(chunk(5))
        #expect(bytes(try await first) == [5])
        let second = Task { try await queue.take() }
        queue.fail(.cancelled, dropping: true)
        await #expect(throws: CallError.cancelled) { try await second.value }
    }

    /// Each item comes while its reader falls asleep: nothing is lost, doubled or torn.
    @Test func readerAndWriterMeet() async throws {
        let queue = InboundQueue()
        let taken = Taken()
        let count = 5_000
        let writer = CallThreads.shared.run {
            for number in 0..<count {
                while taken.count.load(ordering: .relaxed) < number { sched_yield() }
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 5_000)
                queue.put(.chunk(Chunk(stored: bytes[...])))
            }
        }
        for number in 0..<count {
            let item = try await queue.take()
            guard case .chunk(let chunk) = item else { throw CancellationError() }
            try #require(chunk.bytes.span[0] == UInt8(truncatingIfNeeded: number))
            taken.count.store(number + 1, ordering: .relaxed)
        }
        await writer.value
        #expect(queue.isEmpty)
    }

    private final class Taken: Sendable {
        let count = Atomic(0)
    }

    private func drain(_ queue: InboundQueue) throws -> [Chunk] {
        var chunks: [Chunk] = []
        while case .chunk(let chunk)? = try queue.takeNow() { chunks.append(chunk) }
        return chunks
    }

    @Test("Small stored chunks that wait are joined, and lose neither a byte nor a flush")
    func joins() throws {
        let queue = InboundQueue()
        let count = 200_000
        let isBearable = (0..<count).allSatisfy { index in
            queue.put(.chunk(Chunk(stored: [UInt8(truncatingIfNeeded: index)], isFlush: index == 199_000)))
        }
        #expect(isBearable)
        let chunks = try drain(queue)
        #expect(chunks.count <= 5)
        #expect(chunks.map(\.isFlush).last == true && chunks.filter(\.isFlush).count == 1)
        let bytes = chunks.flatMap(\.bytes)
        #expect(bytes == (0..<count).map { UInt8(truncatingIfNeeded: $0) })
    }

    @Test func chunksOfEveryKindKeepTheirOrder() throws {
        let queue = InboundQueue()
        let large = [UInt8](repeating: 3, count: 100_000)
        #expect(queue.put(.chunk(Chunk(stored: [1]))))
        #expect(queue.put(.chunk(Chunk(compressed: Self.tinyPayload[...], rawCount: 1))))
        #expect(queue.put(.chunk(Chunk(stored: [2]))))
        #expect(queue.put(.chunk(Chunk(stored: [], isFlush: true))))
        #expect(queue.put(.chunk(Chunk(stored: large[...]))))
        #expect(queue.put(.chunk(Chunk(stored: [4]))))
        #expect(queue.put(.end(End(total: 100_004, digestKind: .none, digest: 0, trailer: Trailer()))))
        let chunks = try drain(queue)  // and the end
        #expect(chunks.map { Array($0.bytes) } == [[1], Self.tinyPayload, [2], large, [4]])
        #expect(chunks.map(\.isFlush) == [false, false, true, false, false])
    }

    @Test("Tiny compressed chunks, and payloads far larger than what they carry, are not kept without end")
    func waste() {
        for payload in [Self.tinyPayload, [UInt8](repeating: 0, count: 260_000)] {
            let queue = InboundQueue()
            var bytes = 0
            while queue.put(.chunk(Chunk(compressed: payload[...], rawCount: 1))) {
                bytes += payload.count
                guard bytes < 4 << 20 else { break }
            }
            #expect(bytes < 2 << 20)
        }
    }

    @Test("A window full of small chunks that compress is kept, and what was taken no longer counts")
    func bearable() throws {
        let queue = InboundQueue()
        let payload = [UInt8](repeating: 0, count: 20)
        for _ in 0..<3 {
            let isBearable = (0..<(4 << 20) / 100).allSatisfy { _ in
                queue.put(.chunk(Chunk(compressed: payload[...], rawCount: 100)))
            }
            #expect(isBearable)
            #expect(try drain(queue).count == (4 << 20) / 100)
        }
    }

    @Test("A peer that floods a call with tiny chunks loses the call and not the connection")
    func flood() async throws {
        // Small enough to be sent at once: it comes, whether or not anybody reads.
        let answer = try await BareAnswer(Offer(size: 65_536, codec: .zlib, digest: .none))
        let tiny = OutboundFrame(.data, flags: .compressed, stream: 1, payload: Self.tinyPayload[...])
        answer.child.send([OutboundFrame](repeating: tiny, count: 10_000))
        let body = try await answer.call.response().body
        #expect(await answer.lastFrame(until: .stop) == .stop)
        await #expect {
            _ = try await body.nextPiece()
        } throws: { error in
            if case CallError.corruptBody = error { true } else { false }
        }
        #expect(await answer.parent.openCalls == 1, "the connection is there, and waits for the call's last frame")
        await answer.close()
    }
}
