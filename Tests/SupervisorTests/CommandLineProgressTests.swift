// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Supervisor
import Testing

@testable import ipc_parent

@Suite("Progress")
struct CommandLineProgressTests {
    static let start = ContinuousMoment(nanoseconds: 7_000_000_000)
    static let input: UInt64 = 52_428_800

    func meter(_ style: ProgressMeter.Style) -> ProgressMeter {
        ProgressMeter(job: "import", style: style, startedAt: 1_772_269_500_000_000_000, now: Self.start)
    }

    func at(_ seconds: Double) -> ContinuousMoment { Self.start + .nanoseconds(Int64(seconds * 1e9)) }

    /// Feeds a steady import of 104,000 stations in 5 seconds, up to `seconds`.
    func feed(_ meter: inout ProgressMeter, upTo seconds: Double, from first: Double = 0) {
        for tenth in Int(first * 10)...Int(seconds * 10) {
            let part = Double(tenth) / 50
            var report = ProgressMeter.Report(completed: UInt64(104_000 * part), total: 104_000, unit: "stations")
            report.counts = [Count("new", 812), Count("changed", 4_310), Count("deleted", 97)]
            let now = at(Double(tenth) / 10)
            meter.update(report, now: now)
            meter.update(bytesIn: UInt64(Double(Self.input) * part), of: Self.input, bytesOut: 0, now: now)
        }
    }

