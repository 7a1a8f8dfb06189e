// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Supervisor

/// Turns what is known of many files into lines for people or programs; without a clock or a terminal of its own.
struct MapMeter {
    /// What is known.
    struct State: Equatable {
        var tally = MapTally()
        /// How many files' worth of the running ones is done.
        var partlyDone = 0.0
        var bytesIn: UInt64 = 0
        var bytesOut: UInt64 = 0
    }

    private static let etaAfter = Duration.seconds(2)

    let job: String
    let files: Int
    let style: ProgressMeter.Style
    private let start: ContinuousMoment
    private let startedAt: Int64
    private var state = State()
    private var byteRate = MovingRate()
    private var fractionRate = MovingRate()
    private var lastLine: ContinuousMoment
    private var lastStep = 0

    /// A meter of so many files, begun `now`, which is `startedAt` on the wall clock, in nanoseconds since 1970 UTC.
    init(job: String, files: Int, style: ProgressMeter.Style, startedAt: Int64 = 0, now: ContinuousMoment) {
        self.job = DisplayText.harmless(job)
        self.files = files
        self.style = style
        self.startedAt = startedAt
        start = now
        lastLine = now
    }

    /// Takes in how things stand.
    mutating func update(_ state: State, now: ContinuousMoment) {
        self.state = state
        byteRate.add(Double(state.bytesIn) + Double(state.bytesOut), at: now)
        fractionRate.add(fraction, at: now)
    }

    // MARK: What is shown

    /// The lines for the beginning.
    func begin(workers: Int) -> [String] {
        switch style {
        case .plain: ["map \(job): \(Self.count(files)), up to \(Self.count(workers, "worker"))"]
        case .json: [json("start", now: start)]
        case .bar, .none: []
        }
    }

    /// The lines that are due: none for a bar, which is redrawn with ``line(now:)``.
    mutating func dueLines(now: ContinuousMoment) -> [String] {
        switch style {
        case .bar, .none: return []
        case .json:
            guard now - lastLine >= ProgressMeter.jsonInterval else { return [] }
            lastLine = now
            return [json("progress", now: now)]
        case .plain:
            let step = Int(fraction * 10)
            guard step > lastStep || now - lastLine >= ProgressMeter.plainInterval else { return [] }
            lastStep = max(step, lastStep)
            lastLine = now
            return [line(now: now)]
        }
    }

    /// The lines for the end.
    func end(now: ContinuousMoment) -> [String] {
        switch style {
        case .none: return []
        case .json: return [json("end", now: now)]
        case .bar, .plain:
            let tally = state.tally
            let done = tally.succeeded == files ? "" : NumberText.grouped(UInt64(tally.succeeded)) + " of "
            var parts = [done + Self.count(files) + " done in " + NumberText.span(now - start)]
            parts += [(tally.failed, "failed"), (tally.cancelled, "cancelled"), (tally.notRun, "not run")]
                .filter { $0.0 > 0 }.map { NumberText.grouped(UInt64($0.0)) + " " + $0.1 }
            if state.bytesIn > 0 { parts.append(NumberText.bytes(state.bytesIn) + " in") }
            if state.bytesOut > 0 { parts.append(NumberText.bytes(state.bytesOut) + " out") }
            return ["map \(job): " + parts.joined(separator: ", ")]
        }
    }

    /// The present state on one line.
    func line(now: ContinuousMoment) -> String {
        let tally = state.tally
        var fields = ["map", job, NumberText.grouped(UInt64(tally.ended)) + "/" + Self.count(files)]
        if tally.failed > 0 { fields.append(NumberText.grouped(UInt64(tally.failed)) + " failed") }
        // What goes in tells how far it is; a job that takes nothing is told by what it gives.
        let bytes = state.bytesIn > 0 ? state.bytesIn : state.bytesOut
        if bytes > 0 { fields.append(NumberText.bytes(bytes)) }
        if let rate = byteRate.wholePerSecond, rate >= 1 { fields.append(NumberText.bytes(rate) + "/s") }
        if let left = timeLeft(now: now) {
            fields.append("eta " + NumberText.clock(left + .milliseconds(999)))
        } else {
            fields.append(NumberText.clock(now - start))
        }
        return fields.joined(separator: " ")
    }

    /// When something may be due next.
    func nextWake(now: ContinuousMoment) -> ContinuousMoment? {
        switch style {
        case .none: nil
        case .bar: now + ProgressMeter.redraw
        case .json: lastLine + ProgressMeter.jsonInterval
        case .plain: min(lastLine + ProgressMeter.plainInterval, now + .seconds(1))
        }
    }

    // MARK: What is known

    /// How much is done, from 0 to 1, files that run counted as far as they are.
    var fraction: Double {
        files == 0 ? 1 : min(1, (Double(state.tally.ended) + state.partlyDone) / Double(files))
    }

    /// The time that the rest will take; `nil` until that can be said.
    func timeLeft(now: ContinuousMoment) -> Duration? {
        guard fraction > 0, fraction < 1, now - start >= Self.etaAfter, fractionRate.isSteady,
            let rate = fractionRate.perSecond
        else { return nil }
        let tenths = ((1 - fraction) / rate * 10).rounded()
        return tenths < 3_600_000 ? .milliseconds(Int64(tenths) * 100) : nil
    }

    private static func count(_ number: Int, _ noun: String = "file") -> String {
        NumberText.grouped(UInt64(number)) + " " + noun + (number == 1 ? "" : "s")
    }

    private func json(_ type: String, now: ContinuousMoment) -> String {
        var object = JSONObject()
        object["type"] = .string(type)
        object["time"] = .string(Timestamp.rfc3339(nanoseconds: startedAt + (now - start).wholeNanoseconds))
        object["job"] = .string(job)
        object["seconds"] = .seconds(now - start)
        object["files"] = .integer(Int64(files))
        object["succeeded"] = .integer(Int64(state.tally.succeeded))
        object["failed"] = .integer(Int64(state.tally.failed))
        object["cancelled"] = .integer(Int64(state.tally.cancelled))
        object["bytesIn"] = .number(state.bytesIn)
        object["bytesOut"] = .number(state.bytesOut)
        object["bytesPerSecond"] = byteRate.wholePerSecond.map { .number($0) } ?? .null
        object["secondsLeft"] = timeLeft(now: now).map { .seconds($0) } ?? .null
        return object.text
    }
}
