// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Cuts a body into chunks, proves and compresses them on the caller's thread, and sends them as credit allows.
///
/// Used by one task at a time.
final class BodySender: Sendable {
    private struct State {
        var encoder: BodyEncoder
        var sent: UInt64 = 0
        /// What may be sent without asking.
        var room = SendRoom()
    }

    private let connection: Connection
    private let id: UInt64
    private let maxChunk: Int
    private let state: Mutex<State>

    init(connection: Connection, id: UInt64, maxChunk: Int, offer: Offer) {
        self.connection = connection
        self.id = id
        self.maxChunk = maxChunk
        state = Mutex(State(encoder: BodyEncoder(offer)))
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
            let chunk = state.withLock { $0.encoder.encode(rest.prefix(count), isFlush: flush && isLast) }
            rest = rest.dropFirst(count)
            connection.send(chunk, on: id)
            state.withLock { state in
                state.room = SendRoom(bytes: room.bytes - count, chunks: room.chunks - 1)
                state.sent += UInt64(count)
            }
        }
    }

    /// Says that the body is complete.
    func finish(_ trailer: Trailer) {
        let digest = state.withLock { $0.encoder.finish() }
        connection.sendEnd(id, digest: digest, trailer: trailer)
    }
}
