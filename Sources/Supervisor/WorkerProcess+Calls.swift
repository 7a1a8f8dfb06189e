// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

// One worker as a server embeds it: start it, call it, stop it.
extension WorkerProcess {
    /// Starts a worker; on return its program runs and the handshake has begun.
    ///
    /// - Parameters:
    ///   - configuration: the program, its limits and deadlines.
    ///   - connection: the parent's end; its `onCall` takes calls that the worker opens.
    ///   - reactor: the thread that the worker and its connection live on.
    /// - Throws: ``SpawnError`` when the program cannot be started; nothing is left behind then.
    public static func start(
        _ configuration: WorkerConfiguration,
        connection: ConnectionConfiguration = ConnectionConfiguration(),
        on reactor: Reactor = .shared
    ) async throws(SpawnError) -> WorkerProcess {
        try await spawn(configuration, on: reactor) { socket, reactor in
            Connection(adopting: socket, role: .parent, reactor: reactor, configuration: connection)
        }
    }

    /// The connection to the worker.
    ///
    /// - Precondition: the worker was started by ``start(_:connection:on:)``.
    public nonisolated var connection: Connection {
        guard let connection = link as? Connection else { preconditionFailure("this worker has another kind of link") }
        return connection
    }

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
