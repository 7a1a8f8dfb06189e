// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import IPCFrame

/// Bodies that come from a source, piece by piece.
@Suite struct BodySourceTests {
    /// Sources that do not keep their word: the size that each announces, and what its third piece is.
    private static let brokenSources: [(name: String, size: UInt64?, third: @Sendable () throws -> [UInt8]?)] = [
        ("fails", nil, { throw Stop() }),
        // As one that passes on the body of another call.
        ("fails with an error of another call", nil, { throw CallError.cancelled }),
        ("gives too little", 900_000, { nil }),
        ("gives too much", 900_000, { [UInt8](repeating: 1, count: 300_001) }),
    ]

    private struct Stop: Error {}

    private static func brokenBody(_ index: Int) -> OutboundBody {
        let (_, size, third) = brokenSources[index]
        let pieces = Mutex(0)
        return .pieces(size: size) {
            let number = pieces.withLock { pieces in
                pieces += 1
                return pieces
            }
            if number == 3 { return try third() }
            return number < 3 ? [UInt8](repeating: 1, count: 300_000) : nil
        }
    }

    @Test("A source that breaks its word fails its call, and no other", arguments: brokenSources.indices)
    func brokenSource(index: Int) async throws {
        let pair = try await ConnectedPair { call in
            guard call.method == "answer" else { return try await ConnectionTests.echo(call) }
            try await call.respond(Self.brokenBody(index))
        }
        let call = try await pair.parent.call("echo", body: Self.brokenBody(index))
        let error = await #expect(throws: CallError.self) {
            for try await _ in try await call.response().body {}
        }
        if case .source? = error {} else { Issue.record("the opener is told: \(String(describing: error))") }
        await call.finished()

        let answered = try await pair.parent.call("answer")
        await expectSourceFailure(of: answered)

        let again = try await pair.parent.call("echo", body: .bytes([7]))
        #expect(try await again.response().body.collect(upTo: 1) == [7])
        await pair.close()
    }

    /// With small pieces nothing has been sent when the source fails.
    @Test("An answer whose source fails is never whole, also when its handler goes on", arguments: [10, 300_000])
    func aFailureThatTheHandlerIgnores(count: Int) async throws {
        let pair = try await ConnectedPair { call in
            let left = Mutex(2)
            let body = OutboundBody.pieces {
                try left.withLock { left in
                    guard left > 0 else { throw Stop() }
                    left -= 1
                    return [UInt8](repeating: 1, count: count)
                }
            }
            try? await call.respond(body)
        }
        let call = try await pair.parent.call("x")
        await expectSourceFailure(of: call)
        await pair.close()
    }

    /// The opener is told that the source of the answer failed, and the call ends.
    private func expectSourceFailure(of call: OutgoingCall) async {
        let error = await #expect(throws: CallError.self) {
            for try await _ in try await call.response().body {}
        }
        if case .failed(let remote)? = error {
            #expect(remote.reason.hasPrefix("the source of the body failed"), "\(remote.reason)")
        } else {
            Issue.record("the opener is told: \(String(describing: error))")
        }
        await call.finished()
    }

    @Test func aSourceOfUnknownSizeIsSentAsItComes() async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        let left = Mutex(20)
        let body = OutboundBody.pieces {
            left.withLock { left in
                guard left > 0 else { return nil }
                left -= 1
                return [UInt8](repeating: UInt8(left), count: 100_000)
            }
        }
        let response = try await pair.parent.call("echo", body: body).response()
        #expect(try await response.body.collect(upTo: 10_000_000).count == 2_000_000)
        await pair.close()
    }
}
