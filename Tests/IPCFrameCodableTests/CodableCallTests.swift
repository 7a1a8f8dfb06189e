// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import IPCFrameCodable
import Testing

private struct Query: Codable, Sendable {
    var country: String
    var limit: Int
}

private struct Station: Codable, Equatable, Sendable {
    var id: Int
    var name: String
}

@Suite struct CodableCallTests {
    @Test func valuesGoThereAndComeBack() async throws {
        let pair = try await ConnectionPair { call in
            let query = try await call.decode(Query.self)
            try await call.respond(encoding: (1...query.limit).map { Station(id: $0, name: "\(query.country) \($0)") })
        }
        let stations: [Station] = try await pair.parent.call("find", with: Query(country: "DE", limit: 2_000))
        #expect(stations.count == 2_000)
        #expect(stations.last == Station(id: 2_000, name: "DE 2000"))
        await pair.close()
    }

    @Test func aRequestOfAnotherShapeIsBadDataAndNamesWhatIsMissing() async throws {
        let pair = try await ConnectionPair { call in _ = try await call.decode(Query.self) }
        await #expect {
            _ = try await pair.parent.call("find", with: ["country": "DE"], returning: [Station].self)
        } throws: { error in
            guard case CallError.failed(let remote) = error else { return false }
            return remote.code == .badData && remote.exitCode == 65 && remote.reason.contains("limit")
        }
        await pair.close()
    }

    @Test func anAnswerAboveTheLimitDoesNotMove() async throws {
        let pair = try await ConnectionPair { call in
            try await call.respond(encoding: [String](repeating: "x", count: 100_000))
        }
        await #expect(throws: CallError.tooLarge(limit: 1_000)) {
            _ = try await pair.parent.call("x", with: 1, returning: [String].self, upTo: 1_000)
        }
        await pair.close()
    }
}
