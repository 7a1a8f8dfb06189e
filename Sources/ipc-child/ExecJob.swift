// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Synchronization

/// `exec -- PROGRAM ARGS…`: any Unix program as a worker.
///
/// The body is its standard input, its standard output the result, each line of its standard error a log line, its exit
/// status the outcome. It leads a process group of its own; what it leaves behind in that group ends with it.
enum ExecJob {
    private static let pieceBytes = 64 << 10
    /// How long output is awaited that a background process may still hold open when the program has ended.
    private static let lingerMilliseconds: CInt = 1_000

    static func run(_ call: IncomingCall) async throws {
        var arguments = JobArguments(call)
        let words = try arguments.takePositional()
        try arguments.finish()
        guard let program = words.first, !program.isEmpty else {
            throw JobArguments.wrong("the job 'exec' needs a program: ipc-parent run exec -- PROGRAM ARGS…")
        }
        let child = try PipedProgram.start(program, words)
        call.onCancel { child.signal(SIGTERM) }
        let feeder = Feeder()
        CallThreads.shared.run { await feeder.feed(call.body, to: child) }
        CallThreads.shared.run { relayLog(child, call) }
        try await relayOutput(child, call)
        let status = child.waitForEnd()
        child.waitForErrorOutput()
        if let failure = feeder.failure { throw failure }
        call.trailer = trailer(status, program)
    }

    private static func relayOutput(_ child: PipedProgram, _ call: IncomingCall) async throws {
        let writer = call.respond()
        do {
            while let bytes = try child.readOutput(upTo: pieceBytes, lingerMilliseconds: lingerMilliseconds) {
                try await writer.write(bytes)
            }
        } catch {
            child.signal(SIGKILL)
            _ = child.waitForEnd()
            throw error
        }
    }

    private static func relayLog(_ child: PipedProgram, _ call: IncomingCall) {
        var lines = LogLines()
        while let bytes = child.readErrorOutput(upTo: 8_192, lingerMilliseconds: lingerMilliseconds) {
            for line in lines.take(bytes) { call.log(.info, line) }
        }
        if let last = lines.rest() { call.log(.info, last) }
        child.endErrorOutput()
    }

    /// Not an error, even if the program failed: an error would overtake what it had printed.
    private static func trailer(_ status: PipedProgram.Status, _ program: String) -> Trailer {
        switch status {
        case .exited(0): Trailer(exitCode: 0)
        case .exited(let code): Trailer(exitCode: UInt32(code), reason: "'\(program)' exited with \(code)")
        case .signalled(let signal):
            Trailer(exitCode: UInt32(128 + signal), reason: "'\(program)' was ended by signal \(signal)")
        }
    }

    /// Moves the body into the program's standard input.
    private final class Feeder: Sendable {
        private let failureBox = Mutex<CallError?>(nil)

        var failure: CallError? { failureBox.withLock { $0 } }

        func feed(_ body: InboundBody, to child: PipedProgram) async {
            do throws(CallError) {
                while let piece = try await body.nextPiece() {
                    guard child.writeInput(piece.bytes) else {
                        // It reads no more, which is its right: `head` does.
                        await body.stop(reason: "the program closed its standard input")
                        break
                    }
                }
            } catch {
                // Not the end of its input: the program must not take half a body for a whole one.
                if !child.hasEnded {
                    failureBox.withLock { $0 = error }
                    child.signal(SIGKILL)
                }
            }
            child.closeInput()
        }
    }
}

/// Cuts bytes into lines for the log; a line of more than 8 KiB is told in pieces.
private struct LogLines {
    private var pending: [UInt8] = []

    mutating func take(_ bytes: [UInt8]) -> [String] {
        pending.append(contentsOf: bytes)
        var lines: [String] = []
        var start = 0
        for (index, byte) in pending.enumerated() where byte == 0x0A {
            lines.append(String(decoding: pending[start..<index], as: UTF8.self))
            start = index + 1
        }
        pending.removeFirst(start)
        if pending.count >= 8_192 {
            lines.append(String(decoding: pending, as: UTF8.self))
            pending.removeAll()
        }
        return lines
    }

    func rest() -> String? {
        pending.isEmpty ? nil : String(decoding: pending, as: UTF8.self)
    }
}
