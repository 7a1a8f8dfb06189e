// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// Standard error: notices, the worker's lines, and the progress bar.
///
/// It is written from a thread of its own, since whoever reads it may be slow, and nothing of a job may wait for that.
/// What cannot be written within the bound is dropped and counted.
final class Console: Sendable {
    private struct Queue {
        var text = ConsoleText()
        var pending: [UInt8] = []
        var droppedLines: UInt64 = 0
        var isWriting = false
        var isBroken = false
    }

    static let capacity = 1 << 20
    private static let prefix = "ipc-parent: "

    private let fd: CInt
    private let thread = BlockingThread(name: "console")
    private let queue = Mutex(Queue())
    /// Whether lines are JSON objects, for programs.
    private let isJSON: Bool
    private let isQuiet: Bool

    init(fd: CInt = STDERR_FILENO, isJSON: Bool = false, isQuiet: Bool = false) {
        self.fd = fd
        self.isJSON = isJSON
        self.isQuiet = isQuiet
    }

    /// What the user should know, unless silence was asked for.
    func notice(_ text: String) {
        if !isQuiet { message("notice", text) }
    }

    /// Why there is no result, and what supports that.
    func failure(_ text: String, evidence: String? = nil) {
        message("error", text, evidence: evidence)
        if !isJSON, let evidence { message("error", "  " + evidence) }
    }

    /// A line that the worker wrote to its standard error; waits a while for whoever reads ours slowly, and so does the
    /// worker then.
    func relay(_ line: String) {
        guard !isQuiet else { return }
        waitForRoom(atMost: .seconds(2))
        if isJSON { message("stderr", line) } else { lines([line]) }
    }

    /// A line that the worker logged, unless it is only for those who look for a fault.
    func log(_ line: LogLine) {
        guard !isQuiet, line.level.rawValue >= LogLevel.info.rawValue else { return }
        if isJSON { return message("log", line.text, level: "\(line.level)") }
        let prefix = line.level.rawValue > LogLevel.notice.rawValue ? "\(line.level): " : ""
        lines([prefix + DisplayText.harmless(line.text)])
    }

    /// Lines as they are.
    func lines(_ lines: [String]) {
        add { queue in
            if queue.pending.count > Self.capacity {
                queue.droppedLines += UInt64(lines.count)
                return ""
            }
            var lines = lines
            if queue.droppedLines > 0 {
                lines.insert(
                    text("notice", "\(queue.droppedLines) lines were dropped: nobody read them in time"),
                    at: 0
                )
                queue.droppedLines = 0
            }
            return queue.text.lines(lines)
        }
    }

    /// Draws the bar, or takes it away with an empty line; a bar that nobody has read yet is not drawn over.
    func bar(_ line: String, columns: Int) {
        add { queue in
            if queue.isWriting, !line.isEmpty { return "" }
            return queue.text.bar(line, columns: columns)
        }
    }

    /// The bar has been disturbed: the next one is drawn afresh.
    func forgetBar() { queue.withLock { $0.text.forget() } }

    /// Takes the bar away and waits until everything is written, but for no longer than a reader may be slow.
    func finish() {
        bar("", columns: 0)
        waitUntilWritten(atMost: .seconds(2))
    }

    /// Blocks until nothing waits to be written, or for as long as is allowed.
    func waitUntilWritten(atMost limit: Duration) {
        let deadline = ContinuousMoment.now + limit
        while queue.withLock({ $0.isWriting }), ContinuousMoment.now < deadline { usleep(500) }
    }

    private func waitForRoom(atMost limit: Duration) {
        let deadline = ContinuousMoment.now + limit
        while queue.withLock({ $0.pending.count > Self.capacity / 2 }), ContinuousMoment.now < deadline { usleep(500) }
    }

    private func message(_ type: String, _ text: String, level: String? = nil, evidence: String? = nil) {
        lines([self.text(type, text, level: level, evidence: evidence)])
    }

    private func text(_ type: String, _ text: String, level: String? = nil, evidence: String? = nil) -> String {
        guard isJSON else { return Self.prefix + DisplayText.harmless(text) }
        var object = JSONObject()
        object["type"] = .string(type)
        if let level { object["level"] = .string(level) }
        object["text"] = .string(text)
        if let evidence { object["evidence"] = .string(evidence) }
        return object.text
    }

    private func add(_ change: (inout Queue) -> String) {
        let mustStart = queue.withLock { queue in
            queue.pending += Array(change(&queue).utf8)
            if queue.isBroken { queue.pending = [] }
            guard !queue.pending.isEmpty, !queue.isWriting else { return false }
            queue.isWriting = true
            return true
        }
        if mustStart { thread.perform { [self] in write() } }
    }

    private func write() {
        while true {
            let bytes = queue.withLock { queue in
                let bytes = queue.pending
                queue.pending = []
                if bytes.isEmpty { queue.isWriting = false }
                return bytes
            }
            if bytes.isEmpty { return }
            if !put(bytes) { queue.withLock { $0.isBroken = true } }
        }
    }

    /// Writes everything, also to a descriptor that somebody has made non-blocking; false when nobody can read it.
    private func put(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            do throws(SystemError) {
                offset += try File.write(fd, bytes, from: offset)
            } catch {
                guard error.errno == EAGAIN else { return false }
                var set = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&set, 1, -1)
            }
        }
        return true
    }
}
