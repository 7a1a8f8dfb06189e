// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import IPCFrame
import Synchronization
import Testing

@testable import Supervisor
@testable import ipc_parent

/// All ways to die at all moments, in a pool of real processes.
///
/// IPCFRAME_MATRIX_ROUNDS repeats it with other timing. `scripts/test` gives it a process of its own: it looks at the
/// descriptors of the whole process.
@Suite("Every way to die, at every moment", .timeLimit(.minutes(10)))
struct WaysToDieTests {
    /// Few at a time: a crowd would only make the deadlines of each other pass.
    private static let turnstile = Turnstile(places: 4)

    /// What all pools share is opened by the first, and for good.
    private static let warmUp = Task {
        _ = try? await withPool { (pool, _) async throws in
            _ = try await pool.call("exit", arguments: [Argument("code", "1")])
        }
    }

    private static let rounds: Int = {
        guard let text = unsafe getenv("IPCFRAME_MATRIX_ROUNDS") else { return 1 }
        return Int(unsafe String(cString: text)) ?? 1
    }()

    @Test("One outcome, the right reason, and nothing left", arguments: Death.all, 0..<rounds)
    func death(_ death: Death, round: Int) async throws {
        _ = await Self.warmUp.value
        try await Self.turnstile.pass { try await DeathScene(death, round).play() }
    }

    @Test("What cannot be is known, and why")
    func impossible() {
        let cells = WayToDie.allCases.flatMap { way in MomentOfDeath.allCases.map { (way, $0) } }
        let reasons = cells.compactMap { Death.impossible($0.0, $0.1) }
        #expect(Death.all.count + reasons.count == cells.count)
        #expect(reasons.allSatisfy { !$0.isEmpty })
    }
}

/// One worker that goes wrong, those that come after it, and what is left of them.
private final class DeathScene: Sendable {
    private let death: Death
    private let scratch = Mutex(Scratch())
    private let record = PoolRecord()
    private let token: String
    private let pool: WorkerPool
    private let descriptors: Set<OpenDescriptor>

    init(_ death: Death, _ round: Int) throws {
        self.death = death
        descriptors = OpenDescriptor.all()
        token = "\(getpid())-\(death.way)-\(death.moment)-\(round)"
        var random = SeededRandom(seed: UInt64(round))
        let delay = round == 0 ? 0 : Int.random(in: 0...20_000, using: &random)
        let flag = scratch.withLock { "\($0.path)/first" }
        var configuration = PoolConfiguration(
            worker: WorkerConfiguration(
                executable: "/usr/bin/python3",
                arguments: [
                    "-I", "-S", "\(FailureMatrix.support)/hostile_worker.py", "matrix", death.way.rawValue,
                    death.moment.rawValue, flag, "\(delay)",
                ]
            )
        )
        configuration.worker.environment = [ChaosLeftovers.marker: token]
        // Where it is not what must pass, no deadline may pass, however busy the machine is.
        configuration.worker.startTimeout = death.reason == .timedOutStart ? .seconds(2) : .seconds(60)
        configuration.worker.heartbeat = death.needsHeartbeat ? .seconds(1) : nil
        configuration.worker.memoryLimit = death.way == .oom ? 64 << 20 : nil
        configuration.worker.grace = Self.isGraceful(death) ? .seconds(60) : .milliseconds(200)
        configuration.worker.standardError = { line in
            guard line.hasPrefix("ready to be signalled: ") else { return }
            guard let pid = line.split(separator: " ").last.flatMap({ Int32($0) }) else { return }
            Glibc.kill(pid, death.way == .kill ? SIGKILL : SIGSTOP)
        }
        configuration.policy.maximumWorkers = 1
        configuration.policy.cancelGrace = .milliseconds(100)
        configuration.policy.restart.first = .milliseconds(1)
        configuration.policy.breaker = nil
        configuration.seed = UInt64(round)
        configuration.observer = record.hear
        pool = WorkerPool(configuration)
    }

    /// Whether the worker ends by itself, or by the first word: then it may take its time.
    private static func isGraceful(_ death: Death) -> Bool {
        switch death.way {
        case .close, .stop, .silent, .ignoreTerm, .garbage: false
        default: true
        }
    }

