// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Synchronization

/// Receives the signals of a command as ordinary calls, on a thread of its own.
///
/// They are blocked in every thread and taken with sigwait(3), so no handler ever runs in the middle of something. A
/// signal that was ignored when the command was started (nohup, a shell's background job) stays ignored.
final class SignalWatch: Sendable {
    /// What a signal asks for.
    enum Wish: Equatable {
        /// To end, as this signal says.
        case end(CInt)
        /// To say how far the job is.
        case status
        /// To leave the terminal alone, since the process is about to be stopped.
        case stopping
        /// To take the terminal up again.
        case continued
    }

    private static let watched = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGTSTP, SIGCONT]
    /// Sent to ourselves: it is taken after every other signal that was pending before it, since its number is higher.
    private static let marker = SIGURG

    private let signals: [CInt]
    private let handler = Mutex<(@Sendable (Wish) -> Void)?>(nil)
    private let isEndWanted = Atomic(false)
    private let settlers = Mutex<[Readiness]>([])

    /// Blocks the signals; call it before the process has a second thread.
    init() {
        signals = [Self.marker] + Self.watched.filter { $0 == SIGCONT || !Self.isIgnored($0) }
        _ = Self.mask(SIG_BLOCK, signals)
    }

    /// Starts the thread, which lives as long as the process.
    func start(_ handler: @escaping @Sendable (Wish) -> Void) {
        self.handler.withLock { $0 = handler }
        NamedThread.start("signals") { self.run() }
    }

    private func run() -> Never {
        var set = Self.set(signals)
        while true {
            var number: CInt = 0
            guard unsafe sigwait(&set, &number) == 0 else { continue }
            switch number {
            case SIGUSR1: tell(.status)
            case SIGCONT: tell(.continued)
            case SIGTSTP: stop()
            case Self.marker: settled()
            default:
                isEndWanted.store(true, ordering: .releasing)
                tell(.end(number))
            }
        }
    }

    private func tell(_ wish: Wish) {
        let handler = handler.withLock { $0 }
        handler?(wish)
    }

    /// Waits until every signal that was pending at the call has been taken; true if one of them, or an earlier one,
    /// asked for the end.
    ///
    /// Ctrl-C ends the whole pipeline before us too. The end of our input that this brings must not be taken for the
    /// end of what there is, and it can be seen here before the signal is.
    func settle() -> Bool {
        guard let bell = try? Readiness() else { return isEndWanted.load(ordering: .acquiring) }
        settlers.withLock { $0.append(bell) }
        kill(getpid(), Self.marker)
        // No descriptor but the bell.
        _ = try? bell.wait(for: -1, 0)
        return isEndWanted.load(ordering: .acquiring)
    }

    private func settled() {
        let bells = settlers.withLock { settlers in
            defer { settlers = [] }
            return settlers
        }
        for bell in bells { bell.interrupt() }
    }

    /// Stops the process as the signal would have done, had we not taken it.
    private func stop() {
        tell(.stopping)
        // The kernel decides: a process group without a shell that could continue it is not stopped.
        raise(SIGTSTP)
        _ = Self.mask(SIG_UNBLOCK, [SIGTSTP])
        _ = Self.mask(SIG_BLOCK, [SIGTSTP])
    }

    private static func isIgnored(_ signal: CInt) -> Bool {
        var action = Glibc.sigaction()
        guard unsafe sigaction(signal, nil, &action) == 0 else { return false }
        // SIG_IGN is 1 by the ABI; a handler's address is compared, never called.
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self) == 1
    }

    private static func set(_ signals: [CInt]) -> sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        return set
    }

    private static func mask(_ how: CInt, _ signals: [CInt]) -> CInt {
        var set = set(signals)
        return unsafe pthread_sigmask(how, &set, nil)
    }
}
