// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Supervisor

/// Turns what is known of a running job into lines for people or programs; without a clock or a terminal of its own.
struct ProgressMeter {
    /// How progress is shown.
    enum Style: Equatable { case bar, plain, json, none }

    /// What the job says of itself.
    struct Report: Equatable {
        var completed: UInt64 = 0
        var total: UInt64?
        var unit = ""
        var text = ""
        var counts: [Count] = []
    }

    static let redraw = Duration.milliseconds(100)
    static let jsonInterval = Duration.milliseconds(250)
    static let plainInterval = Duration.seconds(30)
    private static let etaAfter = Duration.seconds(2)
    private static let spinner: [Character] = ["|", "/", "-", "\\"]

    let job: String
    let style: Style
    private let start: ContinuousMoment
    private let startedAt: Int64

    private(set) var report: Report?
    private(set) var bytesIn: UInt64 = 0
    private(set) var bytesOut: UInt64 = 0
    private var inputBytes: UInt64?
    private var byteRate = MovingRate()
    private var fractionRate = MovingRate()
    private var lastLine: ContinuousMoment
    private var lastStep = 0

    /// A meter of a job that begins `now`, which is `startedAt` on the wall clock, in nanoseconds since 1970 UTC.
    init(job: String, style: Style, startedAt: Int64 = 0, now: ContinuousMoment) {
        self.job = DisplayText.harmless(job)
        self.style = style
        self.startedAt = startedAt
        start = now
        lastLine = now
    }

    // MARK: What happens

    /// The worker has reported.
    mutating func update(_ report: Report, now: ContinuousMoment) {
        self.report = report
        if report.total != nil, let fraction { fractionRate.add(fraction, at: now) }
    }

    /// Bytes have moved; `inputBytes` is the whole of the input, if that is known.
    mutating func update(bytesIn: UInt64, of inputBytes: UInt64?, bytesOut: UInt64, now: ContinuousMoment) {
        self.bytesIn = bytesIn
        self.inputBytes = inputBytes
        self.bytesOut = bytesOut
        byteRate.add(Double(bytesIn) + Double(bytesOut), at: now)
        if report?.total == nil, let fraction { fractionRate.add(fraction, at: now) }
    }

    // MARK: What is shown

    /// The lines for the beginning.
    mutating func begin() -> [String] {
        switch style {
        case .plain: ["\(job): started"]
        case .json: [json("start", now: start)]
        case .bar, .none: []
        }
    }

    /// The lines that are due: none for a bar, which is redrawn with ``line(now:)``.
    mutating func dueLines(now: ContinuousMoment) -> [String] {
        switch style {
        case .bar, .none: return []
        case .json:
            guard now - lastLine >= Self.jsonInterval else { return [] }
            lastLine = now
            return [json("progress", now: now)]
        case .plain:
            let step = Int((fraction ?? 0) * 10)
            guard step > lastStep || now - lastLine >= Self.plainInterval else { return [] }
            lastStep = max(step, lastStep)
            lastLine = now
            return [line(now: now)]
        }
    }

    /// The lines for the end; for people only if the job was done, since the end of another is told by its reason.
    func end(_ outcome: JobVerdict.Outcome, now: ContinuousMoment) -> [String] {
        switch style {
        case .none: return []
        case .json: return [json("end", outcome: outcome, now: now)]
        case .bar, .plain:
            guard outcome == .succeeded else { return [] }
            var parts = ["done in " + NumberText.span(now - start)]
            if bytesIn > 0 { parts.append(NumberText.bytes(bytesIn) + " in") }
            if bytesOut > 0 { parts.append(NumberText.bytes(bytesOut) + " out") }
            parts += (report?.counts ?? []).map { NumberText.grouped($0.value) + " " + DisplayText.harmless($0.name) }
            return ["\(job): " + parts.joined(separator: ", ")]
        }
    }

    /// The job's last word on what it counted.
    mutating func finish(counts: [Count]) {
        guard !counts.isEmpty else { return }
        var last = report ?? Report()
        last.counts = counts
        report = last
    }

