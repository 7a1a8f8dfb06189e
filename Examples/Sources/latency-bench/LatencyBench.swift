// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Measures what heavy work does to light requests: when it is done in the service, and when a worker does it.
///
///     latency-bench [--rounds N] [--seconds S] [--json]
///
/// In each round a fresh service is measured without heavy work, with it in-process, and with it through the pool: 300
/// light requests a second, while 4 clients have one call of 50 ms after the other done. The figures are the medians of
/// the rounds.
@main
struct LatencyBench {
    static let rate = 300.0
    static let heavyClients = 4
    static let heavyMilliseconds = 50

    static func main() throws {
        let options = try Options(CommandLine.arguments.dropFirst())
        var rounds: [Scenario: [Measurement]] = [:]
        for round in 1...options.rounds {
            for scenario in Scenario.allCases {
                note("round \(round): \(scenario.rawValue)")
                rounds[scenario, default: []].append(try measure(scenario, seconds: options.seconds))
            }
        }
        let results = Scenario.allCases.map { ($0, Measurement(mediansOf: rounds[$0, default: []])) }
        if options.isJSON {
            let pairs = results.map { ($0.0.rawValue, $0.1) }
            let data = try JSONEncoder().encode(Dictionary(uniqueKeysWithValues: pairs))
            print(String(decoding: data, as: UTF8.self))
        } else {
            print(table(results))
        }
    }

    private static func measure(_ scenario: Scenario, seconds: Double) throws -> Measurement {
        let service = try RunningService()
        defer { service.stop() }
        let heavy = scenario.mode.map { mode in
            HeavyClients(
                count: heavyClients,
                port: service.port,
                path: "/heavy?ms=\(heavyMilliseconds)&mode=\(mode)"
            )
        }
        // What is measured is a service that runs, not one that starts.
        _ = try OpenLoop(port: service.port, path: "/light", rate: rate).run(seconds: 1)
        let connection = try HTTPConnection(port: service.port)
        _ = try connection.get("/loop")
        let callsBefore = heavy?.completed ?? 0
        let started = Moment.now
        let light = try OpenLoop(port: service.port, path: "/light", rate: rate).run(seconds: seconds)
        let passed = started.secondsToNow
        let calls = (heavy?.completed ?? 0) - callsBefore
        heavy?.stop()
        let delays = try JSONDecoder().decode(Delays.self, from: Data(connection.get("/loop")))
        return Measurement(light: light, delays: delays, heavyPerSecond: Double(calls) / passed)
    }

    private static func table(_ results: [(Scenario, Measurement)]) -> String {
        let header = [""] + ["light", "loop", "handlers"].flatMap { ["\($0): median", "p95", "p99"] }
        var lines = [header + ["heavy calls/s"], ["---"] + Array(repeating: "---:", count: 10)]
        for (scenario, result) in results {
            let figures = [result.light, result.delays.loop, result.delays.handlers].flatMap {
                [$0.median, $0.p95, $0.p99].map { String(format: "%.2f", $0) }
            }
            lines.append([scenario.rawValue] + figures + [String(format: "%.1f", result.heavyPerSecond)])
        }
        return lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }

    private static func note(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }
}

/// What is done beside the light requests.
enum Scenario: String, CaseIterable {
    case idle
    case inProcess = "heavy in-process"
    case pool = "heavy through the pool"

    var mode: String? {
        switch self {
        case .idle: nil
        case .inProcess: "in-process"
        case .pool: "pool"
        }
    }
}

struct Options {
    var rounds = 3
    var seconds = 10.0
    var isJSON = false

    struct Usage: Error, CustomStringConvertible {
        let description = "usage: latency-bench [--rounds N] [--seconds S] [--json]"
    }

    init(_ arguments: some Sequence<String>) throws {
        var arguments = arguments.makeIterator()
        while let option = arguments.next() {
            switch option {
            case "--json": isJSON = true
            case "--rounds":
                guard let value = arguments.next().flatMap({ Int($0) }), value > 0 else { throw Usage() }
                rounds = value
            case "--seconds":
                guard let value = arguments.next().flatMap({ Double($0) }), value > 0 else { throw Usage() }
                seconds = value
            default: throw Usage()
            }
        }
    }
}
