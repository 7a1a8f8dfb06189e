// SPDX-License-Identifier: Apache-2.0
@testable import IPCFrame

/// A call whose answer a test writes, frame by frame.
struct BareAnswer {
    let parent: Connection
    let child: BareChild
    let call: OutgoingCall

    /// Opens the call, and begins its answer.
    init(_ offer: Offer, pool: ChunkPool = .shared) async throws {
        var configuration = ConnectionConfiguration()
        configuration.chunkPool = pool
        (parent, child) = try await BareChild.connect(configuration: configuration)
        call = try await parent.call("x")
        var head: [UInt8] = []
        ResponseHead(offer: offer, arguments: []).encode(into: &head)
        child.send([OutboundFrame(.response, stream: 1, payload: head[...])])
    }

    /// Reads until a frame of this type comes; the last frame's type.
    func lastFrame(until type: FrameType) async -> FrameType? {
        await child.receive { $0.last?.header.type == type }.last?.header.type
    }

    func close() async {
        await parent.abort()
        child.close()
    }
}
