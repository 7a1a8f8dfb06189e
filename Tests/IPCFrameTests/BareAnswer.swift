// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// A call whose answer a test writes, frame by frame.
struct BareAnswer {
    let parent: Connection
    let child: BareChild
    let call: OutgoingCall

    /// Opens the call, and begins its answer.
    init(_ offer: Offer, pool: ChunkPool = .shared) async throws {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        var configuration = ConnectionConfiguration()
        configuration.chunkPool = pool
        let adopted = OwnedDescriptor(adopting: fds[0])
        parent = Connection(adopting: adopted, role: .parent, configuration: configuration)
        child = BareChild(socket: fds[1])
        parent.start()
        var hello: [UInt8] = []
        Hello(minVersion: 1, maxVersion: 1, capabilities: Capabilities()).encode(into: &hello)
        child.send([OutboundFrame(.hello, payload: hello[...]), OutboundFrame(.ready, payload: [])])
        _ = try await parent.handshake()
        call = try await parent.call("x")
        var head: [UInt8] = []
        ResponseHead(offer: offer, arguments: []).encode(into: &head)
        child.send([OutboundFrame(.response, stream: 1, payload: head[...])])
    }

    /// Reads until a frame of this type comes; the last frame's type.
    ///
    /// Waits on a thread of its own: those of the other tasks are few, and the reader needs one.
    func lastFrame(until type: FrameType) async -> FrameType? {
        let found = Mutex<FrameType?>(nil)
        let child = child
        await CallThreads.shared.run {
            let last = child.receive { $0.last?.0.type == type }.last?.0.type
            found.withLock { $0 = last }
        }.value
        return found.withLock { $0 }
    }

    func close() async {
        await parent.abort()
        _ = Glibc.close(child.socket)
    }
}
