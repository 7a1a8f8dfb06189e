// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

@Suite("The last frames of a connection")
struct RecentFramesTests {
    private let start = ContinuousMoment(nanoseconds: 1_000_000_000)

    @Test func theyAreToldInTheirOrderWithTheirAge() {
        var frames = RecentFrames()
        frames.record(FrameHeader(.request, stream: 1, length: 87), isSent: true, at: start)
        frames.record(FrameHeader(.credit, stream: 1, length: 16), isSent: false, at: start + .milliseconds(5))
        #expect(
            frames.lines(at: start + .milliseconds(1_250)) == [
                "> REQUEST stream=1 length=87, 1.250 s ago", "< CREDIT stream=1 length=16, 1.245 s ago",
            ]
        )
    }

    @Test func onlyTheLastAreKept() {
        var frames = RecentFrames()
        for number in 0..<100 {
            frames.record(FrameHeader(.ping, stream: UInt64(number), length: 8), isSent: true, at: start)
        }
        let lines = frames.lines(at: start)
        #expect(lines.count == RecentFrames.capacity)
        #expect(lines.first == "> PING stream=84 length=8, 0.000 s ago")
        #expect(lines.last == "> PING stream=99 length=8, 0.000 s ago")
    }
}
