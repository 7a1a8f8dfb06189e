// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import IPCFrame

/// An orderly end towards a child that has said BYE and reads late.
@Suite struct OrderlyEndTests {
    /// A parent on a reactor of its own, and its bare child after the handshake.
    private struct Scene {
        let reactor = Reactor(name: "parent")
        let parent: Connection
        let child: BareChild

        init() async throws {
            reactor.start()
            (parent, child) = try await BareChild.connect(reactor: reactor)
        }

        /// Sends PINGs and reads no PONG, each when the answer to the one before is there; stops when none comes.
        func ping(atMost count: Int) -> Int {
            for value in 0..<count {
                var payload: [UInt8] = []
                payload.appendLittleEndian(UInt64(value + 1))
                child.send([OutboundFrame(.ping, payload: payload[...])])
                guard isReadable((value + 1) * (FrameHeader.byteCount + payload.count)) else { return value }
            }
            return count
        }

        private func isReadable(_ count: Int) -> Bool {
            for _ in 0..<500 {
                var present: CInt = 0
                guard unsafe ioctl(child.socket, UInt(FIONREAD), &present) == 0 else { return false }
                if present >= CInt(count) { return true }
                usleep(1_000)
            }
            return false
        }

        /// The processor time that the parent's thread takes in a fifth of a second.
        func load() async -> Duration {
            let before = await processorTime()
            await withCheckedContinuation { continuation in
                reactor.perform {
                    _ = reactor.schedule(at: .now + .milliseconds(200)) { continuation.resume() }
                }
            }
            return await processorTime() - before
        }

        private func processorTime() async -> Duration {
            await withCheckedContinuation { continuation in
                reactor.perform {
                    var time = timespec()
                    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                    continuation.resume(returning: .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
                }
            }
        }
    }

    @Test("BYE reaches a child that reads late, and nobody spins until then", arguments: [0, 1])
    func lateReader(answersWaiting: Int) async throws {
        let first = try await Scene()
        let room = first.ping(atMost: 100_000)
        await first.parent.abort()
        first.child.close()

        // The socket is full to the last frame: what comes next cannot be written.
        let scene = try await Scene()
        defer { scene.child.close() }
        #expect(scene.ping(atMost: room + answersWaiting) == room)
        scene.child.send([OutboundFrame(.bye, payload: [])])
        shutdown(scene.child.socket, CInt(SHUT_WR))
        #expect(await scene.load() < .milliseconds(100))

        let frames = await scene.child.receive { $0.last?.header.type == .bye }
        #expect(frames.count == room + answersWaiting + 1 && frames.last?.header.type == .bye)
        #expect(await scene.parent.closed() == .orderly)
        scene.reactor.stop()
        first.reactor.stop()
    }

    @Test func aChildThatNeverReadsIsLeftWhenItCloses() async throws {
        let first = try await Scene()
        let room = first.ping(atMost: 100_000)
        first.child.send([OutboundFrame(.bye, payload: [])])
        shutdown(first.child.socket, CInt(SHUT_WR))
        _ = await first.load()
        first.child.close()
        #expect(await first.parent.closed() == .orderly, "\(room)")
        first.reactor.stop()
    }
}
