// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

@Suite struct ReadAheadTests {
    @Test("Every frame of a burst is answered, also when the socket has nothing more to tell")
    func burst() async throws {
        let (parent, child) = try await BareChild.connect()
        defer { child.close() }
        let pings = (1...1_000).map { value -> OutboundFrame in
            var payload: [UInt8] = []
            payload.appendLittleEndian(UInt64(value))
            return OutboundFrame(.ping, payload: payload[...])
        }
        child.send(pings)
        let last = pings.last.map { Array($0.payload) }
        let answers = await child.receive { $0.last?.payload == last }
        #expect(answers.last?.payload == last)
        await parent.abort()
    }
}
