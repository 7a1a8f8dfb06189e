// SPDX-License-Identifier: Apache-2.0

/// What a workload tells of its times.
enum Summary {
    /// W1: microseconds each, and all of them together.
    static func roundTrips(_ times: [Double], took: Double, _ settings: Settings) -> Bench.Metrics {
        let details: Bench.Metrics =
            settings["detail"] == "yes" ? [("p90_us", times.quantile(0.9)), ("p999_us", times.quantile(0.999))] : []
        return [
            ("p50_us", times.quantile(0.5)), ("p99_us", times.quantile(0.99)),
            ("rtt_per_s", Double(times.count) / took * 1_000_000),
        ] + details
    }

    /// W2: milliseconds each.
    static func largeRoundTrips(_ times: [Double], bytes: Int) -> Bench.Metrics {
        let median = times.quantile(0.5)
        return [
            ("median_ms", median), ("min_ms", times.min() ?? 0),
            ("mb_per_s", 2 * Double(bytes) / 1_000 / median), ("bytes", Double(bytes)),
        ]
    }
}
