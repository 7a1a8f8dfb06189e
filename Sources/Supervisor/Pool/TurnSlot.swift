// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension WorkerPool {
    /// What the pool tells who made a call.
    enum Turn: Sendable {
        /// An attempt has begun.
        case run(PooledCall)
        /// The call is over; with what a stalled worker was about, and with why an attempt could not even begin.
        case finished(PoolMachine.Verdict, StallEvidence?, notOpened: CallError?)
    }

    /// What the pool tells who made a call, until he looks.
    final class TurnSlot: Sendable {
        private struct State: Sendable {
            var turn: Turn?
            var isClosed = false
        }

        private let state = WaitableState(State())

        /// Puts a turn in, and gives the one that it replaces: the caller will never hear of that.
        @discardableResult
        func put(_ turn: Turn) -> Turn? {
            state.change { state in
                guard !state.isClosed else { return nil }
                defer { state.turn = turn }
                return state.turn
            }
        }

        /// Takes no more turns; gives the one that has come, if one has.
        func close() -> Turn? {
            state.withLock { state in
                state.isClosed = true
                return state.turn.take()
            }
        }

        /// The next turn, once.
        func take() async -> Turn {
            await state.wait { $0.turn != nil }
            guard let turn = state.withLock({ $0.turn.take() }) else {
                preconditionFailure("a turn that has come is taken by one alone")
            }
            return turn
        }
    }
}
