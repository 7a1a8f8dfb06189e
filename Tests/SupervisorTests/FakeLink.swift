// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Testing

@testable import Supervisor

/// A connection that speaks lines, so that shell scripts can be workers: READY, PONG, BYE and GARBAGE come, PING and
/// DRAIN go.
actor FakeLink: WorkerLink {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }

    struct Ended: Error {}

    private let socket: CInt
    private var registration: Reactor.Registration?
    private var text = ""
    private var isReady = false
    private var end: LinkEnd?
    private var readyWaiters: [CheckedContinuation<Void, any Error>] = []
    private var pongWaiters: [CheckedContinuation<Void, any Error>] = []
    private var endWaiters: [CheckedContinuation<LinkEnd, Never>] = []
    private var received: [String] = []
    private(set) var pongs = 0

    init(_ socket: consuming OwnedDescriptor, _ reactor: Reactor) {
        self.socket = socket.release()
        self.reactor = reactor
    }

    deinit { close(socket) }

    /// The lines that came and mean nothing to the link.
    var lines: [String] { received }

    func start() {
        do {
            registration = try reactor.register(socket, .read) { _ in self.drainInput() }
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func becomeReady() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            if isReady {
                continuation.resume()
            } else if end != nil {
                continuation.resume(throwing: Ended())
            } else {
                readyWaiters.append(continuation)
            }
        }
    }

    func probe() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            if end != nil { return continuation.resume(throwing: Ended()) }
            write("PING\n")
            pongWaiters.append(continuation)
        }
    }

    func drain() { write("DRAIN\n") }

    func abort() { finish(.aborted) }

    func peerEnded() -> LinkEnd {
        drainInput()
        finish(.vanished)
        return end ?? .vanished
    }

    func ended() async -> LinkEnd {
        await withCheckedContinuation { continuation in
            if let end { continuation.resume(returning: end) } else { endWaiters.append(continuation) }
        }
    }

    func drainInput() {
        while end == nil {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = unsafe recv(socket, &buffer, buffer.count, CInt(MSG_DONTWAIT))
            if count == 0 { return finish(.vanished) }
            if count < 0 { return }
            text += String(decoding: buffer[..<count], as: UTF8.self)
            while let newline = text.firstIndex(of: "\n") {
                let line = String(text[..<newline])
                text.removeSubrange(...newline)
                take(line)
            }
        }
    }

    private func take(_ line: String) {
        switch line {
        case "READY":
            isReady = true
            for waiter in readyWaiters { waiter.resume() }
            readyWaiters = []
        case "PONG":
            pongs += 1
            if !pongWaiters.isEmpty { pongWaiters.removeFirst().resume() }
        case "BYE": finish(.orderly)
        case "GARBAGE": finish(.violation("garbage"))
        case "OLD": finish(.rejected("version 0"))
        default: received.append(line)
        }
    }

    private func write(_ line: String) {
        _ = unsafe send(socket, line, line.utf8.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
    }

    private func finish(_ how: LinkEnd) {
        guard end == nil else { return }
        end = how
        if let registration { reactor.unregister(registration) }
        registration = nil
        for waiter in readyWaiters { waiter.resume(throwing: Ended()) }
        for waiter in pongWaiters { waiter.resume(throwing: Ended()) }
        for waiter in endWaiters { waiter.resume(returning: how) }
        (readyWaiters, pongWaiters, endWaiters) = ([], [], [])
    }
}

/// A worker that is a shell script.
func worker(
    _ script: String,
    on reactor: Reactor = .shared,
    memoryBase: String? = nil,
    _ change: (inout WorkerConfiguration) -> Void = { _ in }
) async throws -> WorkerProcess {
    var configuration = WorkerConfiguration(executable: "/bin/sh", arguments: ["-c", script])
    configuration.grace = .seconds(60)
    change(&configuration)
    return try await WorkerProcess.spawn(configuration, on: reactor, memoryBase: memoryBase) { socket, reactor in
        FakeLink(socket, reactor)
    }
}

/// Answers pings, and ends when drained.
let goodWorker = """
    echo READY >&3
    while read line <&3; do
        case $line in PING) echo PONG >&3;; DRAIN) echo BYE >&3; exit 0;; esac
    done
    """
