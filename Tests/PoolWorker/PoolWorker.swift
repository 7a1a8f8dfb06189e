// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame

/// The worker that the tests of the pool start: each method is one thing that a call may do to its worker.
@main
enum PoolWorker {
    static func main() {
        // `pool-worker FILE`: exits at once as long as there is no such file.
        if CommandLine.arguments.count > 1, unsafe access(CommandLine.arguments[1], F_OK) != 0 { _exit(40) }
        Worker.run(name: "pool-worker", handler: handle)
    }

    @Sendable @concurrent
    static func handle(_ call: IncomingCall) async throws {
        switch call.method {
        case "echo": try await echo(call)
        case "pid": try await call.respond(Array("\(getpid())".utf8))
        case "tell": try await tell(call)
        case "ask": try await ask(call)
        case "exit": _exit(number(call, "code"))
        case "crash": crash()
        case "flaky": try await failOnce(call)
        case "retry":
            throw CallFailure(.failed, exitCode: 75, isRetryable: true, reason: "come again")
        case "nap": try await nap(call)
        case "move": try await move(call)
        case "wait": try await waitForCancel(call)
        // In C, and deaf to everything.
        case "hang": while true { sleep(1) }
        case "grow": try await grow(call)
        case "leave": try await leave(call)
        default: throw Worker.unknownMethod(call.method)
        }
    }

    private static func number(_ call: IncomingCall, _ key: String) -> Int32 { call[key].flatMap { Int32($0) } ?? 0 }

    private static func echo(_ call: IncomingCall) async throws {
        let writer = call.respond(size: call.body.size)
        for try await piece in call.body { try await writer.write(piece) }
    }

    private static func tell(_ call: IncomingCall) async throws {
        let count = number(call, "count")
        for step in 1...max(1, count) {
            call.log(.info, "line \(step)")
            call.progress(Progress(completed: UInt64(step), total: UInt64(count), unit: "steps"))
        }
        try await call.respond(Array("told".utf8))
    }

    /// Calls the parent in the middle of its call, and answers what the parent answers.
    private static func ask(_ call: IncomingCall) async throws {
        let question = try await call.body.collect(upTo: 1 << 20)
        let asked = try await call.peer.call("lookup", body: .bytes(question))
        try await call.respond(try await asked.response().body.collect(upTo: 1 << 20))
    }

    private static func crash() -> Never {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        unsafe UnsafeMutablePointer<UInt8>(bitPattern: 8)?.pointee = 1
        _exit(1)
    }

    /// Dies, unless one like it has died before.
    private static func failOnce(_ call: IncomingCall) async throws {
        let marker = unsafe open(call["marker"] ?? "", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if marker >= 0 { _exit(9) }
        try await call.respond(Array("at last".utf8))
    }

    private static func nap(_ call: IncomingCall) async throws {
        usleep(UInt32(number(call, "milliseconds")) * 1_000)
        try await call.respond(Array("awake".utf8))
    }

    /// Tells of progress every so often.
    private static func move(_ call: IncomingCall) async throws {
        let steps = number(call, "steps")
        for step in 1...max(1, steps) {
            usleep(UInt32(number(call, "milliseconds")) * 1_000)
            call.progress(Progress(completed: UInt64(step), total: UInt64(steps), unit: "steps"))
        }
        try await call.respond(Array("moved".utf8))
    }

    /// Says that it is there, waits until it is cancelled, and ends as a good call does then.
    private static func waitForCancel(_ call: IncomingCall) async throws {
        call.log(.info, "waiting")
        while !call.isCancelled { usleep(1_000) }
        throw CallFailure(.cancelled, exitCode: 0, reason: "cancelled")
    }

    /// Takes memory and never gives it back.
    private static func grow(_ call: IncomingCall) async throws {
        let size = Int(number(call, "bytes"))
        if let block = unsafe malloc(size) { unsafe memset(block, 1, size) }
        try await call.respond(Array("\(getpid())".utf8))
    }

    /// Takes no more calls, but does this one, once its body has come.
    private static func leave(_ call: IncomingCall) async throws {
        await call.peer.drain()
        call.log(.info, "leaving")
        _ = try await call.body.collect(upTo: 1 << 20)
        try await call.respond(Array("left".utf8))
    }
}
