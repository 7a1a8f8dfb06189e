// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Testing

@testable import IPCFrame

/// What goes wrong between ends of which one blocks, at least.
@Suite struct BlockingFailureTests {
    @Test("A failure is told, and the connection goes on", arguments: BlockingRig.Driver.allCases)
    func failures(child: BlockingRig.Driver) async throws {
        try await BlockingRig.withBlockingParent(child: child) { parent in
            let bad = CallError.failed(RemoteError(code: .badData, exitCode: 65, reason: "the data are bad"))
            #expect { try parent.call("fail") } throws: { error in
                guard case .failed(let told)? = error as? CallError, case .failed(let wanted) = bad else {
                    return false
                }
                return told.code == wanted.code && told.exitCode == wanted.exitCode && told.reason == wanted.reason
            }
            #expect { try parent.call("nonsense") } throws: {
                ($0 as? CallError)?.description.contains("nonsense") == true
            }
            #expect(throws: CallError.methodNameLength(0)) { try parent.call("") }
            var options = CallOptions()
            options.timeout = .seconds(60)
            #expect {
                try parent.call("begin badly", options: options)
            } throws: { error in
                if case CallError.failed(let told) = error { told.code != .deadlineExceeded } else { false }
            }
            #expect(throws: CallError.tooLarge(limit: 10)) {
                try parent.call("echo", body: [UInt8](repeating: 1, count: 11), upTo: 10)
            }
            let answer = try parent.call("echo", body: [7])
            #expect(answer.body == [7])
        }
    }

    @Test func aSourceThatFailsOrLiesGivesUpTheCallOnly() async throws {
        struct Broken: Error {}
        try await BlockingRig.withBlockingParent(child: .blocking) { parent in
            var pieces = 0
            #expect(throws: Broken.self) {
                try parent.call("count") {
                    pieces += 1
                    if pieces == 3 { throw Broken() }
                    return [UInt8](repeating: 1, count: 300_000)
                } receiving: { _ in
                }
            }
            #expect {
                try parent.call("count", size: 5) {
                    nil
                } receiving: { _ in
                }
            } throws: {
                if case .source? = $0 as? CallError { true } else { false }
            }
            #expect(throws: Broken.self) {
                try parent.call("echo", size: nil, sending: Self.once([1, 2])) { _ in throw Broken() }
            }
            let answer = try parent.call("echo", body: [7])
            #expect(answer.body == [7])
        }
    }

    private static func once(_ bytes: [UInt8]) -> () -> [UInt8]? {
        var rest: [UInt8]? = bytes
        return {
            defer { rest = nil }
            return rest
        }
    }

    @Test func aBodyOfUnknownSizeMayBeEmptyAndOneThatNobodyReadsIsNotSent() async throws {
        try await BlockingRig.withBlockingParent(child: .blocking) { parent in
            let none = try parent.call("count") {
                nil
            } receiving: { _ in
            }
            #expect(none.trailer.counts == [Count("bytes", 0)])
            var pieces = 0
            _ = try parent.call("ignore") {
                pieces += 1
                return [UInt8](repeating: 1, count: 100_000)
            } receiving: { _ in
            }
            #expect(pieces < 100, "an endless body that is not read must not be sent")
            #expect { try parent.call("short") } throws: { "\($0)".contains("announced 10 bytes and wrote 1") }
        }
    }

    @Test func aDeadlineGivesUpTheCallAndNotTheConnection() async throws {
        try await BlockingRig.withBlockingParent(child: .async) { parent in
            var options = CallOptions()
            options.timeout = .milliseconds(100)
            for method in ["never", "endless"] {
                #expect {
                    _ = try parent.call(method, options: options) {
                        nil
                    } receiving: { _ in
                    }
                } throws: { error in
                    guard case .failed(let told)? = error as? CallError else { return false }
                    return told.code == .deadlineExceeded
                }
            }
            let answer = try parent.call("echo", body: [7])
            #expect(answer.body == [7])
        }
    }

    @Test func aBlockingChildNoticesACancelAndAnswersPingsWhenItLooks() async throws {
        try await BlockingRig.withBlockingChild { parent in
            let call = try await parent.call("wait")
            _ = try await parent.ping()
            call.cancel()
            await #expect(throws: CallError.cancelled) { _ = try await call.response() }
            await call.finished()
            #expect(await parent.openCalls == 0)
        }
    }

    @Test(.timeLimit(.minutes(5))) func aHandlerThatLooksAfterTheParentsLastWordDoesNotSpin() async throws {
        let (parent, child) = try BlockingRig.sockets()
        let ended = BlockingRig.startBlockingChild(OwnedDescriptor(adopting: child))
        var machine = ConnectionStateMachine(role: .parent)
        var reader = FrameReader()
        var writer = FrameWriter()
        func step() {
            while machine.nextAction() != nil {}
            _ = writer.write(to: parent) { machine.nextFrame() }
        }
        while machine.phase != .open {
            step()
            guard case .frame(let header, let payload) = reader.next(from: parent, waits: true, admit: { _ in true })
            else { break }
            machine.receive(header, payload: payload)
        }
        // A call that looks whether it is cancelled; then BYE, though the call is open, and the end of the file.
        _ = try machine.openCall(Request(method: "wait", offer: Offer(size: 0)))
        machine.sendEnd(1, digest: 0, trailer: Trailer())
        step()
        var bye: [UInt8] = []
        FrameHeader(.bye).encode(into: &bye)
        #expect(unsafe write(parent, bye, bye.count) == bye.count)
        _ = clinux_shutdown_write(parent)
        #expect(await ended.value != nil)
        _ = close(parent)
    }

    @Test func aParentThatVanishesEndsTheChildAndOneThatIsNotThereIsNoticed() async throws {
        let (parent, child) = try BlockingRig.sockets()
        let ended = BlockingRig.startBlockingChild(OwnedDescriptor(adopting: child))
        _ = close(parent)
        #expect(await ended.value == .peerVanished(duringFrame: false))

        let (alone, other) = try BlockingRig.sockets()
        defer { _ = close(other) }
        let connection = BlockingConnection(adopting: OwnedDescriptor(adopting: alone))
        #expect(throws: ConnectionEnd.handshakeTimedOut) { try connection.handshake(timeout: .milliseconds(50)) }
    }
}
