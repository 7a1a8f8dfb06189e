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
}
