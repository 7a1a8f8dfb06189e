// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Supervisor

/// W5: from the spawn to READY and the first 64 bytes there and back, one child after the other.
struct SpawnBench: Sendable {
    let worker: WorkerConfiguration
    let settings: Settings
    let options: CallOptions

    /// The metrics, and the last child's peak.
    func measure(on reactor: Reactor) async throws -> (Bench.Metrics, UInt64?) {
        // Every page is written to, so that it is there.
        let ballast = [UInt8](repeating: 1, count: settings.number("ballast", 0) << 20)
        let message = Input.small
        var times: [Double] = []
        var childPeak: UInt64?
        for _ in 0..<settings.number("spawns", 50) {
            let began = ContinuousClock.now
            let process = try await WorkerProcess.spawn(worker, on: reactor)
            try await process.ready()
            let call = try await process.connection.call("echo", body: .bytes(message), options: options)
            let answer = try await call.response().body.collect(upTo: .max)
            times.append((ContinuousClock.now - began).microseconds / 1_000)
            guard answer == message else { throw BenchError("the echo differs") }
            await process.stop()
            childPeak = await process.waitForExit().peakRSS
        }
        withExtendedLifetime(ballast) {}
        return ([("median_ms", times.quantile(0.5)), ("p90_ms", times.quantile(0.9))], childPeak)
    }
}
