// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import IPCFrame

/// A child that runs, and the parent's ends of what connects the two.
package struct SpawnedChild: ~Copyable, Sendable {
    package let pid: Int32
    /// Readable when the child has ended.
    package let pidfd: OwnedDescriptor
    /// What the child writes to its standard output and error; non-blocking.
    package let output: OwnedDescriptor
    /// The protocol's stream socket.
    package let socket: OwnedDescriptor
    /// The program's file.
    package let path: String
    /// The resident peak that the child inherited from the parent across exec.
    package let inheritedPeak: UInt64
}

extension SpawnedChild {
    /// A child taken apart into numbers, for one who will own each of them.
    struct Parts {
        let pid: Int32
        let pidfd: CInt
        let output: CInt
        let socket: CInt
        let path: String
        let inheritedPeak: UInt64
    }

    consuming func parts() -> Parts {
        Parts(
            pid: pid,
            pidfd: pidfd.release(),
            output: output.release(),
            socket: socket.release(),
            path: path,
            inheritedPeak: inheritedPeak
        )
    }
}

/// Starts children from one thread that never ends.
///
/// The thread matters: the signal that a child gets when its parent dies comes when the *thread* that made it ends.
package actor Spawner {
    /// The one spawner of the process.
    package static let shared = Spawner()

    let thread: Reactor
    /// Those that have not been reaped yet; kept only where orphans are told from them.
    var workers: Set<Int32> = []
    var isWatchingOrphans = false

    private init() {
        thread = Reactor(name: "ipcframe-spawn")
        thread.start()
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    /// Starts a child; when this returns, its program has replaced the parent's image.
    package func spawn(_ request: SpawnRequest) throws(SpawnError) -> SpawnedChild {
        try spawn(request, joining: nil)
    }

    /// Starts a child that joins a control group before its program runs.
    func spawn(_ request: SpawnRequest, joining group: MemoryGroup?) throws(SpawnError) -> SpawnedChild {
        guard let group else { return try make(request) }
        guard let membership = group.openMembership() else {
            throw SpawnError(.notPermitted, program: request.program, detail: "it cannot join its control group")
        }
        return try membership.withRawValue { (number) throws(SpawnError) in
            var joining = request
            joining.cgroupDescriptor = number
            return try make(joining)
        }
    }

    private func make(_ request: SpawnRequest) throws(SpawnError) -> SpawnedChild {
        let program = request.program
        if let problem = request.firstInvalidPart() {
            throw SpawnError(.invalidArgument, program: program, detail: problem)
        }
        guard clinux_children_are_discarded() == 0 else {
            throw SpawnError(
                .exitStatusesDiscarded,
                program: program,
                detail: "this process ignores SIGCHLD, so the kernel would discard the exit status;"
                    + " set the signal's disposition to its default"
            )
        }
        // getenv's result is copied at once.
        let searchPath = unsafe getenv("PATH").map { unsafe String(cString: $0) }
        let path = try ExecutableLookup.find(program, searchPath: searchPath)

        var (reader, writer, near, far): (CInt, CInt, CInt, CInt) = (-1, -1, -1, -1)
        try check(unsafe clinux_output_pipe(&reader, &writer), "pipe2", program)
        let output = OwnedDescriptor(adopting: reader)
        let outputEnd = OwnedDescriptor(adopting: writer)
        try check(unsafe clinux_socket_pair(&near, &far), "socketpair", program)
        let socket = OwnedDescriptor(adopting: near)
        let socketEnd = OwnedDescriptor(adopting: far)

        var result = clinux_spawn_result()
        let error = start(request, path: path, output: writer, socket: far, &result)
        _ = consume outputEnd
        _ = consume socketEnd
        guard error == 0 else { throw SpawnError(request, path: path, step: result.step, errno: -error) }
        began(result.pid)
        return SpawnedChild(
            pid: result.pid,
            pidfd: OwnedDescriptor(adopting: result.pidfd),
            output: output,
            socket: socket,
            path: path,
            inheritedPeak: clinux_own_maximum_rss()
        )
    }

    private func check(_ result: CInt, _ call: String, _ program: String) throws(SpawnError) {
        guard result < 0 else { return }
        throw SpawnError(
            .system,
            program: program,
            detail: "no descriptors for it could be made",
            cause: SystemError(call: call, errno: -result)
        )
    }

    private func start(
        _ request: SpawnRequest,
        path: String,
        output: CInt,
        socket: CInt,
        _ result: inout clinux_spawn_result
    ) -> CInt {
        let limits = request.limits.map { clinux_rlimit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
        // Every pointer is lent for the length of the call, which returns after the child has left this memory.
        return unsafe withCStrings([request.program] + request.arguments) { arguments in
            unsafe withCStrings(request.fullEnvironment()) { environment in
                unsafe withOptionalCString(request.workingDirectory) { directory in
                    unsafe path.withCString { path in
                        unsafe limits.withUnsafeBufferPointer { limits in
                            var raw = unsafe clinux_spawn_request(
                                path: path,
                                arguments: arguments,
                                environment: environment,
                                directory: directory,
                                output: output,
                                socket: socket,
                                cgroup: request.cgroupDescriptor,
                                nice: CInt(clamping: request.nice),
                                limits: limits.baseAddress,
                                limit_count: limits.count,
                                user: request.user.map(Int64.init) ?? -1,
                                group: request.group.map(Int64.init) ?? -1,
                                no_new_privileges: request.noNewPrivileges ? 1 : 0
                            )
                            return unsafe clinux_spawn(&raw, &result)
                        }
                    }
                }
            }
        }
    }
}

private func withOptionalCString<Result>(_ string: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    // Lent for the length of the call only.
    guard let string else { return body(nil) }
    return unsafe string.withCString(body)
}
