// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Progress and log lines of one call, for whoever asks for them: most callers never do.
///
/// At most ``limit`` wait, the newest.
final class CallEvents: Sendable {
    /// Events that are kept for a slow reader, or one who has not come yet.
    static let limit = 256

    private struct State {
        /// What came before the stream was asked for.
        var early: [CallEvent] = []
        var stream: AsyncStream<CallEvent>?
        var listener: AsyncStream<CallEvent>.Continuation?
        var isOver = false
    }

    private let state = Mutex(State())

    /// Hands an event on; gives the one that had to make room for it.
    func tell(_ event: CallEvent) -> CallEvent? {
        state.withLock { state in
            if let listener = state.listener {
                guard case .dropped(let oldest) = listener.yield(event) else { return nil }
                return oldest
            }
            state.early.append(event)
            return state.early.count > Self.limit ? state.early.removeFirst() : nil
        }
    }

    /// Nothing more will come.
    func finish() {
        let listener = state.withLock { state in
            state.isOver = true
            return state.listener.take()
        }
        listener?.finish()
    }

    /// All of them, also those that came before; for one reader.
    var stream: AsyncStream<CallEvent> {
        state.withLock { state in
            if let stream = state.stream { return stream }
            let (stream, listener) = AsyncStream<CallEvent>.makeStream(bufferingPolicy: .bufferingNewest(Self.limit))
            for event in state.early { listener.yield(event) }
            state.early = []
            state.stream = stream
            if state.isOver { listener.finish() } else { state.listener = listener }
            return stream
        }
    }
}
