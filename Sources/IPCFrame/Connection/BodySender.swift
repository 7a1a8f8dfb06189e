// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Cuts a body into chunks, proves and compresses them on the caller's thread, and sends them as credit allows.
///
/// Used by one task at a time.
final class BodySender: Sendable {
    private struct State {
        var digest: CRC32Digest?
        var deflater: ChunkDeflater?
        let compresses: Bool
        var sent: UInt64 = 0
        /// What may be sent without asking.
        var room = SendRoom()
    }

    private let connection: Connection
    private let id: UInt64
    private let maxChunk: Int
    private let state: Mutex<State>

    init(connection: Connection, id: UInt64, maxChunk: Int, codec: BodyCodec, digest: BodyDigest) {
        self.connection = connection
        self.id = id
        self.maxChunk = maxChunk
        let digest: CRC32Digest? = digest == .crc32 ? CRC32Digest() : nil
        state = Mutex(State(digest: digest, compresses: codec == .zlib))
    }

    /// Raw bytes sent so far.
    var sent: UInt64 { state.withLock { $0.sent } }

    /// Sends all of `bytes`, waiting for credit as often as needed; a flush needs at least one.
    ///
    /// Returns when the last of them are queued.
    func send(_ bytes: ArraySlice<UInt8>, flush: Bool = false) async throws(CallError) {
        var rest = bytes
        while !rest.isEmpty {
            var room = state.withLock { $0.room }
            if room.isEmpty { room = try await connection.sendRoom(id) }
            let count = min(room.bytes, maxChunk, rest.count)
            let isLast = count == rest.count
            let chunk = encode(rest.prefix(count), isFlush: flush && isLast)
            rest = rest.dropFirst(count)
            connection.send(chunk, on: id)
            state.withLock { state in
                state.room = SendRoom(bytes: room.bytes - count, chunks: room.chunks - 1)
                state.sent += UInt64(count)
            }
        }
    }

    private func encode(_ raw: ArraySlice<UInt8>, isFlush: Bool) -> Chunk {
        state.withLock { state in
            state.digest?.update(raw.span)
            guard state.compresses else { return Chunk(stored: raw, isFlush: isFlush) }
            let deflater = state.deflater ?? ChunkDeflater()
            state.deflater = deflater
            switch deflater.encode(raw.span) {
            case .stored: return Chunk(stored: raw, isFlush: isFlush)
            case .compressed(let bytes): return Chunk(compressed: bytes[...], rawCount: raw.count, isFlush: isFlush)
            }
        }
    }

    /// Says that the body is complete.
    func finish(_ trailer: Trailer) {
        let digest = state.withLock { state in
            state.deflater = nil
            return state.digest?.value ?? 0
        }
        connection.sendEnd(id, digest: digest, trailer: trailer)
    }
}
