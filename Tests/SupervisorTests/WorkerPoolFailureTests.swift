// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Testing

@testable import Supervisor

@Suite("A pool of real workers stands what they do", .timeLimit(.minutes(5)))
struct WorkerPoolFailureTests {
    @Test("A crash costs its own call, with its reason, and no other")
    func crash() async throws {
        try await withPool { (pool, record) async throws in
            let other = await pool.occupy()
            let error = await poolError { try await pool.call("crash") }
            guard case .workerLost(let exit) = error, case .signalled(Int(SIGSEGV), _) = exit.reason else {
                Issue.record("\(error.map { "\($0)" } ?? "no error")")
                return
            }
            #expect(record.pids.contains(Int32(exit.pid)))
            #expect(await record.callEnds(of: pool)[1] == nil)
            #expect(try await pool.call("echo", body: .bytes([1])).bytes == [1])
            other.cancel()
            #expect(await poolError { try await other.value } == .cancelled)
        }
    }

    @Test("An exit in the middle of a call is told as it is", arguments: [0, 3])
    func exits(code: Int) async throws {
        try await withPool { (pool, _) async throws in
            let error = await poolError { try await pool.call("exit", arguments: [Argument("code", "\(code)")]) }
            #expect(error?.exit?.reason == .exited(code: code))
            _ = try await pool.pid()
        }
    }

    @Test("A call that kills its worker once succeeds on the next", arguments: [0, 1])
    func flaky(retries: Int) async throws {
        let scratch = Scratch()
        try await withPool { (pool, record) async throws in
            var options = PoolCallOptions()
            options.retry = RetryPolicy(retries: retries)
            options.retry.first = .milliseconds(1)
            let arguments = [Argument("marker", "\(scratch.path)/marker")]
            if retries == 0 {
                let error = await poolError { try await pool.call("flaky", arguments: arguments, options: options) }
                #expect(error?.exit?.reason == .exited(code: 9))
            } else {
                #expect(try await pool.call("flaky", arguments: arguments, options: options).text == "at last")
                #expect(await record.callEnds(of: pool)[1]?.map(\.attempts) == [2])
                #expect(await record.ends().first?.reason == .exited(code: 9))
            }
        }
    }

