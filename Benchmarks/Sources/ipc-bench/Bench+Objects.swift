// SPDX-License-Identifier: Apache-2.0
import IPCFrame
import Synchronization

extension Bench {
    /// W4: stations as objects there, a change of every 8th back; as lines of JSON, coded while they move.
    func objects() async throws -> Metrics {
        let stations = try stations()
        var times: [Double] = []
        for round in -settings.number("warm", 1)..<settings.number("rounds", 5) {
            let began = ContinuousClock.now
            let encoder = StationEncoder(stations)
            let call = try await connection.call("objects", body: .pieces { encoder.next() }, options: options)
            var lines = LineReader()
            var changes: [StationChange] = []
            for try await piece in try await call.response().body {
                try lines.read(piece) { changes.append(try StationChange(parsing: &$0)) }
            }
            try lines.finish()
            let took = ContinuousClock.now - began
            guard changes == StationChange.changes(of: stations) else { throw BenchError("the changes differ") }
            if round >= 0 { times.append(took.microseconds / 1_000) }
        }
        return [("median_ms", times.quantile(0.5)), ("min_ms", times.min() ?? 0)]
    }

    private func stations() throws -> [Station] {
        guard let path = settings["data"] else { throw Skip("W4 needs 'data', the stations as lines of JSON") }
        var lines = LineReader()
        var stations: [Station] = []
        try lines.read(try Input.contents(of: path)) { stations.append(try Station(parsing: &$0)) }
        try lines.finish()
        return stations
    }
}

/// Gives stations as pieces of lines.
private final class StationEncoder: Sendable {
    private static let pieceBytes = 256 << 10

    private let stations: [Station]
    private let sent = Mutex(0)

    init(_ stations: [Station]) {
        self.stations = stations
    }

    func next() -> [UInt8]? {
        sent.withLock { sent in
            guard sent < stations.count else { return nil }
            var piece: [UInt8] = []
            // The last line may go beyond it.
            piece.reserveCapacity(Self.pieceBytes + 1_024)
            while sent < stations.count, piece.count < Self.pieceBytes {
                stations[sent].append(to: &piece)
                sent += 1
            }
            return piece
        }
    }
}
