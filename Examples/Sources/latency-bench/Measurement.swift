// SPDX-License-Identifier: Apache-2.0

/// Milliseconds.
struct Percentiles: Codable {
    var count: Int
    var median: Double
    var p95: Double
    var p99: Double

    init(of samples: [Double]) {
        let sorted = samples.sorted()
        func at(_ part: Double) -> Double {
            sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))]
        }
        (count, median, p95, p99) = (sorted.count, at(0.5), at(0.95), at(0.99))
    }

    init(mediansOf rounds: [Percentiles]) {
        count = rounds.reduce(0) { $0 + $1.count }
        median = middle(rounds.map(\.median))
        p95 = middle(rounds.map(\.p95))
        p99 = middle(rounds.map(\.p99))
    }
}

/// The answer of `GET /loop`.
struct Delays: Codable {
    var loop: Percentiles
    var handlers: Percentiles
}

/// What one scenario gave.
struct Measurement: Codable {
    var light: Percentiles
    var delays: Delays
    var heavyPerSecond: Double

    init(light: Percentiles, delays: Delays, heavyPerSecond: Double) {
        self.light = light
        self.delays = delays
        self.heavyPerSecond = heavyPerSecond
    }

    init(mediansOf rounds: [Measurement]) {
        light = Percentiles(mediansOf: rounds.map(\.light))
        delays = Delays(
            loop: Percentiles(mediansOf: rounds.map(\.delays.loop)),
            handlers: Percentiles(mediansOf: rounds.map(\.delays.handlers))
        )
        heavyPerSecond = middle(rounds.map(\.heavyPerSecond))
    }
}

private func middle(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
