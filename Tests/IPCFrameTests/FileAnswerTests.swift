// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Answers that go as open files.
@Suite struct FileAnswerTests {
    private static func options(
        _ delivery: CallOptions.Delivery = .descriptor,
        codec: BodyCodec = .none
    ) -> CallOptions {
        var options = CallOptions()
        options.codec = codec
        options.delivery = delivery
        return options
    }

    @Test(
        "An answer comes as the file that it is, if its opener takes it so, and else as bytes",
        arguments: [0, 65_536, 65_537, 1 << 20]
    )
    func answers(count: Int) async throws {
        let bytes = ConnectionTests.pattern(count)
        let file = try ScratchFile(bytes)
        let pair = try await ConnectedPair { call in
            let body = try OutboundBody.file(path: file.path)
            call.trailer.counts = [Count("rows", 7)]
            try await call.respond(body, arguments: call.arguments, passesFile: call.method == "file")
        }
        let cases: [(String, CallOptions, Bool)] = [
            ("file", Self.options(), true), ("bytes", Self.options(), false), ("file", Self.options(.inline), false),
            ("file", Self.options(.auto), false), ("file", Self.options(codec: .zlib), false),
        ]
        for (number, (method, options, isFile)) in cases.enumerated() {
            let call = try await pair.parent.call(method, arguments: [Argument("a", "b")], options: options)
            let response = try await call.response()
            #expect(response.arguments == [Argument("a", "b")] && response.body.size == UInt64(count))
            #expect(try await response.body.collect(upTo: 10_000_000) == bytes, "case \(number)")
            #expect(response.body.trailer?.counts == [Count("rows", 7)])
            await call.finished()
            #expect(call.statistics.filesPassed == (isFile && count > 65_536 ? 1 : 0), "case \(number)")
            #expect(call.statistics.bytesReceived == UInt64(count))
        }
        await pair.close()
    }

    @Test func anAnswerWhoseFileIsCutFailsItsCallAndNothingElse() async throws {
        let file = try ScratchFile(ConnectionTests.pattern(1_000_000))
        let pair = try await ConnectedPair { call in
            let body = OutboundBody.file(descriptor: file.descriptor, count: 1_000_001)
            try await call.respond(body, passesFile: call.method == "file")
        }
        for method in ["file", "bytes"] {
            let call = try await pair.parent.call(method, options: Self.options())
            let body = try await call.response().body
            let error = await #expect(throws: CallError.self) { try await body.collect(upTo: 10_000_000) }
            switch error {
            case .badFile: #expect(method == "file")
            case .failed(let remote): #expect(method == "bytes" && remote.reason.contains("1000001 bytes"))
            default: Issue.record("\(method): \(String(describing: error))")
            }
            await call.finished()
        }
        await pair.close()
    }
}
