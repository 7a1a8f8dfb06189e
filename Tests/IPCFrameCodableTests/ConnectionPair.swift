// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Testing

/// Two connections of this process over a real socket pair.
struct ConnectionPair {
    let parent: Connection
    let child: Connection

    init(handler: @escaping @Sendable @concurrent (IncomingCall) async throws -> Void) async throws {
        var fds: [CInt] = [-1, -1]
        try #require(unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &fds) == 0)
        var configuration = ConnectionConfiguration(name: "child")
        configuration.handle(with: handler)
        let (first, second) = (fds[0], fds[1])
        parent = Connection(adopting: OwnedDescriptor(adopting: first), role: .parent)
        child = Connection(adopting: OwnedDescriptor(adopting: second), role: .child, configuration: configuration)
        parent.start()
        child.start()
        _ = try await parent.handshake()
    }

    func close() async {
        await parent.drain()
        #expect(await parent.closed() == .orderly)
    }
}
