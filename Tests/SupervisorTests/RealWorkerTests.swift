// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import Supervisor

/// The products of the build, which lie beside the test bundle.
private let products = Swift.CommandLine.arguments[0].split(separator: "/").dropLast().map { "/" + $0 }.joined()

@Suite(.timeLimit(.minutes(2))) struct RealWorkerTests {
    @Test func aRealWorkerShakesHandsAndEndsInOrder() async throws {
        let worker = try await WorkerProcess.spawn(WorkerConfiguration(executable: "\(products)/ipc-child"))
        try await worker.ready()
        #expect(try await worker.connection.ping() > .zero)
        await worker.stop()
        let exit = await worker.waitForExit()
        #expect(exit.reason == .exited(code: 0), "\(exit)")
        #expect(exit.signalsSent == [])
        #expect(await worker.connection.closed() == .orderly)
    }

    @Test func aWholeAnswerComesInOneStep() async throws {
        let worker = try await WorkerProcess.spawn(WorkerConfiguration(executable: "\(products)/ipc-child"))
        // Before it is ready: the call waits for that.
        let answer = try await worker.call("echo", body: .bytes([1, 2, 3]), upTo: 3)
        #expect(answer.body == [1, 2, 3] && (answer.trailer.peakRSS ?? 0) > 0)
        await #expect(throws: CallError.tooLarge(limit: 2)) {
            try await worker.call("echo", body: .bytes([1, 2, 3]), upTo: 2)
        }
        await worker.stop()
        await #expect(throws: (any Error).self) { try await worker.call("echo", upTo: 3) }
    }

    @Test func aRealWorkerThatIsKilledIsExplained() async throws {
        let worker = try await WorkerProcess.spawn(WorkerConfiguration(executable: "\(products)/ipc-child"))
        try await worker.ready()
        await worker.kill(.cancelled(by: "a test"))
        #expect(await worker.waitForExit().reason == .cancelled(by: "a test"))
        guard case .peerVanished = await worker.connection.closed() else {
            Issue.record("the connection should have ended by the end of the stream")
            return
        }
    }

    @Test func aProgramThatSpeaksAnotherLanguageBreaksTheProtocol() async throws {
        let configuration = WorkerConfiguration(
            executable: "/bin/sh",
            arguments: ["-c", "echo 'this is certainly no HELLO, nor anything else' >&3; sleep 1000"]
        )
        let worker = try await WorkerProcess.spawn(configuration)
        let error = await #expect(throws: WorkerExit.self) { try await worker.ready() }
        guard case .protocolViolation = error?.reason else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
