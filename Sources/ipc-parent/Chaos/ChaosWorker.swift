// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
internal import Glibc
internal import IPCFrame

/// The worker that harms itself as it is told, call by call; `ipc-parent chaos` starts it.
struct ChaosWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos-worker",
        abstract: "The worker that 'chaos' starts; of no use by itself.",
        shouldDisplay: false
    )

    @Option(help: "The part of starts that fail before a word is said.")
    var failedStarts = 0.0

    func run() throws {
        if Double.random(in: 0..<1) < failedStarts { _exit(ChaosWorker.failedStart) }
        Worker.run(name: "chaos-worker", handler: ChaosWorker.handle)
    }
}

/// How the worker answers, and how it does not.
enum ChaosWorker {
    static let method = "chaos"
    static let failedStart: CInt = 40
    static let exitCode: CInt = 41
    static let lateExitCode: CInt = 42
    /// The descriptor of the protocol; see `Worker.descriptorVariable`.
    private static let socket: CInt = 3

    @Sendable @concurrent
    static func handle(_ call: IncomingCall) async throws {
        guard call.method == method else { throw Worker.unknownMethod(call.method) }
        let harm = call["harm"].flatMap(ChaosHarm.init)
        let moment = call["moment"].flatMap(ChaosMoment.init) ?? .before
        let work = call["work"].flatMap(UInt32.init) ?? 0
        func pass(_ now: ChaosMoment) throws { if now == moment, let harm { try suffer(harm) } }

        try pass(.before)
        var bytes: [UInt8] = []
        let half = (call.body.size ?? 0) / 2
        var hasPassedHalf = false
        for try await piece in call.body {
            bytes += piece
            if !hasPassedHalf, bytes.count >= half {
                hasPassedHalf = true
                try pass(.reading)
            }
        }
        if !hasPassedHalf { try pass(.reading) }
        // Blocks the thread, as real work does.
        usleep(work * 1_000)
        try pass(.working)
        let writer = call.respond(size: UInt64(bytes.count))
        try await writer.write(Array(bytes.prefix(bytes.count / 2)))
        try pass(.writing)
        try await writer.write(Array(bytes.dropFirst(bytes.count / 2)))
        if harm == .late {
            CallThreads.shared.run {
                usleep(2_000)
                _exit(lateExitCode)
            }
        }
    }

    private static func suffer(_ harm: ChaosHarm) throws {
        switch harm {
        case .exit: _exit(exitCode)
        case .crash:
            // A real fault: a signal that is only raised waits, in a thread that blocks it.
            unsafe UnsafeMutablePointer<UInt8>(bitPattern: 8)?.pointee = 1
        case .oom: eatMemory()
        case .garbage: speak(Array("this is not a frame, and was never meant to be one. ".utf8) + [0xFF])
        case .half:
            // The first bytes of a DATA frame of 4,096 bytes, and the end.
            speak([0, 16, 0, 0, 8, 0, 0])
            _exit(exitCode)
        case .close: close(socket)
        case .hang: while true { sleep(1) }
        case .fail: throw CallFailure(.failed, exitCode: 75, isRetryable: true, reason: "the call was told to fail")
        case .flood:
            let line = Array((String(repeating: "flood ", count: 100) + "\n").utf8)
            for _ in 0..<500 { _ = unsafe write(2, line, line.count) }
        case .kill, .stop, .cancel, .late: break
        }
    }

    /// Takes memory, page by page, until it is stopped.
    private static func eatMemory() -> Never {
        while true {
            // Populated by the kernel: a compiler may leave out an allocation that nobody reads.
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x8000  // MAP_POPULATE, which Swift does not see
            let block = unsafe mmap(nil, 8 << 20, PROT_READ | PROT_WRITE, flags, -1, 0)
            guard unsafe block == MAP_FAILED else { continue }
            let words = "out of memory\n"
            _ = unsafe write(2, words, words.utf8.count)
            abort()
        }
    }

    private static func speak(_ bytes: [UInt8]) {
        _ = unsafe send(socket, bytes, bytes.count, CInt(MSG_NOSIGNAL))
        // What is said is heard before the process does anything else.
        usleep(1_000)
    }
}
