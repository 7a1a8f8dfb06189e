// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// A child of which only the socket is there.
final class BareChild: Sendable {
    let socket: CInt
    /// Keeps what was read ahead for the next `receive`.
    private let reader = Mutex(FrameReader())

    private init(socket: CInt) {
        self.socket = socket
    }

    /// A parent and its child, after the handshake.
    static func connect(
        reactor: Reactor = .shared,
        configuration: ConnectionConfiguration = ConnectionConfiguration(),
        features: UInt64 = 0
    ) async throws -> (parent: Connection, child: BareChild) {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        let parent = Connection(
            adopting: OwnedDescriptor(adopting: fds[0]),
            role: .parent,
            reactor: reactor,
            configuration: configuration
        )
        let child = BareChild(socket: fds[1])
        parent.start()
        var hello: [UInt8] = []
        var capabilities = Capabilities()
        capabilities.features = features
        Hello(minVersion: 1, maxVersion: 1, capabilities: capabilities).encode(into: &hello)
        child.send([OutboundFrame(.hello, payload: hello[...]), OutboundFrame(.ready, payload: [])])
        _ = try await parent.handshake()
        #expect(await child.receive { $0.count == 1 }.first?.header.type == .welcome)
        return (parent, child)
    }

    func send(_ frames: [OutboundFrame]) {
        // One call: the other end reads all of it at once.
        write(Self.bytes(of: frames))
    }

    /// Frames as they are on the wire.
    static func bytes(of frames: [OutboundFrame]) -> [UInt8] {
        var bytes: [UInt8] = []
        for frame in frames {
            frame.header.encode(into: &bytes)
            bytes += frame.payload
        }
        return bytes
    }

    /// Sends bytes that need not be whole frames.
    func write(_ bytes: [UInt8]) {
        #expect(unsafe Glibc.write(socket, bytes, bytes.count) == bytes.count)
    }

    typealias Frame = (header: FrameHeader, payload: [UInt8])

    /// Reads until `done`, or for as long as only a broken connection takes.
    ///
    /// Waits on a thread of its own: those of the other tasks are few, and the parent's reader may need one.
    func receive(until done: @escaping @Sendable ([Frame]) -> Bool) async -> [Frame] {
        let found = Mutex<[Frame]>([])
        await CallThreads.shared.run {
            let frames = self.read(until: done)
            found.withLock { $0 = frames }
        }.value
        return found.withLock { $0 }
    }

    private func read(until done: ([Frame]) -> Bool) -> [Frame] {
        reader.withLock { reader in
            var frames: [Frame] = []
            while !done(frames) {
                switch reader.next(from: socket, admit: { _ in true }) {
                case .frame(let header, let payload): frames.append((header, payload))
                case .wouldBlock:
                    var set = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
                    guard unsafe poll(&set, 1, 30_000) == 1 else { return frames }
                default: return frames
                }
            }
            return frames
        }
    }

    func close() { _ = Glibc.close(socket) }
}
