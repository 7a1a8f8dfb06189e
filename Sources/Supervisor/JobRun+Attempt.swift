// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame
internal import Synchronization

// One attempt: a worker, a call, its bodies.
extension JobRun {
    // MARK: The worker

    func begin(_ number: Int) {
        attempt = Attempt(number: number, startedAt: ContinuousMoment.now)
        hints = []
        Task { await self.spawn(number) }
    }

    private func spawn(_ number: Int) async {
        let connectionConfiguration = self.connectionConfiguration
        // Set once, by the closure, before spawn returns.
        let made = Mutex<Connection?>(nil)
        if number > 1, await !rewindInput() { return }
        do throws(SpawnError) {
            let worker = try await WorkerProcess.spawn(request.worker, on: reactor) { socket, reactor in
                let connection = Connection(
                    adopting: socket,
                    role: .parent,
                    reactor: reactor,
                    configuration: connectionConfiguration
                )
                made.withLock { $0 = connection }
                return connection
            }
            guard let connection = made.withLock({ $0 }) else { preconditionFailure("a worker has its connection") }
            attempt.worker = worker
            outcome.memoryEnforcement = worker.memoryEnforcement
            attempt.connection = connection
            Task { await self.follow(worker, number) }
            Task { await self.shakeHands(connection, number) }
            if let early = attempt.earlyStop { endWorker(early) }
        } catch {
            handle(.startFailed(JobStartFailure(error)), from: number)
        }
    }

    private var connectionConfiguration: ConnectionConfiguration {
        var configuration = ConnectionConfiguration(name: "ipc-parent")
        // Just after the worker's own deadline for its start, which has the better words for it.
        configuration.handshakeTimeout = request.worker.startTimeout + .seconds(2)
        return configuration
    }

    private func follow(_ worker: WorkerProcess, _ number: Int) async {
        let exit = await worker.waitForExit()
        guard number == attempt.number else { return }
        attempt.exit = exit
        noteFinal(number)
        handle(.workerGone(JobRunMachine.WorkerEnd(exit.reason)), from: number)
    }

    private func shakeHands(_ connection: Connection, _ number: Int) async {
        do throws(ConnectionEnd) {
            let peer = try await connection.handshake()
            attempt.sharesMemory = request.wantsSharedMemory && peer.canShareMemory
            attempt.passesInput = request.transport == .descriptor && peer.canPassFiles && request.input?.file != nil
            outcome.traffic.codec = codec == .zlib && peer.canCompress ? "zlib" : "none"
            if let missing = missingTransport(peer) {
                let failure = JobFailure(
                    code: "unsupportedTransport",
                    exitCode: SupervisorExitCode.notSupervised,
                    text: "the worker \(missing); use --transport auto"
                )
                return handle(.callEnded(.failed(failure)), from: number)
            }
            handle(.ready, from: number)
        } catch {
            note(error)
            handle(.callEnded(JobRunMachine.CallEnd(error)), from: number)
        }
    }

    /// What the worker would have to offer, and does not.
    private func missingTransport(_ peer: PeerDescription) -> String? {
        switch request.transport {
        case .memory where !peer.canShareMemory: "does not offer shared memory"
        case .descriptor where !peer.canPassFiles: "takes no open files"
        case .auto, .socket, .memory, .descriptor: nil
        }
    }

    /// Keeps what only the connection's end tells.
    private func note(_ end: ConnectionEnd) {
        switch end {
        case .reportedByPeer(_, let reason): hints.append("the worker said: \(reason)")
        case .system: hints.append("\(end)")
        default: break
        }
    }

    func endWorker(_ action: JobRunMachine.Action) {
        guard let worker = attempt.worker else {
            attempt.earlyStop = action
            return
        }
        let cause = slowness ?? .finished
        Task {
            switch action {
            case .killWorker: await worker.kill(cause)
            case .terminateWorker: await worker.terminate(cause)
            default: await worker.stop(StopCause.finished)
            }
        }
    }

    /// Why a worker whose call was cancelled in vain is ended: then what it does instead is kept as evidence.
    private var slowness: StopCause? {
        switch coming {
        case .stalled: .stalled(.progress)
        case .timedOut(.total): .timedOut(.total)
        default: nil
        }
    }

    func hangUp() {
        guard let connection = attempt.connection else { return }
        Task { await connection.abort() }
    }

    // MARK: The call

    func openCall() {
        guard let connection = attempt.connection else { return }
        let number = attempt.number
        Task { await self.call(on: connection, number) }
    }

    private func call(on connection: Connection, _ number: Int) async {
        var events: Task<Void, Never>?
        do {
            let call = try await connection.call(
                request.job,
                arguments: request.arguments,
                body: body,
                options: callOptions
            )
            guard number == attempt.number else { return call.cancel() }
            attempt.call = call
            attempt.lastTraffic = call.statistics
            events = Task { await self.follow(call, number) }
            let response = try await call.response()
            handle(.activity, from: number)
            let trailer = try await take(response.body, number)
            await events?.value
            keep(trailer)
            if attempt.passesInput { request.input?.passed(call.statistics.bytesSent) }
            request.input?.finish()
            let exitCode = Int32(clamping: trailer.exitCode ?? 0)
            handle(.completed(exitCode: exitCode, reason: trailer.reason), from: number)
        } catch let error as JobBodyError {
            handle(error.event, from: number)
            await endCall(events, number)
        } catch let error as CallError {
            // Where we gave the body up, the call ends only when the worker says so, and it need not.
            if !error.isOurFinding { await events?.value }
            if case .source = error { handle(inputGate.event(error), from: number) }
            if error.leavesCallOpen { return await endCall(events, number) }
            if case .failed(let remote) = error { outcome.workerPeakRSS = remote.peakRSS }
            if case .connection(let end) = error { note(end) }
            noteFinal(number)
            handle(.callEnded(JobRunMachine.CallEnd(error)), from: number)
        } catch {
            handle(.callEnded(.protocolViolation(code: "internal", text: "\(error)")), from: number)
        }
    }

