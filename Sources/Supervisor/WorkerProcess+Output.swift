// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

// What the worker prints.
extension WorkerProcess {
    /// Lines that wait for the callback, in bytes; above this nothing more is read, and the worker's writes block.
    static let relayLimit = 256 * 1024

    /// A worker that floods is read again after this pause: 64 KiB each 2 ms, some 30 MB a second.
    static let floodPause = Duration.milliseconds(2)

    /// How long the end of a worker waits for callbacks that block.
    static let flushTimeout = Duration.seconds(2)

    /// The thread that calls back for all workers, since a terminal or a pipe may block it.
    private static let relay: Reactor = {
        let reactor = Reactor(name: "ipcframe-relay")
        reactor.start()
        return reactor
    }()

    func outputIsReadable() {
        var lines: [String] = []
        let turn = capture.read(lines: &lines)
        relay(lines)
        switch turn {
        case .ended:
            if let registration = outputRegistration { reactor.unregister(registration) }
            outputRegistration = nil
            if let last = capture.close() { relay([last]) }
        case .more:
            pauseOutput()
            _ = reactor.schedule(at: .now + Self.floodPause) { self.resumeOutput() }
        case .empty:
            if relayedBytes > Self.relayLimit { pauseOutput() }
        }
    }

    private func pauseOutput() {
        guard let registration = outputRegistration else { return }
        isOutputPaused = true
        reactor.modify(registration, [])
    }

    private func resumeOutput() {
        guard isOutputPaused, relayedBytes <= Self.relayLimit, let registration = outputRegistration else { return }
        isOutputPaused = false
        reactor.modify(registration, .read)
    }

    /// Reads all that the worker had written when it ended.
    func drainOutput() {
        var lines: [String] = []
        // What a pipe holds, and some more: whoever writes on without end is not the worker.
        let turn = capture.read(limit: 1 << 20, lines: &lines)
        relay(lines)
        if turn == .ended, let last = capture.close() { relay([last]) }
    }

    /// Ends the capture, and returns when the callback has had every line, or has blocked for too long.
    func closeOutput() async {
        if let last = capture.close() { relay([last]) }
        guard relayedBytes > 0 else { return }
        let timeout = reactor.schedule(at: .now + Self.flushTimeout) {
            self.notes.append("some of its last lines were not taken in time")
            self.flushed()
        }
        await withCheckedContinuation { continuation in
            if relayedBytes == 0 { continuation.resume() } else { flushWaiter = continuation }
        }
        reactor.cancel(timeout)
    }

    private func relay(_ lines: [String]) {
        guard let callback = configuration.standardError, !lines.isEmpty else { return }
        // An empty line costs something, too.
        let size = lines.reduce(0) { $0 + $1.utf8.count + 1 }
        relayedBytes += size
        Self.relay.perform {
            for line in lines { callback(line) }
            self.reactor.perform { self.assumeIsolated { $0.relayed(size) } }
        }
    }

    private func relayed(_ size: Int) {
        relayedBytes -= size
        resumeOutput()
        if relayedBytes == 0 { flushed() }
    }

    private func flushed() {
        flushWaiter?.resume()
        flushWaiter = nil
    }
}
