// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Synchronization

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
        /// Only wakes: the turn is taken under the lock.
        private typealias Waiter = CheckedContinuation<Void, Never>

        private struct State {
            var turn: Turn?
            var isClosed = false
            var waiter: Waiter?
        }

        private let state = Mutex(State())

        /// Puts a turn in, and gives the one that it replaces: the caller will never hear of that.
        @discardableResult
        func put(_ turn: Turn) -> Turn? {
            let (waiter, replaced) = state.withLock { state -> (Waiter?, Turn?) in
                guard !state.isClosed else { return (nil, nil) }
                let replaced = state.turn.take()
                state.turn = turn
                return (state.waiter.take(), replaced)
            }
            waiter?.resume()
            return replaced
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
            while true {
                if let turn = state.withLock({ $0.turn.take() }) { return turn }
                await withCheckedContinuation { (continuation: Waiter) in
                    let mustWake = state.withLock { state in
                        guard state.turn == nil else { return true }
                        state.waiter = continuation
                        return false
                    }
                    if mustWake { continuation.resume() }
                }
            }
        }
    }
}
