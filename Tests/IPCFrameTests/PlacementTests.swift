// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

/// Where handlers and sources run.
@Suite struct PlacementTests {
    private static func pair(
        childReactor: Reactor? = nil,
        handler: @escaping @Sendable @concurrent (IncomingCall) async throws -> Void
    ) async throws -> ConnectedPair {
        try await ConnectedPair(
            childReactor: childReactor,
            placement: { $0.hasPrefix("quick") ? .onReactor : .onThread },
            handler: handler
        )
    }

    @Test("A method's calls run where it was said, from their first line to their last", arguments: ["quick", "slow"])
    func runsWhereItWasSaid(method: String) async throws {
        let places = Mutex<[Bool]>([])
        let reactor = Reactor()
        reactor.start()
        let pair = try await Self.pair(childReactor: reactor) { call in
            @Sendable func note() { places.withLock { $0.append(reactor.isCurrent) } }
            note()
            // Of several windows, so that it is waited for.
            let bytes = try await call.body.collect(upTo: .max)
            note()
            try await call.respond(bytes)
            note()
        }
        let bytes = ConnectionTests.pattern(9_000_000)
        for body in [bytes, [1, 2, 3]] {
            let answer = try await pair.parent.call(method, body: .bytes(body), upTo: .max)
            let isSame = answer.body == body
            #expect(isSame)
        }
        #expect(places.withLock { $0 } == [Bool](repeating: method == "quick", count: 6))
        await pair.close()
        reactor.stop()
    }

    @Test("Calls on the reactor take turns where they wait")
    func takesTurns() async throws {
        let pair = try await Self.pair { call in
            let first = try await call.body.nextPiece()?.bytes ?? []
            let rest = try await call.body.collect(upTo: .max)
            try await call.respond(first + rest)
        }
        let (pieces, continuation) = AsyncStream<[UInt8]>.makeStream()
        continuation.yield([UInt8](repeating: 1, count: 300_000))
        let waiting = try await pair.parent.call("quick", body: .sequence(pieces))
        for count in 0..<10 {
            let body = [UInt8](repeating: 7, count: count)
            #expect(try await pair.parent.call("quick", body: .bytes(body), upTo: 10).body == body)
        }
        continuation.yield([2])
        continuation.finish()
        #expect(try await waiting.response().body.collect(upTo: .max).count == 300_001)
        await pair.close()
    }

    @Test("What a handler tells before it answers comes before the answer", arguments: ["quick", "slow"])
    func tellsInItsOrder(method: String) async throws {
        let pair = try await Self.pair { call in
            call.progress(Progress(completed: 7, unit: "rows"))
            call.log(.info, "looked up")
            try await call.respond([1])
        }
        let call = try await pair.parent.call(method)
        #expect(try await call.response().body.collect(upTo: 1) == [1])
        await call.finished()
        var told: [String] = []
        for await event in call.events {
            switch event {
            case .progress(let progress): told.append("\(progress.completed)")
            case .log(let line): told.append(line.text)
            }
        }
        #expect(told == ["7", "looked up"])
        await pair.close()
    }

    @Test("A handler on the reactor that throws, or is cancelled, ends its call alone")
    func fails() async throws {
        let (cancels, continuation) = AsyncStream<Void>.makeStream()
        let pair = try await Self.pair { call in
            guard call.method == "quickly wait" else { throw CallFailure(.badData, exitCode: 65, reason: "no") }
            call.onCancel { continuation.yield() }
            _ = try await call.body.collect(upTo: .max)
        }
        await #expect {
            _ = try await pair.parent.call("quick", upTo: 1)
        } throws: { error in
            guard case CallError.failed(let remote) = error else { return false }
            return remote.code == .badData && remote.exitCode == 65 && remote.reason == "no"
        }
        let (pieces, end) = AsyncStream<[UInt8]>.makeStream()
        end.yield([1])
        let call = try await pair.parent.call("quickly wait", body: .sequence(pieces))
        while await pair.child.openCalls == 0 { await Task.yield() }
        call.cancel()
        _ = await cancels.first { true }
        await call.finished()
        end.finish()
        await pair.close()
    }

    @Test("A source runs on the reactor where it may, and nothing is compressed", arguments: Placement.allCases)
    func sourceRunsWhereItMay(placement: Placement) async throws {
        let pair = try await Self.pair(handler: ConnectionTests.echo)
        for codec in [BodyCodec.none, .zlib] {
            let places = Mutex<Set<Bool>>([])
            let rest = Mutex(12)
            let body = OutboundBody.pieces(size: 12 * 700_000, placement: placement) {
                places.withLock { _ = $0.insert(Reactor.shared.isCurrent) }
                return rest.withLock { rest in
                    guard rest > 0 else { return nil }
                    rest -= 1
                    return [UInt8](repeating: UInt8(rest), count: 700_000)
                }
            }
            var options = CallOptions()
            options.codec = codec
            options.digest = .none
            let answer = try await pair.parent.call("slow", body: body, options: options, upTo: .max)
            #expect(answer.body.count == 12 * 700_000 && answer.body.last == 0 && answer.body.first == 11)
            #expect(places.withLock { $0 } == [placement == .onReactor && codec == .none])
        }
        await pair.close()
    }

    /// What does not run at once comes behind what was posted before.
    @Test func aTaskThatPrefersAReactorIsNotEnqueuedAnewAtEachAwait() async {
        @Sendable @concurrent func step(_ number: Int) async -> Int { number + 1 }
        let reactor = Reactor()
        reactor.start()
        let isPostedRun = Mutex(false)
        let task = Task(executorPreference: reactor) {
            reactor.perform { isPostedRun.withLock { $0 = true } }
            var number = 0
            for _ in 0..<5 { number = await step(number) }
            let isInterrupted = isPostedRun.withLock { $0 }
            return (number, isInterrupted, reactor.isCurrent)
        }
        #expect(await task.value == (5, false, true))
        reactor.stop()
    }
}
