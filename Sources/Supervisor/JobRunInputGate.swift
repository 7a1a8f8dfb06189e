// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Synchronization

/// Stands between a call and the job's input: lets one read at a time through, and keeps what went wrong, which on its
/// way through the call becomes mere text.
final class InputGate: Sendable {
    private struct State {
        var isReading = false
        var failure: JobBodyError?
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Reads, and remembers a failure.
    func pass(_ read: () throws(JobBodyError) -> [UInt8]?) throws(JobBodyError) -> [UInt8]? {
        state.withLock { $0.isReading = true }
        defer { leave() }
        do throws(JobBodyError) {
            return try read()
        } catch {
            state.withLock { $0.failure = error }
            throw error
        }
    }

    /// Returns when no read is under way.
    func idle() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.isReading { state.waiters.append(continuation) }
                return !state.isReading
            }
            if isIdle { continuation.resume() }
        }
    }

    /// What became of the input, given what the call says of it.
    func event(_ error: CallError) -> JobRunMachine.Event {
        state.withLock { $0.failure }.map(\.event) ?? .inputFailed("\(error)")
    }

    private func leave() {
        let waiters = state.withLock { state in
            state.isReading = false
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
