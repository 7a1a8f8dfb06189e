// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

extension WorkerProcess {
    /// Opens a call as soon as the worker is ready.
    ///
    /// - Throws: ``WorkerExit`` when the worker has ended, with the reason; `CallError` when the call cannot be opened.
    public nonisolated func call(
        _ method: String,
        arguments: [Argument] = [],
        body: OutboundBody = .none,
        options: CallOptions = CallOptions()
    ) async throws -> OutgoingCall {
        try await ready()
        return try await connection.call(method, arguments: arguments, body: body, options: options)
    }

    /// Makes a call as soon as the worker is ready, and collects its answer, of at most `limit` raw bytes.
    ///
    /// - Throws: ``WorkerExit`` when the worker has ended before, with the reason; `CallError` when the call fails.
    public nonisolated func call(
        _ method: String,
        arguments: [Argument] = [],
        body: OutboundBody = .none,
        options: CallOptions = CallOptions(),
        upTo limit: UInt64
    ) async throws -> Answer {
        try await ready()
        return try await connection.call(method, arguments: arguments, body: body, options: options, upTo: limit)
    }
}