    /// The present state on one line.
    func line(now: ContinuousMoment) -> String {
        var fields = [job]
        if let text = report?.text, !text.isEmpty { fields.append(DisplayText.harmless(text)) }
        if let fraction {
            fields.append("\(Int(fraction * 100)) %")
        } else {
            let turn = Int((now - start) / .milliseconds(250))
            fields.append(style == .bar ? String(Self.spinner[turn % Self.spinner.count]) : "running")
        }
        if let amount { fields.append(amount) }
        if bytesIn > 0 || inputBytes ?? 0 > 0 {
            fields.append(inputBytes.map { NumberText.bytes(bytesIn, of: $0) } ?? NumberText.bytes(bytesIn))
        } else if bytesOut > 0 {
            fields.append(NumberText.bytes(bytesOut))
        }
        if let rate = byteRate.wholePerSecond, rate >= 1 { fields.append(NumberText.bytes(rate) + "/s") }
        if let left = timeLeft(now: now) {
            fields.append("eta " + NumberText.clock(left + .milliseconds(999)))
        } else {
            fields.append(NumberText.clock(now - start))
        }
        for count in report?.counts ?? [] {
            fields.append(DisplayText.harmless(count.name) + " " + NumberText.grouped(count.value))
        }
        return fields.joined(separator: " ")
    }

    /// When something may be due next.
    func nextWake(now: ContinuousMoment) -> ContinuousMoment? {
        switch style {
        case .none: nil
        case .bar: now + Self.redraw
        case .json: lastLine + Self.jsonInterval
        case .plain: min(lastLine + Self.plainInterval, now + .seconds(1))
        }
    }

    // MARK: What is known

    /// How much is done, from 0 to 1: by the job's own words, else by its input.
    var fraction: Double? {
        if let report, let total = report.total, total > 0 {
            return min(1, Double(report.completed) / Double(total))
        }
        if let inputBytes, inputBytes > 0 { return min(1, Double(bytesIn) / Double(inputBytes)) }
        return nil
    }

    /// The time that the rest will take; `nil` until that can be said.
    func timeLeft(now: ContinuousMoment) -> Duration? {
        guard let fraction, fraction < 1, now - start >= Self.etaAfter, fractionRate.isSteady,
            let rate = fractionRate.perSecond
        else { return nil }
        let tenths = ((1 - fraction) / rate * 10).rounded()
        return tenths < 3_600_000 ? .milliseconds(Int64(tenths) * 100) : nil
    }

    private var amount: String? {
        guard let report, report.completed > 0 || report.total != nil else { return nil }
        if report.unit == "bytes" {
            // Said already, if it is our input that is counted.
            guard bytesIn == 0 else { return nil }
            return report.total.map { NumberText.bytes(report.completed, of: $0) } ?? NumberText.bytes(report.completed)
        }
        let unit = report.unit.isEmpty ? "" : " " + DisplayText.harmless(report.unit)
        let completed = NumberText.grouped(report.completed)
        return completed + (report.total.map { "/" + NumberText.grouped($0) } ?? "") + unit
    }

    private func json(_ type: String, outcome: JobVerdict.Outcome? = nil, now: ContinuousMoment) -> String {
        var object = JSONObject()
        object["type"] = .string(type)
        if let outcome { object["outcome"] = .string(outcome.rawValue) }
        object["time"] = .string(Timestamp.rfc3339(nanoseconds: startedAt + (now - start).wholeNanoseconds))
        object["job"] = .string(job)
        object["seconds"] = .seconds(now - start)
        object["completed"] = report.map { .number($0.completed) } ?? .null
        object["total"] = report?.total.map { .number($0) } ?? .null
        object["unit"] = report.map { .string($0.unit) } ?? .null
        object["text"] = report.map { .string($0.text) } ?? .null
        object["bytesIn"] = .number(bytesIn)
        object["inputBytes"] = inputBytes.map { .number($0) } ?? .null
        object["bytesOut"] = .number(bytesOut)
        object["bytesPerSecond"] = byteRate.wholePerSecond.map { .number($0) } ?? .null
        object["secondsLeft"] = timeLeft(now: now).map { .seconds($0) } ?? .null
        var counts = JSONObject()
        for count in report?.counts ?? [] { counts[count.name] = .number(count.value) }
        object["counts"] = .object(counts)
        return object.text
    }
}
