// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Writes a line a frame to the file that `IPCFRAME_TRACE` names: what an author of a worker needs most.
///
///     12.345678 parent 4711 > REQUEST stream=1 length=87 flags=0
///
/// The time is CLOCK_MONOTONIC in seconds; `>` is sent, `<` received. No payload is written. The file is
/// appended to, so both ends can share it.
struct FrameTrace {
    private let descriptor: CInt
    private let prefix: String

    /// A trace when the variable is set and the file can be opened; the failure to open it is told on stderr.
    init?(role: ConnectionStateMachine.Role) {
        guard let name = unsafe getenv("IPCFRAME_TRACE") else { return nil }
        let path = unsafe String(cString: name)
        guard !path.isEmpty else { return nil }
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let text =
                "ipcframe: cannot write the trace IPCFRAME_TRACE=\(path): "
                + "\(SystemError(call: "open", errno: errno))\n"
            _ = unsafe write(2, text, text.utf8.count)
            return nil
        }
        self.descriptor = descriptor
        prefix = " \(role) \(getpid()) "
    }

    func record(_ header: FrameHeader, isSent: Bool) {
        let now = ContinuousMoment.now.nanoseconds / 1_000
        let fraction = String(now % 1_000_000)
        let time = "\(now / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
        let line =
            time + prefix + (isSent ? "> " : "< ") + FrameType.name(of: header.rawType)
            + " stream=\(header.stream) length=\(header.length) flags=\(header.flags.rawValue)\n"
        _ = unsafe write(descriptor, line, line.utf8.count)
    }

    func end() {
        _ = close(descriptor)
    }
}