    @Test("One line says what is done, how fast, and how long it takes yet")
    func wholeLine() {
        var meter = meter(.bar)
        feed(&meter, upTo: 3)
        #expect(
            meter.line(now: at(3)) == "import 60 % 62,400/104,000 stations 30.0/50.0 MiB 10.0 MiB/s eta 00:02 "
                + "new 812 changed 4,310 deleted 97"
        )
    }

    @Test("A forecast waits until it is steady, and the elapsed time takes its place")
    func unsteady() {
        var meter = meter(.bar)
        feed(&meter, upTo: 0.5)
        #expect(meter.timeLeft(now: at(0.5)) == nil)
        #expect(meter.line(now: at(0.5)).contains(" 00:00 new"))
        var jumpy = self.meter(.bar)
        for tenth in 1...40 {
            let done = UInt64(tenth / 10) * 20 + (tenth % 10 == 9 ? 10 : 0)
            jumpy.update(ProgressMeter.Report(completed: done, total: 100), now: at(Double(tenth) / 10))
        }
        #expect(jumpy.timeLeft(now: at(4)) == nil)
    }

    @Test("Without a known total there is a spinner, a count and the time")
    func unknownTotal() {
        var meter = meter(.bar)
        meter.update(ProgressMeter.Report(completed: 1_234, unit: "rows"), now: at(61))
        #expect(meter.line(now: at(61)) == "import | 1,234 rows 01:01")
        #expect(meter.line(now: at(61.25)) == "import / 1,234 rows 01:01")
    }

    @Test("Before anything is known the line still tells the job and the time")
    func nothingKnown() {
        #expect(meter(.plain).line(now: at(5)) == "import running 00:05")
    }

    @Test("Without a report of the job its input tells how far it is")
    func byInput() {
        var meter = meter(.bar)
        meter.update(bytesIn: 512, of: 2_048, bytesOut: 0, now: at(1))
        #expect(meter.line(now: at(1)) == "import 25 % 0.5/2.0 KiB 00:01")
    }

    @Test("Elsewhere than on a terminal there is a line for the start, each tenth, and the end")
    func plain() {
        var meter = meter(.plain)
        #expect(meter.begin() == ["import: started"])
        var lines: [String] = []
        for tenth in 0...50 {
            feed(&meter, upTo: Double(tenth) / 10, from: Double(tenth) / 10)
            lines += meter.dueLines(now: at(Double(tenth) / 10))
        }
        #expect(lines.count == 10)
        #expect(lines.first?.hasPrefix("import 10 % 10,400/104,000 stations 5.0/50.0 MiB") == true)
        #expect(
            meter.end(.succeeded, now: at(5)) == [
                "import: done in 5.0 s, 50.0 MiB in, 812 new, 4,310 changed, 97 deleted"
            ]
        )
    }

    @Test("A job that does not move gets a line each 30 seconds")
    func slowPlain() {
        var meter = meter(.plain)
        #expect(meter.dueLines(now: at(29)) == [])
        #expect(meter.dueLines(now: at(30)) == ["import running 00:30"])
        #expect(meter.dueLines(now: at(59)) == [])
        #expect(meter.dueLines(now: at(60)) == ["import running 01:00"])
    }

    @Test("For programs there is one JSON object a line")
    func json() {
        var meter = meter(.json)
        feed(&meter, upTo: 3)
        #expect(meter.dueLines(now: at(0.2)) == [])
        #expect(
            meter.dueLines(now: at(3)) == [
                #"{"type":"progress","time":"2026-02-28T09:05:03.000Z","job":"import","seconds":3.000,"#
                    + #""completed":62400,"total":104000,"unit":"stations","text":"","bytesIn":31457280,"#
                    + #""inputBytes":52428800,"bytesOut":0,"bytesPerSecond":10485760,"secondsLeft":2.000,"#
                    + #""counts":{"new":812,"changed":4310,"deleted":97}}"#
            ]
        )
        #expect(meter.dueLines(now: at(3.1)) == [])
    }

    @Test("Silence is silent")
    func none() {
        var meter = meter(.none)
        feed(&meter, upTo: 3)
        #expect(meter.begin() + meter.dueLines(now: at(3)) + meter.end(.succeeded, now: at(5)) == [])
        #expect(meter.nextWake(now: at(3)) == nil)
    }

    @Test("Numbers that overflow nothing")
    func extremes() {
        var meter = meter(.bar)
        meter.update(ProgressMeter.Report(completed: .max, total: 1), now: at(1))
        meter.update(bytesIn: .max, of: .max, bytesOut: .max, now: at(2))
        #expect(meter.line(now: at(2)).contains("100 %"))
        #expect(NumberText.bytes(.max) == "15.9 EiB")
        #expect(NumberText.grouped(.max) == "18,446,744,073,709,551,615")
        #expect(NumberText.grouped(999) == "999")
        #expect(NumberText.bytes(1_023) == "1023 B")
        #expect(NumberText.bytes(1_024) == "1.0 KiB")
    }

    @Test("Lengths of time as people say them")
    func spans() {
        #expect(NumberText.span(.milliseconds(850)) == "0.8 s")
        #expect(NumberText.span(.seconds(12)) == "12 s")
        #expect(NumberText.span(.seconds(200)) == "3 min 20 s")
        #expect(NumberText.span(.seconds(7_500)) == "2 h 5 min")
        #expect(NumberText.clock(.seconds(3_723)) == "1:02:03")
    }

    @Test("A line is cut by the columns that it takes, not by its characters")
    func cutting() {
        #expect(DisplayText.width("東京駅") == 6)
        #expect(DisplayText.prefix("東京駅", columns: 5) == "東京")
        #expect(DisplayText.width("cafe\u{301}") == 4)
        #expect(DisplayText.prefix("🚉🚉🚉", columns: 4) == "🚉🚉")
        #expect(DisplayText.prefix("abc", columns: 0) == "")
    }

    @Test("A worker cannot command the terminal")
    func harmless() {
        #expect(DisplayText.harmless("a\u{1B}[2Jb\nc\u{9B}d\u{202E}e") == "a [2Jb c de")
        var meter = meter(.bar)
        meter.update(ProgressMeter.Report(unit: "x", text: "\u{1B}]0;title\u{7}", counts: []), now: at(1))
        #expect(!meter.line(now: at(1)).contains("\u{1B}"))
    }
}
