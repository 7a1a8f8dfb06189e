// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Logging

/// Writes what happens in a pool to a log: what somebody must look at as a warning or worse, the rest for debugging.
struct PoolLog: Sendable {
    private let logger: Logger

    init(_ logger: Logger) { self.logger = logger }

    func write(_ event: PoolEvent) {
        switch event {
        case .workerSpawned(let worker, let pid):
            logger.debug("worker spawned", metadata: ["worker": "\(worker)", "pid": "\(pid)"])
        case .workerReady(let worker):
            logger.debug("worker ready", metadata: ["worker": "\(worker)"])
        case .workerEnded(let worker, let end):
            logger.log(
                level: end.isUneventful ? .debug : .warning,
                "worker ended",
                metadata: ["worker": "\(worker)", "reason": "\(end)"]
            )
        case .workerRecycled(let worker, let reason):
            logger.debug("worker recycled", metadata: ["worker": "\(worker)", "reason": "\(reason.rawValue)"])
        case .workerIdle(let worker):
            logger.debug("worker let go, with nothing to do", metadata: ["worker": "\(worker)"])
        case .restartDelayed(let pause, let row):
            logger.warning("restart delayed", metadata: ["pause": "\(pause)", "endsInARow": "\(row)"])
        case .breakerOpened(let pause, let end):
            logger.error(
                "no worker is started for a while: too many ended at once",
                metadata: ["pause": "\(pause)", "lastEnd": "\(end)"]
            )
        case .breakerProbing: logger.notice("one worker is tried")
        case .breakerClosed: logger.notice("workers are started again")
        case .callStarted(let call, let worker, let attempt):
            logger.trace(
                "call started",
                metadata: ["call": "\(call)", "worker": "\(worker)", "attempt": "\(attempt)"]
            )
        case .callTransferred(let call, let worker, let moved):
            logger.trace(
                "call transferred",
                metadata: [
                    "call": "\(call)", "worker": "\(worker)", "bytesSent": "\(moved.bytesSent)",
                    "bytesReceived": "\(moved.bytesReceived)",
                ]
            )
        case .callRetried(let call, let attempt, let pause):
            logger.info(
                "call is tried again",
                metadata: ["call": "\(call)", "attempt": "\(attempt)", "pause": "\(pause)"]
            )
        case .callQuarantined(let call, let identity):
            logger.error(
                "call has cost too many workers",
                metadata: ["call": "\(call)", "identity": "\(identity ?? "")"]
            )
        case .callOverdue(let call, let worker):
            logger.warning(
                "call did not end when it was told to, and costs its worker",
                metadata: ["call": "\(call)", "worker": "\(worker)"]
            )
        case .callEnded(let call, let end, let attempts, let waited, let ran):
            logger.log(
                level: end == .succeeded ? .trace : .info,
                "call ended",
                metadata: [
                    "call": "\(call)", "end": "\(end.rawValue)", "attempts": "\(attempts)", "waited": "\(waited)",
                    "ran": "\(ran)",
                ]
            )
        case .queueFull(let call): logger.warning("queue is full", metadata: ["call": "\(call)"])
        case .draining: logger.info("pool drains")
        case .stopped: logger.info("pool has ended")
        }
    }
}

extension PoolWorkerEnd {
    /// Whether this is how a worker ends that nothing is wrong with.
    var isUneventful: Bool {
        guard case .exited(let exit) = self else { return false }
        return switch exit.reason {
        case .exited(code: 0), .recycled, .parentShutdown, .cancelled: true
        default: false
        }
    }
}
