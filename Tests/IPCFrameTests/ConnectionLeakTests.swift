// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import IPCFrame

/// Must-not-grow: everything that a call takes is given back.
@Suite struct ConnectionLeakTests {
    @Test func aThousandCallsOnOneConnectionLeaveNothingBehind() async {
        // In a process of its own: other tests open descriptors meanwhile.
        await #expect(processExitsWith: .success) {
            let pair = try await ConnectedPair { try await LeakScene.handle($0) }
            for round in 0..<200 { try await LeakScene.call(pair, round) }
            try await LeakScene.settle(pair)
            let (descriptors, memory) = try LeakScene.usage()
            for round in 0..<1_000 { try await LeakScene.call(pair, round) }
            try await LeakScene.settle(pair)
            let (descriptorsAfter, memoryAfter) = try LeakScene.usage()
            #expect(descriptorsAfter == descriptors)
            #expect(memoryAfter < memory + LeakScene.allowance, "\(memory) bytes, then \(memoryAfter)")
            await pair.close()
        }
    }
}

/// Calls of every kind: answered, failed, cancelled, refused, not read, stopped.
private enum LeakScene {
    /// Sanitizers keep freed memory for a while to find uses of it.
    static var allowance: UInt64 {
        let isSanitized = ["__asan_init", "__tsan_init"].contains { (name: String) in unsafe dlsym(nil, name) != nil }
        // 1,000 leaks of as little as a call's record (some 3 KB with its events) would pass 3 MiB.
        return isSanitized ? 512 << 20 : 2 << 20
    }

    static func handle(_ call: IncomingCall) async throws {
        call.onCancel {}
        call.progress(Progress(completed: 1, unit: "rows"))
        switch call.method {
        case "fail": throw CallFailure(reason: "as asked")
        case "refuse": await call.refuse(.notWanted, reason: "as asked")
        case "ignore": try await call.respond([1, 2, 3])
        default: try await ConnectionTests.echo(call)
        }
    }

    static func call(_ pair: ConnectedPair, _ round: Int) async throws {
        let large = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 300_000)
        let call: OutgoingCall
        switch round % 8 {
        case 0, 1:
            call = try await pair.parent.call("echo", body: .bytes([1, 2, 3]))
            guard try await call.response().body.collect(upTo: 10) == [1, 2, 3] else { throw CallError.cancelled }
        case 2:
            call = try await pair.parent.call("echo", body: .bytes(large))
            guard try await call.response().body.collect(upTo: 300_000) == large else { throw CallError.cancelled }
        case 3:
            call = try await pair.parent.call("echo", body: .bytes(large))
            _ = try await call.response().body.nextPiece()
            call.cancel()
        case 4:
            call = try await pair.parent.call("fail", body: .bytes(large))
            _ = try? await call.response()
        case 5:
            call = try await pair.parent.call("refuse", body: .pieces { large })
            _ = try? await call.response()
        case 6:
            call = try await pair.parent.call("ignore", body: .pieces { large })
            _ = try await call.response().body.collect(upTo: 10)
        default:
            call = try await pair.parent.call("echo", body: .bytes(large))
            await call.stopBody()
        }
        await call.finished()
    }

    /// Lets go what is still on its way.
    static func settle(_ pair: ConnectedPair) async throws {
        for _ in 0..<20_000 {
            let isIdle = await pair.parent.openCalls == 0
            if await pair.child.openCalls == 0, isIdle, CallThreads.shared.running == 0 { return }
            _ = try await pair.parent.ping()
        }
        Issue.record("\(CallThreads.shared.running) handlers or senders do not end")
    }

    static func usage() throws -> (descriptors: Int, memory: UInt64) {
        var count = 0
        for descriptor in 0..<CInt(1_024) where fcntl(descriptor, F_GETFD) >= 0 { count += 1 }
        var status = [UInt8](repeating: 0, count: 8_192)
        let file = unsafe open("/proc/self/status", O_RDONLY | O_CLOEXEC)
        let length = unsafe read(file, &status, status.count)
        _ = close(file)
        return (count, try #require(ProcessUsage.kilobytes(of: "VmRSS:", in: status[..<max(0, length)])))
    }
}

extension OutgoingCall {
    /// Stops the answer's body before it is read.
    fileprivate func stopBody() async {
        if let body = try? await response().body { await body.stop(reason: "not needed") }
    }
}