    @Test("A failure that may pass is tried again, and told in the worker's words when it does not")
    func retryable() async throws {
        try await withPool { (pool, record) async throws in
            var options = PoolCallOptions()
            options.retry = RetryPolicy(retries: 2)
            options.retry.first = .milliseconds(1)
            await #expect { try await pool.call("retry", options: options) } throws: { error in
                guard case .failed(let remote)? = error as? CallError else { return false }
                return remote.reason == "come again" && remote.isRetryable
            }
            #expect(await record.callEnds(of: pool)[1]?.map(\.attempts) == [3])
            #expect(record.pids.count == 1)
        }
    }

    @Test("A body that can be sent but once is not sent again")
    func unrepeatable() async throws {
        try await withPool { (pool, record) async throws in
            var options = PoolCallOptions()
            options.retry = RetryPolicy(retries: 5)
            let body = OutboundBody.pieces { nil }
            let error = await poolError {
                try await pool.call("exit", arguments: [Argument("code", "9")], body: body, options: options)
            }
            #expect(error?.exit?.reason == .exited(code: 9))
            #expect(await record.callEnds(of: pool)[1]?.map(\.attempts) == [1])
        }
    }

    @Test("A call that keeps killing is quarantined, and refused when it comes again")
    func quarantine() async throws {
        try await withPool {
            $0.policy.quarantineAfter = 2
        } _: { (pool, record) async throws in
            var options = PoolCallOptions()
            options.retry = RetryPolicy(retries: 9)
            options.retry.first = .milliseconds(1)
            options.identity = "poison"
            let first = await poolError { [options] in try await pool.call("crash", options: options) }
            guard case .quarantined(let exit?) = first, case .signalled = exit.reason else {
                Issue.record("\(first.map { "\($0)" } ?? "no error")")
                return
            }
            #expect(await record.callEnds(of: pool)[1]?.map(\.attempts) == [2])
            #expect(record.events.contains(.callQuarantined(call: 1, identity: "poison")))
            let again = await poolError { [options] in try await pool.call("echo", options: options) }
            #expect(again == .quarantined(nil))
            options.identity = "food"
            #expect(try await pool.call("echo", body: .bytes([5]), options: options).bytes == [5])
            #expect(record.pids.count == 3)
        }
    }

    @Test("A call may run out of time while it waits")
    func waitsTooLong() async throws {
        try await withPool {
            $0.policy.maximumWorkers = 1
        } _: { (pool, record) async throws in
            let first = await pool.occupy()
            var options = PoolCallOptions()
            options.timeout = .milliseconds(50)
            let error = await poolError { [options] in try await pool.call("pid", options: options) }
            #expect(error == .timedOut(whileRunning: false))
            first.cancel()
            #expect(try await pool.pid() == record.pids.map(String.init).first)
        }
    }

    @Test("A call that runs in C, and is deaf, costs its worker when its time is over")
    func runsTooLong() async throws {
        try await withPool {
            $0.policy.maximumWorkers = 1
            $0.policy.cancelGrace = .milliseconds(100)
            $0.worker.grace = .milliseconds(200)
        } _: { (pool, record) async throws in
            _ = try await pool.pid()
            var options = PoolCallOptions()
            options.timeout = .seconds(1)
            let error = await poolError { [options] in try await pool.call("hang", options: options) }
            #expect(error == .timedOut(whileRunning: true))
            #expect(await record.ends().first?.reason == .timedOut(.total))
            #expect(record.events.contains(.callOverdue(call: 2, worker: 1)))
            #expect(try await pool.call("echo", body: .bytes([1])).bytes == [1])
        }
    }

    @Test("Progress puts off a stall, and a heartbeat does not")
    func stalls() async throws {
        try await withPool {
            $0.worker.heartbeat = .seconds(10)
        } _: { (pool, record) async throws in
            var options = PoolCallOptions()
            options.stallTimeout = .seconds(2)
            let steps = [Argument("steps", "25"), Argument("milliseconds", "100")]
            #expect(try await pool.call("move", arguments: steps, options: options).text == "moved")
            let silent = await pool.occupy(options: options)
            guard case .stalled(let evidence?) = await poolError({ try await silent.value }) else {
                Issue.record("a silent call is stalled, and what its worker was doing is told")
                return
            }
            // Asleep, or waiting for a processor on a machine that has none to spare.
            #expect(["S", "R"].contains(evidence.state))
            #expect(evidence.lastFrames.contains { $0.hasPrefix("> REQUEST stream=") })
            // It ended as it was told to, so it goes on.
            #expect(try await pool.pid() == record.pids.map(String.init).first)
        }
    }

    @Test("A call's progress is seen in its own time, also beside a call that has more of it")
    func stallsApart() async throws {
        try await withPool { (pool, _) async throws in
            var options = PoolCallOptions()
            options.stallTimeout = .seconds(600)
            let patient = await pool.occupy(options: options)
            // Between two looks at a patient call, which are a second apart, it would be over.
            options.stallTimeout = .milliseconds(800)
            let steps = [Argument("steps", "50"), Argument("milliseconds", "50")]
            #expect(try await pool.call("move", arguments: steps, options: options).text == "moved")
            patient.cancel()
            _ = await patient.result
        }
    }

    @Test func aCallerWhoTakesHisTimeOverAnAnswerDoesNotStallItsWorker() async throws {
        try await withPool { (pool, record) async throws in
            var options = PoolCallOptions()
            options.stallTimeout = .milliseconds(200)
            let pid = try await pool.withCall("pid", options: options) { call in
                let answer = try await call.response().body.collect(upTo: 100)
                try await Task.sleep(for: .seconds(1))
                return answer
            }
            #expect(String(validating: pid, as: UTF8.self) == record.pids.map(String.init).first)
            #expect(try await pool.pid() == record.pids.map(String.init).first)
        }
    }

    @Test("A cancelled task's call is never begun, or ends and leaves its worker well")
    func cancellation() async throws {
        try await withPool {
            $0.policy.maximumWorkers = 1
        } _: { (pool, record) async throws in
            let running = await pool.occupy()
            let waiting = Task { try await pool.pid() }
            await pool.whenWaiting(1)
            waiting.cancel()
            #expect(await poolError { try await waiting.value } == .cancelled)
            running.cancel()
            #expect(await poolError { try await running.value } == .cancelled)
            #expect(await record.callEnds(of: pool)[2]?.map(\.attempts) == [0])
            _ = try await pool.pid()
            #expect(record.pids.count == 1)
            let early = Task {
                unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
                return try await pool.pid()
            }
            #expect(await poolError { try await early.value } == .cancelled)
        }
    }

    @Test("What a draining worker does not take goes to another one, at no cost")
    func notTaken() async throws {
        try await withPool {
            $0.policy.callsPerWorker = 2
        } _: { (pool, record) async throws in
            let (gate, opener) = AsyncStream<[UInt8]>.makeStream()
            let (left, leaver) = AsyncStream<Void>.makeStream()
            let leaving = Task {
                try await pool.withCall("leave", body: .sequence(gate)) { call in
                    for await event in call.events {
                        if case .log = event { leaver.yield() }
                        if case .log = event { break }
                    }
                    return try await call.response().body.collect(upTo: 100)
                }
            }
            for await _ in left { break }
            let pid = try await pool.pid()
            #expect(pid != record.pids.map(String.init).first)
            #expect(await record.callEnds(of: pool)[2]?.map(\.attempts) == [1])
            opener.finish()
            #expect(try await leaving.value == Array("left".utf8))
        }
    }

    @Test("A worker that ends at once opens the breaker; a mended one closes it")
    func breaker() async throws {
        let scratch = Scratch()
        try await withPool {
            $0.worker.arguments = ["\(scratch.path)/mended"]
            $0.policy.breaker = BreakerPolicy()
            $0.policy.breaker?.ends = 2
            $0.policy.breaker?.openFor = .milliseconds(200)
        } _: { (pool, record) async throws in
            let error = await poolError { try await pool.pid() }
            guard case .breakerOpen(let pause, let end) = error else {
                Issue.record("\(error.map { "\($0)" } ?? "no error")")
                return
            }
            #expect(pause > .zero && pause <= .milliseconds(200))
            #expect(end?.reason == .exited(code: 40))
            _ = scratch.file("mended", "")
            while case .breakerOpen = await poolError({ try await pool.pid() }) { await Task.yield() }
            _ = try await pool.pid()
            let breaker = record.events.compactMap { event in
                switch event {
                case .breakerOpened: "opened"
                case .breakerProbing: "probing"
                case .breakerClosed: "closed"
                default: nil
                }
            }
            #expect(breaker == ["opened", "probing", "closed"])
        }
    }

    @Test("A program that is not there is said to be so")
    func notStarted() async throws {
        try await withPool {
            $0.worker.executable = "/no/such/worker"
        } _: { (pool, _) async throws in
            let error = await poolError { try await pool.pid() }
            guard case .notStarted(let why) = error else {
                Issue.record("\(error.map { "\($0)" } ?? "no error")")
                return
            }
            #expect("\(why)".contains("/no/such/worker"))
        }
    }
}
