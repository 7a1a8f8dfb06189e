// SPDX-License-Identifier: Apache-2.0
public import ServiceLifecycle
public import Supervisor

/// A pool is a service: it runs until its group shuts down, and then does what it has before it ends.
extension WorkerPool: Service {
    /// Starts the minimum of workers; returns when the pool has ended.
    ///
    /// Graceful shutdown drains the pool; cancelling the task stops it.
    public nonisolated func run() async {
        await start()
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await ended()
            } onGracefulShutdown: {
                Task { await self.drain() }
            }
        } onCancel: {
            Task { await self.stop() }
        }
    }
}
