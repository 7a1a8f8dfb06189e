// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// `ipc-parent chaos`: does harm to a pool's workers, and proves that nothing is lost, left or unexplained.
struct ChaosCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos",
        abstract: "Does harm to the workers of a pool, and checks that every call is accounted for.",
        discussion: """
            Runs calls over a pool whose workers are killed, stopped, starved, or misbehave by themselves, each as a plan \
            says that the seed fixes. Checks that each call has one outcome and each failure its reason, and that no \
            process, zombie, descriptor or memory is left. With --worker the workers are your own: they must answer \
            the method with the body that they get, and are only harmed from outside (kill, stop, cancel).

            Rates are parts of all calls: 5%, or 0.05. The last line sums up; exit code 0: every invariant held; 1: not.
            """
    )

    @Option(help: ArgumentHelp("Fixes the plan (default: a new one).", valueName: "n"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("How many calls are made.", valueName: "n"))
    var calls = 1_500

    @Option(help: ArgumentHelp("The most workers at a time.", valueName: "n"))
    var workers = 4

    @Option(help: ArgumentHelp("Further attempts at a call whose worker died or that may be retried.", valueName: "n"))
    var retries = 0

    @Option(help: ArgumentHelp("SIGKILL to the worker.", valueName: "rate"), transform: Rate.init(parsing:))
    var kill: Rate?

    @Option(help: ArgumentHelp("SIGSTOP to the worker.", valueName: "rate"), transform: Rate.init(parsing:))
    var stop: Rate?

    @Option(help: ArgumentHelp("The caller gives up.", valueName: "rate"), transform: Rate.init(parsing:))
    var cancel: Rate?

    @Option(
        help: ArgumentHelp("The worker takes more memory than it may.", valueName: "rate"),
        transform: Rate.init(parsing:)
    )
    var oom: Rate?

    @Option(help: ArgumentHelp("The worker sends garbage.", valueName: "rate"), transform: Rate.init(parsing:))
    var garbage: Rate?

    @Option(help: ArgumentHelp("The worker exits within a frame.", valueName: "rate"), transform: Rate.init(parsing:))
    var half: Rate?

    @Option(
        help: ArgumentHelp("The worker closes its socket and lives.", valueName: "rate"),
        transform: Rate.init(parsing:)
    )
    var close: Rate?

    @Option(help: ArgumentHelp("The worker exits.", valueName: "rate"), transform: Rate.init(parsing:))
    var exit: Rate?

    @Option(help: ArgumentHelp("The worker crashes.", valueName: "rate"), transform: Rate.init(parsing:))
    var crash: Rate?

    @Option(
        help: ArgumentHelp("The call never ends, and ignores its cancellation.", valueName: "rate"),
        transform: Rate.init(parsing:)
    )
    var hang: Rate?

    @Option(
        help: ArgumentHelp("The worker says that the call failed.", valueName: "rate"),
        transform: Rate.init(parsing:)
    )
    var fail: Rate?

    @Option(help: ArgumentHelp("The worker floods its output.", valueName: "rate"), transform: Rate.init(parsing:))
    var flood: Rate?

    @Option(
        help: ArgumentHelp("The worker exits just after its answer.", valueName: "rate"),
        transform: Rate.init(parsing:)
    )
    var late: Rate?

    @Option(
        help: ArgumentHelp("The part of workers that exit at their start (default: 1%).", valueName: "rate"),
        transform: Rate.init(parsing:)
    )
    var failedStarts: Rate?

    @Flag(help: "Lets the breaker open, as it does in a real pool.")
    var breaker = false

    @Option(
        help: ArgumentHelp("Also kill so many supervisors, and check that no worker outlives one.", valueName: "n")
    )
    var killSupervisor = 0

    @Option(help: ArgumentHelp("Your own worker's program.", valueName: "path"))
    var worker: String?

    @Option(
        name: .customLong("worker-arg"),
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("An argument for it; may be repeated.", valueName: "arg")
    )
    var workerArguments: [String] = []

    @Option(help: ArgumentHelp("The method of your own worker that answers with its body.", valueName: "name"))
    var method = "echo"

    @Flag(help: "No progress; only findings and the last line.")
    var quiet = false

    /// Marks the processes of one run; for runs that are to be killed.
    @Option(help: .hidden)
    var token: String?

    func validate() throws {
        guard (1...10_000_000).contains(calls) else {
            throw ValidationError("--calls takes a number from 1 to 10000000.")
        }
        guard (1...256).contains(workers) else { throw ValidationError("--workers takes a number from 1 to 256.") }
        guard (0...100).contains(retries) else { throw ValidationError("--retries takes a number from 0 to 100.") }
        guard (0...10_000).contains(killSupervisor) else {
            throw ValidationError("--kill-supervisor takes a number from 0 to 10000.")
        }
        if worker != nil, let inner = given.first(where: { !$0.0.isOutside && $0.1 != nil }) {
            throw ValidationError("--\(inner.0.rawValue) needs the built-in worker: leave --worker out.")
        }
        guard rates.values.reduce(0, +) <= 1 else { throw ValidationError("The rates add up to more than 100%.") }
    }

    func run() throws {
        // The supervisors that it kills are its children, too.
        Supervision.begin(adoptsOrphans: false)
        let seed = seed ?? .random(in: 0..<1_000_000)
        let run = ChaosRun(settings(seed: seed, token: token ?? "\(getpid())"))
        let reactor = Reactor(name: "chaos-main")
        let box = ResultOfChaos()
        Task {
            box.set(await run.run())
            reactor.stop()
        }
        reactor.runOnCurrentThread()
        guard let (ledger, found) = box.value else { Glibc._exit(1) }
        var left = found
        if killSupervisor > 0 {
            var kills = SupervisorKills(arguments: argumentsForKills(seed), random: SeededRandom(seed: seed))
            left += try kills.run(killSupervisor) { say("\($0) of \(killSupervisor) supervisors killed") }
        }
        Glibc._exit(conclude(seed, ledger, left))
    }

    /// Prints the account; returns the exit code.
    private func conclude(_ seed: UInt64, _ ledger: ChaosLedger, _ left: [String]) -> Int32 {
        if !quiet {
            for (reason, count) in ledger.reasons.sorted(by: { $0.value > $1.value }) { print("\(count) × \(reason)") }
        }
        for finding in ledger.findings + left { print("FOUND: \(finding)") }
        print(
            "chaos seed \(seed) calls \(calls) ok \(ledger.succeeded) failed-with-reason \(ledger.explained) "
                + "lost \(ledger.lost) doubled \(ledger.doubled) hung \(ledger.hung) left \(left.count)"
        )
        fflush(nil)
        let isWhole = ledger.succeeded + ledger.explained == calls
        return isWhole && ledger.findings.isEmpty && ledger.doubled == 0 && left.isEmpty ? 0 : 1
    }

    private func say(_ text: String) {
        guard !quiet else { return }
        let line = "chaos: \(text)\n"
        _ = unsafe write(STDERR_FILENO, line, line.utf8.count)
    }

    // MARK: What is run

    private func settings(seed: UInt64, token: String) -> ChaosRun.Settings {
        var configuration = PoolConfiguration(worker: workerConfiguration)
        configuration.worker.environment[ChaosLeftovers.marker] = token
        configuration.worker.heartbeat = .milliseconds(500)
        configuration.worker.grace = .milliseconds(250)
        configuration.worker.startTimeout = .seconds(5)
        configuration.worker.memoryLimit = 96 << 20
        configuration.seed = seed
        var policy = PoolPolicy()
        policy.maximumWorkers = workers
        policy.cancelGrace = .milliseconds(250)
        policy.restart.first = .milliseconds(10)
        policy.restart.longest = .milliseconds(200)
        policy.breaker = breaker ? BreakerPolicy() : nil
        configuration.policy = policy

        var settings = ChaosRun.Settings(
            seed: seed,
            calls: calls,
            rates: rates,
            configuration: configuration,
            token: token,
            method: worker == nil ? ChaosWorker.method : method
        )
        settings.retries = retries
        let step = max(1, calls / 10)
        let total = calls
        if !quiet {
            settings.progress = { done in
                guard done % step == 0 else { return }
                let line = "chaos: \(done) of \(total) calls\n"
                _ = unsafe write(STDERR_FILENO, line, line.utf8.count)
            }
        }
        return settings
    }

    private var workerConfiguration: WorkerConfiguration {
        if let worker { return WorkerConfiguration(executable: worker, arguments: workerArguments) }
        let rate = failedStarts?.part ?? 0.01
        let arguments = [ChaosWorkerCommand.configuration.commandName ?? "", "--failed-starts", "\(rate)"]
        let own = (try? File.linkTarget(of: "/proc/self/exe")) ?? nil
        return WorkerConfiguration(executable: own ?? "/proc/self/exe", arguments: arguments)
    }

    private var given: [(ChaosHarm, Rate?)] {
        [
            (.kill, kill), (.stop, stop), (.cancel, cancel), (.oom, oom), (.garbage, garbage), (.half, half),
            (.close, close), (.exit, exit), (.crash, crash), (.hang, hang), (.fail, fail), (.flood, flood),
            (.late, late),
        ]
    }

    /// What a rate is that was not given.
    private static let defaults: [ChaosHarm: Double] = [
        .kill: 0.05, .stop: 0.02, .cancel: 0.02, .oom: 0.01, .garbage: 0.01, .half: 0.01, .close: 0.005, .exit: 0.01,
        .crash: 0.01, .hang: 0.005, .fail: 0.02, .flood: 0.01, .late: 0.01,
    ]

    private var rates: [ChaosHarm: Double] {
        var rates: [ChaosHarm: Double] = [:]
        for (harm, rate) in given where harm.isOutside || worker == nil {
            rates[harm] = rate?.part ?? Self.defaults[harm]
        }
        return rates
    }

    private func argumentsForKills(_ seed: UInt64) -> [String] {
        var arguments = ["chaos", "--quiet", "--seed", "\(seed)", "--calls", "10000000", "--workers", "\(workers)"]
        if let worker { arguments += ["--worker", worker, "--method", method] }
        for argument in workerArguments { arguments += ["--worker-arg", argument] }
        return arguments
    }
}

/// The account on its way to the main thread.
private final class ResultOfChaos: Sendable {
    typealias Result = (ledger: ChaosLedger, left: [String])

    private let result = Mutex<Result?>(nil)

    var value: Result? { result.withLock { $0 } }

    func set(_ value: Result) { result.withLock { $0 = value } }
}

/// A part of all calls: "5%" or "0.05".
struct Rate: Equatable {
    let part: Double

    init(parsing text: String) throws(ValueError) {
        let isPercent = text.hasSuffix("%")
        guard let number = Double(isPercent ? String(text.dropLast()) : text), number >= 0,
            number <= (isPercent ? 100 : 1)
        else { throw ValueError("not a part of all calls; write 5% or 0.05") }
        part = isPercent ? number / 100 : number
    }
}
