// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Synchronization
import Testing

@testable import Supervisor
@testable import ipc_parent

/// Each runs in a process of its own, where nothing else opens, spawns or allocates.
@Suite("What is left after a thousand times")
struct FailureMatrixLeakTests {
    /// What a process holds.
    struct Holdings: CustomStringConvertible {
        let descriptors = openDescriptors().count
        let threads = directoryEntries("/proc/self/task").count
        let residentSize = ProcessStatus.read(pid: getpid())?.residentSize ?? 0
        let children = directoryEntries("/proc").compactMap { Int32($0) }.filter(isChildOfOurs).count

        var description: String {
            "\(descriptors) descriptors, \(threads) threads, \(children) children, \(residentSize >> 20) MiB"
        }

        /// Nothing has grown by more than what a pool of threads holds, which is far from a leak a call or a child.
        func expectNoMore(than before: Holdings) {
            #expect(descriptors <= before.descriptors, "\(before) became \(self)")
            #expect(threads <= before.threads + 8, "\(before) became \(self)")
            #expect(children == before.children, "\(before) became \(self)")
            #expect(residentSize < before.residentSize + (6 << 20), "\(before) became \(self)")
        }
    }

    static func worker(_ program: String, _ arguments: [String] = []) async throws -> (WorkerProcess, Connection) {
        var configuration = WorkerConfiguration(executable: program)
        configuration.arguments = arguments
        configuration.grace = .seconds(10)
        let made = Mutex<Connection?>(nil)
        let worker = try await WorkerProcess.spawn(configuration, on: .shared) { socket, reactor in
            let connection = Connection(
                adopting: socket,
                role: .parent,
                reactor: reactor,
                configuration: ConnectionConfiguration(name: "test")
            )
            made.withLock { $0 = connection }
            return connection
        }
        return (worker, try #require(made.withLock { $0 }))
    }

    @Test("Calls on one connection leave nothing behind")
    func calls() async {
        await #expect(processExitsWith: .success) {
            let (worker, connection) = try await Self.worker(try CommandLine.products + "/ipc-child")
            try await worker.ready()
            func call(_ number: Int) async throws {
                let call = try await connection.call(
                    "echo",
                    body: .bytes(
                        [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 + number * 97 % 100_000)
                    )
                )
                if number % 10 == 9 { return call.cancel() }
                let answer = try await call.response().body.collect(upTo: 1 << 20)
                #expect(answer.count == 1 + number * 97 % 100_000)
            }
            for number in 0..<300 { try await call(number) }
            let before = Holdings()
            for number in 0..<1000 { try await call(number) }
            Holdings().expectNoMore(than: before)
            await worker.stop()
            let exit = await worker.waitForExit()
            #expect(exit.reason == .exited(code: 0))
        }
    }

    @Test("Children that come and go leave nothing behind")
    func children() async {
        await #expect(processExitsWith: .success) {
            let child = try CommandLine.products + "/ipc-child"
            func run(_ number: Int) async throws {
                // A good worker, one that knows nothing of us, and one that is killed.
                switch number % 10 {
                case 0:
                    let (worker, connection) = try await Self.worker(child)
                    try await worker.ready()
                    let call = try await connection.call("digest", body: .bytes([1, 2, 3]))
                    _ = try await call.response().body.collect(upTo: 100)
                    await worker.stop()
                    let exit = await worker.waitForExit()
                    #expect(exit.reason == .exited(code: 0))
                case 1:
                    let (worker, _) = try await Self.worker("/bin/sleep", ["100"])
                    await worker.kill(.cancelled(by: "test"))
                    _ = await worker.waitForExit()
                case 2:
                    let missing = try? await Self.worker("/no/such/worker")
                    #expect(missing == nil)
                default:
                    let (worker, _) = try await Self.worker("/bin/true")
                    let exit = await worker.waitForExit()
                    #expect(exit.reason == .exited(code: 0))
                }
            }
            for number in 0..<100 { try await run(number) }
            let before = Holdings()
            for number in 0..<1000 { try await run(number) }
            Holdings().expectNoMore(than: before)
        }
    }
}
