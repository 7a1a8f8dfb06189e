// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

// The processes.
extension WorkerPool {
    func beginWorker(_ id: PoolMachine.WorkerID) {
        workers[id] = Worker()
        Task { await self.runWorker(id) }
    }

    /// One worker, from its spawn to its exit.
    private func runWorker(_ id: PoolMachine.WorkerID) async {
        let process: WorkerProcess
        do throws(SpawnError) {
            process = try await WorkerProcess.spawn(
                configuration.worker,
                on: reactor,
                connection: configuration.connection
            )
        } catch {
            workers[id] = nil
            return handle(.spawnFailed(id, error))
        }
        workers[id]?.process = process
        tell(.workerSpawned(worker: id, pid: process.pid))
        if let order = workers[id]?.earlyOrder.take() { endWorker(id, order) }
        if (try? await process.ready()) != nil {
            handle(.workerReady(id))
            _ = await process.connection.closed()
            handle(.workerLeaving(id))
        }
        let exit = await process.waitForExit()
        workers[id] = nil
        handle(.workerExited(id, exit))
    }

    func endWorker(_ id: PoolMachine.WorkerID, _ order: PoolMachine.Action) {
        guard let process = workers[id]?.process else {
            workers[id]?.earlyOrder = order
            return
        }
        Task {
            switch order {
            case .stopWorker(_, let cause): await process.stop(cause)
            case .terminateWorker(_, let cause): await process.terminate(cause)
            case .killWorker(_, let cause): await process.kill(cause)
            default: preconditionFailure("not an order to end a worker")
            }
        }
    }

    /// What is looked at of a worker's memory after a call, at most so often.
    private static let samplingInterval = Duration.milliseconds(250)

    func sampleMemory(of id: PoolMachine.WorkerID) {
        guard configuration.policy.recycling.residentSize != nil, let process = workers[id]?.process else { return }
        let now = ContinuousMoment.now
        if let last = workers[id]?.sampledAt, now - last < Self.samplingInterval { return }
        workers[id]?.sampledAt = now
        guard let size = ProcessStatus.read(pid: process.rawPID)?.residentSize else { return }
        handle(.residentSize(id, size))
    }
}
