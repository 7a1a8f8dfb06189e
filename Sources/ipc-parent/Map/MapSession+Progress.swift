// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

// What is shown while files are done.
extension MapSession {
    func measure() {
        var state = state
        for file in running.values {
            let standing = file.call.standing
            state.bytesIn += standing.bytesIn
            state.bytesOut += standing.bytesOut
            state.partlyDone += standing.part
        }
        meter.update(state, now: .now)
    }

    func tickLater() {
        timer = meter.nextWake(now: .now).map { moment in
            reactor.schedule(at: moment) { self.assumeIsolated { $0.tick() } }
        }
    }

    private func tick() {
        timer = nil
        guard !isOver else { return }
        measure()
        show(meter.dueLines(now: .now))
        if meter.style == .bar, TerminalProbe.isInForeground {
            console.bar(meter.line(now: .now), columns: TerminalProbe.columns)
        }
        tickLater()
    }

    func show(_ lines: [String]) {
        if !settings.isQuiet { console.lines(lines) }
    }
}
