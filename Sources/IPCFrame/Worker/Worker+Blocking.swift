// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

extension Worker {
    /// Runs a worker that does one thing at a time, on the calling thread, and never returns.
    ///
    ///     Worker.runBlocking(name: "greeter") { call in
    ///         guard call.method == "greet" else { throw Worker.unknownMethod(call.method) }
    ///         try call.respond(Array("Hello, \(call["name"] ?? "world")!".utf8))
    ///     }
    ///
    /// The quickest way to answer many small calls: no other thread and no task. While a handler computes nothing is
    /// read; see ``BlockingCall``. Calls that come meanwhile wait their turn. For calls that take longer than the
    /// supervisor's heartbeat, or several at once, use ``run(name:limits:placement:initialise:handler:)``. It ends as that
    /// does.
    ///
    /// - Parameters:
    ///   - name: who this is, for the parent's logs.
    ///   - limits: the limits that this worker keeps.
    ///   - initialise: work to do before the first call; a thrown error ends the worker, and the parent is told why.
    ///   - handler: answers one call.
    public static func runBlocking(
        name: String,
        limits: ConnectionLimits = ConnectionLimits(),
        initialise: (() throws -> Void)? = nil,
        handler: (BlockingCall) throws -> Void
    ) -> Never {
        let socket = takeSocket(name: name)
        clinux_end_session_on_sigterm()
        clinux_keep_memory()
        let link = BlockingLink(socket, role: .child, name: name, limits: limits)
        do throws(ConnectionEnd) {
            try serve(link, initialise, handler)
        } catch {
            guard error.isParentGone else { exitOrderly(error) }
            clinux_end_own_session()
            exit(ExitCode.vanishedParent)
        }
    }

    static func serve(
        _ link: BlockingLink,
        _ initialise: (() throws -> Void)?,
        _ handler: (BlockingCall) throws -> Void
    ) throws(ConnectionEnd) -> Never {
        link.state.machine.start()
        guard try link.wait(until: .now + .seconds(60), { link.state.isPrepared }) else { throw .handshakeTimedOut }
        do {
            try initialise?()
            link.state.machine.ready()
        } catch {
            link.state.machine.failToInitialise("\(error)")
        }
        while true {
            try link.wait { link.state.hasCalls }
            // One that was cancelled meanwhile is answered too, without work.
            while let (stream, request) = link.state.takeCall() {
                let call = BlockingCall(link, stream, request)
                do {
                    if let failure = stream.failure { throw failure }
                    try handler(call)
                    try call.finish()
                } catch {
                    call.fail(error)
                }
            }
        }
    }
}
