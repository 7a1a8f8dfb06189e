// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Synchronization
import Testing

@testable import Supervisor

@Suite("A pool of real workers does calls", .timeLimit(.minutes(5)))
struct WorkerPoolCallTests {
    @Test("Bodies come back as they were sent", arguments: [0, 64, 1 << 20])
    func echo(size: Int) async throws {
        let body = noise(size)
        try await withPool { (pool, record) async throws in
            let reply = try await pool.call("echo", body: .bytes(body))
            #expect(reply.bytes == body)
            #expect(await record.callEnds(of: pool)[1]?.map(\.end) == [.succeeded])
        }
    }

    @Test("A call that is cancelled as it begins costs no worker")
    func cancelledAtOnce() async throws {
        let current = Mutex<Task<PoolReply, any Error>?>(nil)
        let spawned = Mutex(0)
        var configuration = try poolConfiguration {
            $0.policy.maximumWorkers = 1
            $0.policy.cancelGrace = .seconds(1)
        }
        configuration.observer = { event, _ in
            switch event {
            case .workerSpawned: spawned.withLock { $0 += 1 }
            case .callStarted: current.withLock { $0?.cancel() }
            default: break
            }
        }
        let pool = WorkerPool(configuration)
        _ = try await pool.pid()
        for _ in 0..<300 {
            let task = current.withLock { current in
                let task = Task { try await pool.call("wait") }
                current = task
                return task
            }
            #expect(await poolError { try await task.value } == .cancelled)
        }
        await pool.stop()
        #expect(spawned.withLock { $0 } == 1)
    }

    @Test("A body of 20 MiB streams both ways at once")
    func stream() async throws {
        let piece = noise(1 << 20)
        try await withPool { (pool, _) async throws in
            let pieces = Countdown(20)
            let body = OutboundBody.pieces(size: 20 << 20) { await pieces.next() ? piece : nil }
            let (count, statistics) = try await pool.withCall("echo", body: body) { call in
                var count = 0
                let response = try await call.response()
                for try await part in response.body {
                    // Some bytes of each; the digest proves the rest.
                    let samples = stride(from: 0, to: part.count, by: 1_021)
                    #expect(samples.allSatisfy { part[$0] == piece[(count + $0) % piece.count] })
                    count += part.count
                }
                return (count, call.statistics)
            }
            #expect(count == 20 << 20)
            #expect(statistics.bytesSent == 20 << 20 && statistics.bytesReceived == 20 << 20)
        }
    }

    @Test("Progress and log lines come as they are told")
    func events() async throws {
        try await withPool { (pool, _) async throws in
            let (lines, steps) = try await pool.withCall("tell", arguments: [Argument("count", "20")]) { call in
                async let answer = call.response().body.collect(upTo: 100)
                var (lines, steps): ([String], [UInt64]) = ([], [])
                for await event in call.events {
                    switch event {
                    case .log(let line): lines.append(line.text)
                    case .progress(let progress): steps.append(progress.completed)
                    }
                }
                let bytes = try await answer
                #expect(bytes == Array("told".utf8))
                return (lines, steps)
            }
            #expect(lines == (1...20).map { "line \($0)" })
            // Newer progress takes the place of older.
            #expect(steps == steps.sorted() && steps.last == 20)
        }
    }

    @Test("A worker may call its parent in the middle of its call")
    func ask() async throws {
        try await withPool {
            $0.connection.handle { call in
                let question = try await call.body.collect(upTo: 1 << 20)
                try await call.respond(Array("\(call.method): ".utf8) + question)
            }
        } _: { (pool, _) async throws in
            let replies = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<10 {
                    group.addTask { try await pool.call("ask", body: .bytes(Array("\(number)".utf8))).text }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(replies == Set((0..<10).map { "lookup: \($0)" }))
        }
    }

    @Test("A thousand calls are spread evenly over four workers")
    func spread() async throws {
        try await withPool {
            $0.policy.minimumWorkers = 4
            $0.policy.maximumWorkers = 4
        } _: { (pool, record) async throws in
            await pool.start()
            await record.ready(4)
            var calls: [String: Int] = [:]
            for _ in 0..<1_000 { calls[try await pool.pid(), default: 0] += 1 }
            #expect(calls.count == 4)
            for count in calls.values { #expect((238...262).contains(count), "\(calls)") }
        }
    }

    @Test("A slow call does not hold up others")
    func slow() async throws {
        try await withPool { (pool, record) async throws in
            let slow = await pool.occupy()
            for _ in 0..<50 { #expect(try await pool.call("echo", body: .bytes([1])).bytes == [1]) }
            #expect(await pool.statistics.runningCalls == 1)
            #expect(await record.callEnds(of: pool)[1] == nil)
            slow.cancel()
            #expect(await poolError { try await slow.value } == .cancelled)
        }
    }

    @Test("The stream of events tells the story of a call, and ends with the pool")
    func story() async throws {
        try await withPool { (pool, _) async throws in
            let events = await pool.events()
            _ = try await pool.call("echo", body: .bytes([1, 2, 3]))
            await pool.drain()
            var story: [String] = []
            for await event in events {
                switch event {
                case .workerSpawned(1, let pid): story.append(pid > 1 ? "spawned" : "pid \(pid)")
                case .workerReady(1): story.append("ready")
                case .callStarted(call: 1, worker: 1, attempt: 1): story.append("started")
                case .callTransferred(call: 1, worker: 1, let moved):
                    story.append("moved \(moved.bytesSent) and \(moved.bytesReceived)")
                case .callEnded(call: 1, .succeeded, attempts: 1, let waited, let ran):
                    story.append(waited > .zero && ran > .zero ? "succeeded" : "no time")
                case .draining: story.append("draining")
                case .workerEnded(1, .exited(let exit)): story.append("\(exit.reason)")
                case .stopped: story.append("stopped")
                default: story.append("\(event)")
                }
            }
            #expect(
                story == [
                    "spawned", "ready", "started", "moved 3 and 3", "succeeded", "draining", "exited with status 0",
                    "stopped",
                ]
            )
        }
    }

    @Test("Two pools live in one process, and the end of one is not the other's")
    func two() async throws {
        try await withPool { (first, firstRecord) async throws in
            try await withPool { (second, secondRecord) async throws in
                let pids = try await [first.pid(), second.pid()]
                #expect(firstRecord.pids.map(String.init) == [pids[0]])
                #expect(secondRecord.pids.map(String.init) == [pids[1]])
                await second.stop()
                #expect(await poolError { try await second.pid() } == .stopped)
                #expect(try await first.pid() == pids[0])
            }
            #expect(try await first.call("echo", body: .bytes([9])).bytes == [9])
        }
    }
}

/// Says yes so many times.
private actor Countdown {
    private var left: Int

    init(_ count: Int) { left = count }

    func next() -> Bool {
        left -= 1
        return left >= 0
    }
}
