// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Testing

@testable import ipc_parent

@Suite("Progress of map")
struct MapMeterTests {
    static let start = ContinuousMoment(nanoseconds: 7_000_000_000)

    func meter(_ style: ProgressMeter.Style, files: Int = 40) -> MapMeter {
        MapMeter(job: "digest", files: files, style: style, startedAt: 1_772_269_500_000_000_000, now: Self.start)
    }

    func at(_ seconds: Double) -> ContinuousMoment { Self.start + .nanoseconds(Int64(seconds * 1e9)) }

    /// Feeds four files of about a MiB a second, the fifth of which failed, up to `seconds`.
    func feed(_ meter: inout MapMeter, upTo seconds: Double) {
        for tenth in 1...Int(seconds * 10) {
            let done = Double(tenth) * 0.4
            var state = MapMeter.State()
            state.tally.failed = done >= 5 ? 1 : 0
            state.tally.succeeded = Int(done) - state.tally.failed
            state.partlyDone = done - Double(Int(done))
            state.bytesIn = UInt64(tenth) * 420_000
            meter.update(state, now: at(Double(tenth) / 10))
        }
    }

    @Test("One line says how many files, how many failed, how fast, and how long it takes yet")
    func wholeLine() {
        var meter = meter(.bar)
        feed(&meter, upTo: 3)
        #expect(meter.line(now: at(3)) == "map digest 12/40 files 1 failed 12.0 MiB 4.0 MiB/s eta 00:07")
        #expect(meter.fraction == 0.3)
    }

    @Test("The elapsed time stands where no forecast is worth it")
    func elapsed() {
        var meter = meter(.bar)
        feed(&meter, upTo: 1)
        #expect(meter.line(now: at(1)) == "map digest 4/40 files 4.0 MiB 4.0 MiB/s 00:01")
    }

    @Test("Plain lines come each tenth, and each 30 seconds")
    func plain() {
        var meter = meter(.plain)
        #expect(meter.begin(workers: 1) == ["map digest: 40 files, up to 1 worker"])
        var state = MapMeter.State()
        var lines: [String] = []
        for second in 1...100 {
            state.tally.succeeded = second < 50 ? second / 5 : 20
            meter.update(state, now: at(Double(second)))
            lines += meter.dueLines(now: at(Double(second)))
        }
        #expect(
            lines == [
                "map digest 4/40 files 00:20", "map digest 8/40 files 00:40", "map digest 20/40 files 00:50",
                "map digest 20/40 files 01:20",
            ]
        )
    }

    @Test("The end says how many there are of each outcome")
    func end() {
        var meter = meter(.plain)
        var state = MapMeter.State()
        state.tally = MapTally(succeeded: 40)
        meter.update(state, now: at(0.8))
        #expect(meter.end(now: at(0.8)) == ["map digest: 40 files done in 0.8 s"])
        state.tally = MapTally(succeeded: 30, failed: 2, cancelled: 1, notRun: 7)
        state.bytesIn = 1_048_576
        state.bytesOut = 12
        meter.update(state, now: at(62))
        #expect(
            meter.end(now: at(62)) == [
                "map digest: 30 of 40 files done in 1 min 2 s, 2 failed, 1 cancelled, 7 not run, 1.0 MiB in, 12 B out"
            ]
        )
        #expect(self.meter(.none).end(now: at(1)).isEmpty)
    }

    @Test("Programs get objects")
    func json() {
        var meter = meter(.json, files: 1)
        #expect(
            meter.begin(workers: 2) == [
                #"{"type":"start","time":"2026-02-28T09:05:00.000Z","job":"digest","seconds":0.000,"files":1,"#
                    + #""succeeded":0,"failed":0,"cancelled":0,"bytesIn":0,"bytesOut":0,"bytesPerSecond":null,"#
                    + #""secondsLeft":null}"#
            ]
        )
        #expect(meter.dueLines(now: at(0.2)).isEmpty)
        #expect(meter.dueLines(now: at(0.3)).count == 1)
        #expect(meter.nextWake(now: at(0.3)) == at(0.55))
    }
}