    func play() async throws {
        let call = await call(timesOut: death.outcome == .timesOut)
        await bringAboutTheMoment()
        if death.moment != .draining, !death.isSurvived { _ = await record.ends() }
        // Others are not harmed: the next call is done, by the next worker if need be.
        if death.moment != .draining { #expect(await self.call(retries: 5) == .success("answer!")) }
        await pool.drain()
        let end = try #require(await record.ends().first)
        guard case .exited(let exit) = end else {
            Issue.record("\(end)")
            return
        }
        #expect(death.reason.isMet(by: exit.reason), "\(exit)")
        // A memory limit may be kept by SIGKILL.
        if death.way != .oom { #expect(exit.signalsSent.contains(Int(SIGKILL)) == death.needsKill, "\(exit)") }
        check(call, exit)
        if death.way == .flood { #expect(exit.standardErrorBytes >= 3_000_000) }
        if death.way == .grandchild { #expect(exit.straysKilled == 1, "\(exit)") }
        record.expectOrder()
        await expectNothingLeft()
    }

    private func bringAboutTheMoment() async {
        guard death.moment == .idle, let pid = record.pids.first else { return }
        kill(pid, SIGUSR1)
    }

    private func call(timesOut: Bool = false, retries: Int = 0) async -> Result<String, PoolError> {
        var options = PoolCallOptions()
        options.codec = .none
        options.timeout = timesOut ? .seconds(1) : .seconds(60)
        options.retry = RetryPolicy(retries: retries)
        options.retry.first = .milliseconds(1)
        // More than one chunk.
        let body = [UInt8](repeating: 7, count: 600_000)
        do {
            return .success(try await pool.call("matrix", body: .bytes(body), options: options).text)
        } catch let error as PoolError {
            return .failure(error)
        } catch {
            Issue.record("not an error of the pool: \(error)")
            return .failure(.stopped)
        }
    }

    private func check(_ call: Result<String, PoolError>, _ exit: WorkerExit) {
        switch (death.outcome, call) {
        case (.succeeds, .success(let answer)): #expect(answer == "answer!")
        case (.isLost, .failure(.workerLost(let reported))): #expect(reported == exit)
        case (.timesOut, .failure(.timedOut(whileRunning: true))): break
        default: Issue.record("the call was to be one that \(death.outcome), and is \(call)")
        }
    }

    private func expectNothingLeft() async {
        // Signals that have been sent, and ends that are not yet through, are given their time; none is a time limit.
        let deadline = ContinuousMoment.now + .seconds(20)
        var processes: [Int32] = []
        var opened: Set<OpenDescriptor>?
        repeat {
            processes = ChaosLeftovers.processes(token: token)
            // What other scenes open meanwhile, they close, too; what is never seen to be gone is left.
            let new = OpenDescriptor.all().subtracting(descriptors)
            opened = opened?.intersection(new) ?? new
            if processes.isEmpty, opened == [] { return }
            try? await Task.sleep(for: .milliseconds(20))
        } while ContinuousMoment.now < deadline
        for pid in processes { kill(pid, SIGKILL) }
        #expect(processes == [])
        #expect(opened == [])
    }
}

/// A descriptor of this process, and what it is of: sockets, pipes and handles of processes are never twice the same.
private struct OpenDescriptor: Hashable, CustomStringConvertible {
    let number: CInt
    let inode: UInt64
    let description: String

    static func all() -> Set<OpenDescriptor> {
        Set(
            openDescriptors().compactMap { name -> OpenDescriptor? in
                guard let number = CInt(name) else { return nil }
                var status = stat()
                // A directory is the list of descriptors itself, read here and by others.
                guard unsafe fstat(number, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else { return nil }
                guard let target = (try? File.linkTarget(of: "/proc/self/fd/\(name)")) ?? nil else { return nil }
                // What threads and timers wait on is opened at their first use and kept; it is nobody's in particular.
                if target.hasPrefix("anon_inode:"), target != "anon_inode:[pidfd]" { return nil }
                return OpenDescriptor(number: number, inode: UInt64(status.st_ino), description: target)
            }
        )
    }
}
