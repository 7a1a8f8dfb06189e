// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Testing

@testable import ipc_parent

/// One thing that goes wrong, and all that must be seen of it.
///
/// In the scripts `$P` is ipc-parent, `run` runs it with a report, `hostile "MODE ARG"` does so with the hostile worker
/// (Tests/Support/hostile_worker.py), and `body` is an input of 1.3 MB.
struct Cell: Sendable, CustomTestStringConvertible {
    var name: String
    /// Prepares files; what it leaves there may stay.
    var setup = ""
    var run: String
    var code: Int32
    /// `outcome` of the report; nil when there can be no report.
    var outcome: String?
    /// `reason.code` of the report.
    var reason: String?
    /// What standard error must say.
    var says: [String] = []
    /// What standard error must not say.
    var neverSays: [String] = []
    /// Lines of what the witness saw (see Tests/Support/witness.py).
    var facts: [String] = []
    /// What `reason.evidence` of the report must say.
    var evidence: String?
    var output = ""
    /// Files that are there afterwards and were not before, by name.
    var leaves = ""
    /// The most resident memory that any process may have used.
    var memory: UInt64?

    var testDescription: String { name }

    /// A failing worker: "MODE ARGUMENTS", or "MODE ARGUMENTS | OPTIONS".
    static func hostile(_ mode: String, _ code: Int32, _ outcome: String, _ reason: String, _ says: String...) -> Cell {
        let words = mode.split(separator: " | ")
        return Cell(
            name: mode,
            run: "hostile '\(words[0])' \(words.dropFirst().joined())",
            code: code,
            outcome: outcome,
            reason: reason,
            says: says
        )
    }

    func with(_ change: (inout Cell) -> Void) -> Cell {
        var cell = self
        change(&cell)
        return cell
    }
}

/// What a cell's script did, and what it left behind.
struct Witnessed: CustomStringConvertible {
    let result: CommandLine.Result
    let facts: [Substring]

    var description: String { "\(result)\n--- facts\n\(facts.joined(separator: "\n"))" }

    func all(_ kind: String) -> [String] {
        facts.filter { $0.hasPrefix(kind + " ") }.map { String($0.dropFirst(kind.count + 1)) }
    }

    func report(_ key: String) -> String? {
        all("report").first { $0.hasPrefix(key + " ") }.map { String($0.dropFirst(key.count + 1)) }
    }
}

/// Runs the cells of the failure matrix.
enum FailureMatrix {
    static let support: String = {
        let tests = OutputDestination.directory(of: OutputDestination.directory(of: #filePath))
        return tests + "/Support"
    }()

    /// Whether this process may mount, as root outside of a container may.
    static let canMount: Bool = {
        let status =
            (try? File.open("/proc/self/status", O_RDONLY).withRawValue { try File.read($0, upTo: 1 << 16) }) ?? []
        let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let capabilities = line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" }, radix: 16) } ?? 0
        return capabilities & 1 << 21 != 0
    }()

    /// Few at a time: they start many processes, and a crowd would only make the deadlines of each other pass.
    private static let turnstile = Turnstile(places: 4)

    private static let prelude = """
        export PIDS=$PWD/.pids
        run() { "$P" run --report report "$@"; }
        hostile() {
            local words=($1) options=(--worker \(support)/hostile_worker.py) word
            shift
            for word in "${words[@]}"; do options+=(--worker-arg "$word"); done
            run digest --input body "${options[@]}" "$@"
        }

        """

    /// Runs scripts in a directory of their own; `patience` is how long processes may take to end afterwards.
    static func witness(setup: String = "", run: String, patience: Double = 1) async throws -> Witnessed {
        try await turnstile.pass {
            let command = try CommandLine()
            try command.scratch.file(".setup", "seq 1 200000 > body\n" + prelude + setup)
            try command.scratch.file(".run", prelude + run)
            let result = try await command.sh("exec python3 \(support)/witness.py \(patience)")
            let facts = (try? command.scratch.text(".facts")) ?? "no facts"
            return Witnessed(result: result, facts: facts.split(separator: "\n"))
        }
    }

    static func check(_ cell: Cell) async throws {
        let seen = try await witness(setup: cell.setup, run: cell.run)
        var faults: [String] = []
        func expect(_ what: String, _ found: String?, _ wanted: String?) {
            if found != wanted { faults.append("\(what) is \(found ?? "nothing"), not \(wanted ?? "nothing")") }
        }
        expect("exit code", "\(seen.result.code)", "\(cell.code)")
        expect("standard output", seen.result.output, cell.output)
        expect("outcome", seen.report("outcome"), cell.outcome)
        expect("exitCode", seen.report("exitCode"), cell.outcome.map { _ in "\(cell.code)" })
        if let reason = cell.reason { expect("reason", seen.report("reason.code"), reason) }
        for words in cell.says where !seen.result.errors.contains(words) { faults.append("not said: \(words)") }
        for words in cell.neverSays where seen.result.errors.contains(words) { faults.append("said: \(words)") }
        for fact in cell.facts where !seen.facts.contains(fact[...]) { faults.append("not so: \(fact)") }
        if let evidence = cell.evidence, seen.report("reason.evidence")?.contains(evidence) != true {
            faults.append("no evidence: \(evidence)")
        }
        expect("files left", seen.all("file").joined(separator: " "), cell.leaves)
        expect("workers that were not waited for", seen.all("unreaped").joined(separator: " "), "")
        expect("processes left", seen.all("process").joined(separator: "; "), "")
        let memory = try #require(seen.all("memory").first.flatMap { UInt64($0) }, "\(seen)")
        if let limit = cell.memory, memory > limit { faults.append("\(memory) bytes of memory were used") }
        #expect(faults == [], "\(seen)")
    }
}

/// Lets few tasks in at a time, in the order in which they came.
actor Turnstile {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(places: Int) { free = places }

    nonisolated func pass<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
        await enter()
        do {
            let result = try await body()
            await leave()
            return result
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
