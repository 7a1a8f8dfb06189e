// SPDX-License-Identifier: Apache-2.0

/// A measurement that is worth nothing.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension Duration {
    /// The length in microseconds.
    var microseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1e6 + Double(attoseconds) / 1e12
    }
}

extension [Double] {
    /// The value that the share `q` of all does not exceed.
    func quantile(_ q: Double) -> Double {
        guard !isEmpty else { return 0 }
        return sorted()[Int((q * Double(count - 1)).rounded())]
    }
}
