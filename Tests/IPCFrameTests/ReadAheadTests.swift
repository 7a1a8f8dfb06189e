// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Testing

@testable import IPCFrame

/// A child of which only the socket is there.
struct BareChild {
    let socket: CInt

    func send(_ frames: [OutboundFrame]) {
        var bytes: [UInt8] = []
        for frame in frames {
            frame.header.encode(into: &bytes)
            bytes.append(contentsOf: frame.payload)
        }
        // One call: the other end reads all of it at once.
        #expect(unsafe write(socket, bytes, bytes.count) == bytes.count)
    }

    /// Reads until `done`, or for as long as only a broken connection takes.
    func receive(until done: ([(FrameHeader, [UInt8])]) -> Bool) -> [(FrameHeader, [UInt8])] {
        var reader = FrameReader()
        var frames: [(FrameHeader, [UInt8])] = []
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

@Suite struct ReadAheadTests {
    @Test("Every frame of a burst is answered, also when the socket has nothing more to tell")
    func burst() async throws {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        let parent = Connection(adopting: OwnedDescriptor(adopting: fds[0]), role: .parent)
        let child = BareChild(socket: fds[1])
        defer { close(fds[1]) }
        parent.start()

        var hello: [UInt8] = []
        Hello(minVersion: 1, maxVersion: 1, capabilities: Capabilities()).encode(into: &hello)
        child.send([OutboundFrame(.hello, payload: hello[...])])
        #expect(child.receive { $0.count == 1 }.first?.0.type == .welcome)

        let pings = (1...1_000).map { value -> OutboundFrame in
            var payload: [UInt8] = []
            payload.appendLittleEndian(UInt64(value))
            return OutboundFrame(.ping, payload: payload[...])
        }
        child.send([OutboundFrame(.ready, payload: [])] + pings)
        var last: [UInt8] = []
        last.appendLittleEndian(UInt64(1_000))
        let answers = child.receive { $0.last.map { $0.1 == last } ?? false }
        #expect(answers.last?.1 == last)
        await parent.abort()
    }
}
