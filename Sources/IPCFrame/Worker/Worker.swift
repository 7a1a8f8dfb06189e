// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// The whole of a child: connects to the parent that started it, answers its calls, ends when it is told to.
///
///     Worker.run(name: "greeter") { call in
///         guard call.method == "greet" else { throw Worker.unknownMethod(call.method) }
///         try await call.respond(Array("Hello, \(call["name"] ?? "world")!".utf8))
///     }
public enum Worker {
    /// The environment variable that holds the socket's descriptor.
    public static let descriptorVariable = "IPCFRAME_FD"

    /// Exit codes of a worker that ends because of its connection (sysexits(3)).
    enum ExitCode {
        static let usage: CInt = 64
        static let vanishedParent: CInt = 1
        static let protocolError: CInt = 76
        static let rejected: CInt = 78
    }

    /// Runs the worker.
    ///
    /// Makes the calling thread the connection's, and never returns.
    ///
    /// Each call is handled on a thread of its own, where it may block, in C too. The process ends with 0 after the
    /// parent has drained it, with 78 when the parent rejects it, with 76 when the parent breaks the protocol. When
    /// the parent vanishes, running calls are cancelled, and after a second at the most the whole session is killed; as it
    /// is on SIGTERM, which the kernel sends when the parent is killed, unless the program has a handler of its own.
    ///
    /// - Parameters:
    ///   - name: who this is, for the parent's logs.
    ///   - limits: the limits that this worker keeps.
    ///   - placement: for a method, where its calls run; without it each on a thread of its own.
    ///   - initialise: work to do before the first call, on a thread of its own; a thrown error ends the worker, and
    ///     the parent is told why.
    ///   - handler: answers one call.
    public static func run(
        name: String,
        limits: ConnectionLimits = ConnectionLimits(),
        placement: (@Sendable (_ method: String) -> Placement)? = nil,
        initialise: (@Sendable @concurrent () async throws -> Void)? = nil,
        handler: @escaping @Sendable @concurrent (IncomingCall) async throws -> Void
    ) -> Never {
        let socket = takeSocket(name: name)
        // Also what the kernel sends when the supervisor is gone, which then cannot end the session any more.
        clinux_end_session_on_sigterm()
        clinux_keep_memory()
        // While this thread connects, on a core that the parent does not need just now.
        CallThreads.shared.prepare()
        let reactor = Reactor(name: name)
        var configuration = ConnectionConfiguration(name: name)
        configuration.limits = limits
        // The parent's deadline is the one that counts; this one is for a parent that is alive and never answers.
        configuration.handshakeTimeout = .seconds(60)
        configuration.handle(placement: placement, with: handler)
        let connection = Connection(adopting: socket, role: .child, reactor: reactor, configuration: configuration)
        reactor.perform {
            connection.assumeIsolated { connection in
                if let initialise { connection.setOnPrepare { [connection] in Self.prepare(connection, initialise) } }
                connection.whenClosed { leave($0) }
            }
        }
        connection.start()
        reactor.runOnCurrentThread()
        exit(0)
    }

    /// The failure of a call whose method the worker does not have.
    public static func unknownMethod(_ method: String) -> CallFailure {
        CallFailure(.unknownMethod, exitCode: 64, reason: "this worker has no method '\(method)'")
    }

    private static func prepare(
        _ connection: Connection,
        _ initialise: @escaping @Sendable @concurrent () async throws -> Void
    ) {
        CallThreads.shared.run {
            do {
                try await initialise()
                await connection.ready()
            } catch {
                await connection.failToInitialise("\(error)")
            }
        }
    }

    static func takeSocket(name: String) -> OwnedDescriptor {
        guard let value = unsafe getenv(descriptorVariable), let descriptor = CInt(unsafe String(cString: value)) else {
            stop(
                "\(name) is a worker and is started by a supervisor: \(descriptorVariable) is not set.\n"
                    + "Try: ipc-parent run --worker \(CommandLine.arguments.first ?? name) JOB",
                ExitCode.usage
            )
        }
        // Before anything else: no program that this one starts inherits the protocol.
        let result = clinux_adopt_socket(descriptor)
        guard result == 0 else {
            let error = SystemError(call: "descriptor \(descriptor) of \(descriptorVariable)", errno: -result)
            stop("\(name): \(error)", ExitCode.usage)
        }
        unsafe unsetenv(descriptorVariable)
        return OwnedDescriptor(adopting: descriptor)
    }

    private static func leave(_ end: ConnectionEnd) {
        guard end.isParentGone else { exitOrderly(end) }
        // The calls were cancelled when the connection ended; they have a second to clean up.
        CallThreads.shared.run {
            let myself = 1
            for _ in 0..<100 where CallThreads.shared.running > myself { usleep(10_000) }
            clinux_end_own_session()
            exit(ExitCode.vanishedParent)
        }
    }

    /// Ends the process after a connection whose parent is still there.
    static func exitOrderly(_ end: ConnectionEnd) -> Never {
        switch end {
        case .orderly: exit(0)
        case .rejected(_, let reason): stop("rejected by the parent: \(reason)", ExitCode.rejected)
        case .violation, .reportedByPeer: stop("\(end)", ExitCode.protocolError)
        case .handshakeTimedOut: stop("the parent did not answer the handshake in time", ExitCode.protocolError)
        case .aborted, .peerVanished, .peerNotReading, .system: exit(ExitCode.protocolError)
        }
    }

    static func stop(_ message: String, _ code: CInt) -> Never {
        let line = message + "\n"
        _ = unsafe write(2, line, line.utf8.count)
        exit(code)
    }
}

extension ConnectionEnd {
    /// Whether nobody is there any more to whom a worker could be of use.
    var isParentGone: Bool {
        switch self {
        case .peerVanished, .peerNotReading, .system: true
        case .orderly, .violation, .reportedByPeer, .rejected, .handshakeTimedOut, .aborted: false
        }
    }
}
