// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization

/// Measures how late an event loop is, and how late a handler would be.
///
/// A timer on the loop is due every 5 ms, whether the last one was late or not. How late it goes off is the loop's delay.
/// It then starts a task, as a request starts its handler; how late that runs, counted from the same moment, is the
/// handlers' delay. A handler that computes holds one of the few threads on which all handlers run: it shows in the second.
final class DelayMeter: Service {
    private struct Samples {
        var loop: [Duration] = []
        var handlers: [Duration] = []
    }

    private let loop: any EventLoop
    private let samples = Mutex(Samples())
    private static let interval = Duration.milliseconds(5)
    /// Five minutes; who does not look for longer gets the first.
    private static let limit = 60_000

    init(on loop: any EventLoop) { self.loop = loop }

    /// Measures until the service shuts down.
    func run() async throws {
        schedule(due: .now + Self.interval)
        try await gracefulShutdown()
    }

    private func schedule(due: ContinuousClock.Instant) {
        let wait = (due - .now) / .nanoseconds(1)
        loop.scheduleTask(in: .nanoseconds(Int64(max(0, wait)))) {
            let delay = ContinuousClock.now - due
            Task {
                let later = ContinuousClock.now - due
                self.samples.withLock { samples in
                    guard samples.handlers.count < Self.limit else { return }
                    samples.loop.append(delay)
                    samples.handlers.append(later)
                }
            }
            self.schedule(due: due + Self.interval)
        }
    }

    /// What was measured since the last time.
    func take() -> Delays {
        let samples = samples.withLock { samples in
            defer { samples = Samples() }
            return samples
        }
        return Delays(loop: Percentiles(of: samples.loop), handlers: Percentiles(of: samples.handlers))
    }
}

/// The answer to `GET /loop`.
struct Delays: ResponseCodable {
    let loop: Percentiles
    let handlers: Percentiles
}

/// Milliseconds.
struct Percentiles: Codable {
    let count: Int
    let median: Double
    let p95: Double
    let p99: Double

    init(of samples: [Duration]) {
        let sorted = samples.sorted()
        func at(_ part: Double) -> Double {
            guard !sorted.isEmpty else { return 0 }
            return sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))] / .milliseconds(1)
        }
        (count, median, p95, p99) = (sorted.count, at(0.5), at(0.95), at(0.99))
    }
}
