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
        var window = 0
    }

    private let connection: Connection
    private let id: UInt64
    private let state: Mutex<State>

    init(connection: Connection, id: UInt64, codec: BodyCodec, digest: BodyDigest) {
        self.connection = connection
        self.id = id
        let digest: CRC32Digest? = digest == .crc32 ? CRC32Digest() : nil
        state = Mutex(State(digest: digest, compresses: codec == .zlib))
    }

    /// Raw bytes sent so far.
    var sent: UInt64 { state.withLock { $0.sent } }

    /// Sends all of `bytes`, waiting for credit as often as needed.
    func send(_ bytes: ArraySlice<UInt8>, flush: Bool = false) async throws(CallError) {
        var rest = bytes
        while !rest.isEmpty {
            var window = state.withLock { $0.window }
            while window == 0 { window = try await connection.sendWindow(id) }
            let count = min(window, rest.count)
            let isLast = count == rest.count
            let chunk = encode(rest.prefix(count), isFlush: flush && isLast)
            rest = rest.dropFirst(count)
            let next = try await connection.send(chunk, on: id)
            state.withLock {
                $0.window = next
                $0.sent += UInt64(count)
            }
        }
        if bytes.isEmpty, flush {
            let chunk = Chunk(stored: [], isFlush: true)
            _ = try await connection.sendWindow(id)
            let next = try await connection.send(chunk, on: id)
            state.withLock { $0.window = next }
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
    func finish(_ trailer: Trailer) async {
        let digest = state.withLock { state in
            state.deflater = nil
            return state.digest?.value ?? 0
        }
        await connection.sendEnd(id, digest: digest, trailer: trailer)
    }
}
