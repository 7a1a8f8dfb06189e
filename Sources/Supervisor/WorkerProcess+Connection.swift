// SPDX-License-Identifier: Apache-2.0
public import IPCFrame

extension WorkerProcess {
    /// Starts a worker that speaks protocol version 1.
    ///
    /// On return its program runs, and the handshake has begun.
    public static func spawn(
        _ configuration: WorkerConfiguration,
        on reactor: Reactor = .shared,
        connection: ConnectionConfiguration = ConnectionConfiguration()
    ) async throws(SpawnError) -> WorkerProcess {
        var settings = connection
        // The start deadline covers the handshake, and says better what was not in time.
        settings.handshakeTimeout = max(settings.handshakeTimeout, configuration.startTimeout + .seconds(1))
        return try await spawn(configuration, on: reactor) { [settings] socket, reactor in
            Connection(adopting: socket, role: .parent, reactor: reactor, configuration: settings)
        }
    }

    /// The connection to the worker, for calls.
    public nonisolated var connection: Connection {
        guard let connection = link as? Connection else { preconditionFailure("the worker has another kind of link") }
        return connection
    }
}
