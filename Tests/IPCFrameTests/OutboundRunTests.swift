// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

extension Connection {
    /// Whether the reactor has not yet queued all of a run of the call's body.
    func isRunning(_ id: UInt64) -> Bool { calls[id]?.run != nil }
}

/// Long answers that the reactor cuts by itself.
@Suite struct OutboundRunTests {
    /// How the opener gives up an answer.
    enum Ending: CaseIterable {
        case stop
        case cancel
        case abort
    }

    // A run that nobody ends would keep the handler for ever.
    @Test(
        "A handler whose long answer is given up in the middle is told, and the connection goes on",
        .timeLimit(.minutes(1)),
        arguments: Ending.allCases
    )
    func isGivenUp(how: Ending) async throws {
        let (errors, continuation) = AsyncStream<CallError>.makeStream()
        let pair = try await ConnectedPair { call in
            guard call.method == "long" else { return try await ConnectionTests.echo(call) }
            do throws(CallError) {
                // More than may come before it is read.
                try await call.respond([UInt8](repeating: 1, count: 12 << 20))
            } catch {
                continuation.yield(error)
                throw error
            }
        }
        var options = CallOptions()
        options.codec = .none
        options.delivery = .inline
        let call = try await pair.parent.call("long", options: options)
        let body = try await call.response().body
        _ = try await body.nextPiece()
        #expect(await pair.child.isRunning(1))
        switch how {
        case .stop: await body.stop()
        case .cancel: call.cancel()
        case .abort: await pair.parent.abort()
        }
        let error = try #require(await errors.first { _ in true })
        switch (how, error) {
        case (.stop, .stopped(code: .notWanted, _)), (.cancel, .reset(code: .cancelled, _)): break
        case (.abort, .connection(.peerVanished)):
            #expect(await pair.child.closed() == .peerVanished(duringFrame: false))
            return
        default: Issue.record("the handler is told: \(error)")
        }
        await call.finished()
        let again = try await pair.parent.call("echo", body: .bytes([7]))
        #expect(try await again.response().body.collect(upTo: 1) == [7])
        await pair.close()
    }

    @Test("A handler that takes no notice of it ends no answer that is not whole", .timeLimit(.minutes(1)))
    func isNotEndedAfterAFailure() async throws {
        let pair = try await ConnectedPair { call in
            // More than may come before it is read; the error is dropped.
            try? await call.respond([UInt8](repeating: 1, count: 12 << 20))
        }
        var options = CallOptions()
        options.codec = .none
        options.delivery = .inline
        let call = try await pair.parent.call("long", options: options)
        _ = try await call.response().body.nextPiece()
        #expect(await pair.child.isRunning(1))
        call.cancel()
        await call.finished()
        let last = await pair.parent.recentFrames.filter { $0.hasPrefix("<") && $0.contains("stream=1 ") }.last
        #expect(last?.contains("ERROR") == true)
        await pair.close()
    }

    @Test("Large pieces and small ones have one digest", arguments: [CallOptions.Delivery.inline, .arena])
    func digestsOfAllPieces(delivery: CallOptions.Delivery) async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        var options = CallOptions()
        options.codec = .none
        options.digest = .crc32
        options.delivery = delivery
        let sizes = [3_000_000, 100, 262_144, 40_000, 600_000, 1]
        let pieces = sizes.map { ConnectionTests.pattern($0) }
        for size in [nil, UInt64(sizes.reduce(0, +))] {
            let rest = Mutex(pieces[...])
            let body = OutboundBody.pieces(size: size) { rest.withLock { $0.popFirst() } }
            let answer = try await pair.parent.call("echo", body: body, options: options, upTo: .max)
            let isSame = answer.body == Array(pieces.joined())
            #expect(isSame)
        }
        await pair.close()
    }
}
