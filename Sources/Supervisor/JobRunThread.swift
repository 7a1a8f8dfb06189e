// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// A thread for work that blocks, so that nothing else has to wait: files, terminals, pipes of other people.
package final class BlockingThread: Sendable {
    // A reactor of its own, on which nothing else lives: it is a queue with a thread, and that is all it is used for.
    private let queue: Reactor

    /// Starts the thread.
    package init(name: String) {
        queue = Reactor(name: name)
        queue.start()
    }

    deinit { queue.stop() }

    /// Where tasks that block may run: `withTaskExecutorPreference(thread.executor)`.
    package var executor: any TaskExecutor { queue }

    /// Has `body` run on the thread, after what was asked for before; does not wait.
    package func perform(_ body: @escaping @Sendable () -> Void) { queue.perform(body) }

    /// Runs `body` on the thread, after what was asked for before.
    package func run<Success: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Success
    ) async throws(Failure) -> Success {
        let result: Result<Success, Failure> = await withCheckedContinuation { continuation in
            queue.perform {
                do throws(Failure) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