    /// The call is of no use any more: waits until the worker knows it too.
    private func endCall(_ events: Task<Void, Never>?, _ number: Int) async {
        attempt.call?.cancel()
        await attempt.call?.finished()
        await events?.value
        handle(.callEnded(.cancelled), from: number)
    }

    private func follow(_ call: OutgoingCall, _ number: Int) async {
        for await event in call.events {
            guard number == attempt.number else { return }
            switch event {
            case .progress(let progress):
                observer.progress(progress)
                handle(.progress(isFinal: progress.isFinal), from: number)
            case .log(let line): observer.log(line)
            }
        }
    }

    /// The event itself may have been dropped among others.
    private func noteFinal(_ number: Int) {
        guard number == attempt.number, attempt.call?.isFinal == true else { return }
        handle(.progress(isFinal: true), from: number)
    }

    /// What goes through shared memory, or as a file, is not compressed.
    private var codec: BodyCodec { attempt.sharesMemory || attempt.passesInput ? .none : request.codec }

    private var callOptions: CallOptions {
        var options = CallOptions()
        options.codec = codec
        options.delivery = delivery
        options.holdsBody = request.input != nil
        options.timeout = request.timeout.map { max(.zero, $0 - (ContinuousMoment.now - attempt.startedAt)) }
        return options
    }

    private var delivery: CallOptions.Delivery {
        if attempt.passesInput { return .descriptor }
        guard attempt.sharesMemory else { return .inline }
        return request.transport == .memory ? .arena : .auto
    }

    private func keep(_ trailer: Trailer) {
        outcome.counts = trailer.counts
        outcome.workerPeakRSS = trailer.peakRSS
    }

    // MARK: Bodies

    private var body: OutboundBody {
        guard let input = request.input else { return .none }
        if attempt.passesInput, let file = input.file, let count = input.byteCount {
            return .file(descriptor: file.descriptor, offset: file.offset, count: count)
        }
        let gate = inputGate
        return .pieces(size: input.byteCount) {
            try gate.pass { () throws(JobBodyError) in
                let bytes = try input.read(upTo: JobRun.pieceBytes)
                return bytes.isEmpty ? nil : bytes
            }
        }
    }

    static let pieceBytes = 256 << 10

    private func take(_ body: InboundBody, _ number: Int) async throws -> Trailer {
        let output = request.output
        try await withTaskExecutorPreference(outputThread.executor) {
            try await Self.write(body, to: output) { await self.handle(.resultLeft, from: number) }
        }
        guard let trailer = body.trailer else { preconditionFailure("a body that has ended has its trailer") }
        return trailer
    }

    /// Runs on the thread for the result, which may block.
    @concurrent
    private static func write(
        _ body: InboundBody,
        to output: any JobOutput,
        onFirstByte: @Sendable () async -> Void
    ) async throws {
        var hasLeft = !output.isImmediate
        while let piece = try await body.nextPiece() {
            if !hasLeft, !piece.bytes.isEmpty {
                hasLeft = true
                await onFirstByte()
            }
            try output.write(piece.bytes)
            if piece.isFlush { try output.synchronize() }
        }
    }

    /// False when there cannot be another attempt.
    private func rewindInput() async -> Bool {
        guard let input = request.input else { return true }
        // A read that still waits for the attempt before must not take what belongs to the next.
        input.interrupt()
        await inputGate.idle()
        do throws(JobBodyError) {
            try input.rewind()
            return true
        } catch {
            handle(error.event, from: attempt.number)
            handle(.startFailed(.system("\(error)")), from: attempt.number)
            return false
        }
    }

    // MARK: The result

    func placeResult() {
        let output = request.output
        let number = attempt.number
        Task {
            do throws(JobBodyError) {
                try await self.outputThread.run { () throws(JobBodyError) in try output.place() }
                self.handle(.resultPlaced, from: number)
            } catch {
                self.handle(.resultNotPlaced("\(error); the job itself was done"), from: number)
            }
        }
    }

    func discardResult() {
        let output = request.output
        let number = attempt.number
        Task {
            do throws(JobBodyError) {
                try await self.outputThread.run { () throws(JobBodyError) in try output.discard() }
            } catch {
                self.handle(error.event, from: number)
            }
        }
    }

    func currentTraffic() -> JobTraffic {
        var traffic = outcome.traffic
        guard let statistics = attempt.call?.statistics else { return traffic }
        traffic.bytesIn = statistics.bytesSent
        traffic.bytesOut = statistics.bytesReceived
        traffic.wireBytesIn = statistics.wireBytesSent
        traffic.wireBytesOut = statistics.wireBytesReceived
        traffic.chunks = statistics.chunks
        traffic.chunksCompressed = statistics.chunksCompressed
        traffic.codec = traffic.codec ?? codec.name
        traffic.transport =
            statistics.filesPassed > 0 ? "descriptor" : statistics.chunksShared > 0 ? "memory" : "socket"
        return traffic
    }
}
