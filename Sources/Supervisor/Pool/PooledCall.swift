// SPDX-License-Identifier: Apache-2.0
public import IPCFrame
internal import Synchronization

/// One attempt at a call, on a worker of a pool.
public final class PooledCall: Sendable {
    /// The call's number in the pool.
    public let number: UInt64
    /// The worker's number in the pool.
    public let worker: UInt64
    /// 1 for the first attempt.
    public let attempt: Int
    let outgoing: OutgoingCall
    private let body = Mutex<InboundBody?>(nil)

    init(number: UInt64, worker: UInt64, attempt: Int, outgoing: OutgoingCall) {
        self.number = number
        self.worker = worker
        self.attempt = attempt
        self.outgoing = outgoing
    }

    /// Progress and log lines, as they come; ends with the call.
    public var events: AsyncStream<CallEvent> { outgoing.events }

    /// What the call has moved so far.
    public var statistics: CallStatistics { outgoing.statistics }

    /// Whether the worker has said that the call's effects may be lasting: it should be left to end.
    public var isFinal: Bool { outgoing.isFinal }

    /// Waits for the answer to begin.
    public func response() async throws(CallError) -> Response {
        let response = try await outgoing.response()
        body.withLock { $0 = response.body }
        return response
    }

    /// Whether all of the answer has been taken.
    var isTaken: Bool { body.withLock { $0?.trailer != nil } }
}

/// The whole answer to a call, in memory.
public struct PoolReply: Sendable {
    /// The status arguments.
    public let arguments: [Argument]
    /// The response body.
    public let bytes: [UInt8]
    /// What the worker told at the end: its exit code, counts, and what it used.
    public let trailer: Trailer
}
