// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Synchronization

/// Messages that begin with their number's mark, and the check over them.
final class MarkedMessages: Sendable {
    private struct State {
        /// Used in turn: by the time one comes again its bytes have been written, and it is marked without a copy.
        var messages: [[UInt8]]
        var index = 0
        var check: Check
    }

    private static let turns = 4

    private let state: Mutex<State>
    private let count: Int

    init(message: [UInt8], count: Int) {
        let messages = (0..<Self.turns).map { _ in message.map { $0 } }
        state = Mutex(State(messages: messages, check: Check(messageBytes: message.count)))
        self.count = count
    }

    func next() -> [UInt8]? {
        state.withLock { state in
            guard state.index < count else { return nil }
            let turn = state.index % Self.turns
            Input.mark(&state.messages[turn], state.index)
            state.index += 1
            state.check.add(state.messages[turn])
            return state.messages[turn]
        }
    }

    /// Throws unless `answer` is the check over all of them.
    func compare(_ answer: [UInt8]) throws(BenchError) {
        let check = state.withLock { $0.check.text }
        let found = String(decoding: answer, as: UTF8.self)
        guard found == check else { throw BenchError("the check differs: \(found), not \(check)") }
    }

    /// W3's messages, their length and the bytes of all.
    static func all(_ settings: Settings) throws -> (MarkedMessages, length: Int, total: Int) {
        let length = settings.number("msg", 1 << 20)
        let count = settings.number("total", 1 << 30) / length
        guard count > 0, length >= Check.bytes else { throw BenchError("'total' must be at least 'msg', that 8") }
        let content = try Input.data(settings, length)
        var message = content
        while message.count < length { message += content }
        message.removeLast(message.count - length)
        return (MarkedMessages(message: message, count: count), length, count * length)
    }
}

/// A body of any length from one piece that comes again and again.
final class RepeatedPiece: Sendable {
    private let piece: [UInt8]
    private let bytes: Int
    private let sent = Mutex(0)

    init(_ piece: [UInt8], bytes: Int) {
        self.piece = piece
        self.bytes = bytes
    }

    var body: OutboundBody {
        .pieces(size: UInt64(bytes)) { self.next() }
    }

    private func next() -> [UInt8]? {
        sent.withLock { sent in
            let count = min(piece.count, bytes - sent)
            guard count > 0 else { return nil }
            sent += count
            return count == piece.count ? piece : Array(piece[..<count])
        }
    }
}
