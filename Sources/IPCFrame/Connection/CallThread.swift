// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// A thread for one call at a time: code that runs on it may block, in C too, and hold up nobody else.
///
/// A `TaskExecutor`: `Task(executorPreference: thread) { … }` runs there whatever is not bound to an actor.
final class CallThread: TaskExecutor, Sendable {
    private struct Inbox {
        var jobs: [UnownedJob] = []
        var isStarted = false
    }

    private let inbox = Mutex(Inbox())
    private let wakeup = Semaphore()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustStart = inbox.withLock { inbox in
            inbox.jobs.append(job)
            defer { inbox.isStarted = true }
            return !inbox.isStarted
        }
        if mustStart { start() }
        wakeup.signal()
    }

    private func start() {
        // These threads live as long as the process.
        NamedThread.start("ipcframe-call") { self.run() }
    }

    private func run() {
        var batch: [UnownedJob] = []
        while true {
            wakeup.wait()
            inbox.withLock { swap(&$0.jobs, &batch) }
            for job in batch {
                // The runtime's own contract: each job it enqueued is run once.
                unsafe job.runSynchronously(on: asUnownedTaskExecutor())
            }
            batch.removeAll(keepingCapacity: true)
        }
    }
}

/// Threads that have done a call and wait for the next.
///
/// One for each call that runs at the same time: bounded by the calls that a connection allows.
package final class CallThreads: Sendable {
    package static let shared = CallThreads()

    private struct State {
        var idle: [CallThread] = []
        var running = 0
    }

    private let state = Mutex(State())

    /// Calls that run now.
    var running: Int { state.withLock { $0.running } }

    /// Has a thread ready for the first call, and what running a task takes besides.
    package func prepare() { run {} }

    /// Runs `body` on a thread of its own; the thread is kept for the next.
    ///
    /// Cancelling the task that is returned cancels `body`.
    @discardableResult
    package func run(_ body: @escaping @Sendable @concurrent () async -> Void) -> Task<Void, Never> {
        let idle = state.withLock { state in
            state.running += 1
            return state.idle.popLast()
        }
        let thread = idle ?? CallThread()
        return Task(executorPreference: thread) {
            await body()
            self.state.withLock { state in
                state.running -= 1
                state.idle.append(thread)
            }
        }
    }

    /// The same, or on the reactor, as `placement` says.
    func run(
        _ placement: Placement,
        of reactor: Reactor,
        _ body: @escaping @Sendable @concurrent () async -> Void
    ) {
        guard placement == .onReactor else {
            run(body)
            return
        }
        state.withLock { $0.running += 1 }
        Task(executorPreference: reactor) {
            await body()
            self.state.withLock { $0.running -= 1 }
        }
    }
}
