// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Supervisor

@Suite(.timeLimit(.minutes(2))) struct StallEvidenceTests {
    /// The end of a worker that gets ready and answers no ping.
    private func silent(_ script: String) async throws -> WorkerExit {
        let worker = try await worker(script) { $0.heartbeat = .milliseconds(500) }
        let exit = await worker.waitForExit()
        #expect(exit.reason == .stalled(.heartbeat), "\(exit)")
        return exit
    }

    @Test func aStoppedWorkerIsFoundStopped() async throws {
        let exit = try await silent("echo READY >&3; kill -STOP $$; sleep 1000")
        let evidence = try #require(exit.stallEvidence)
        #expect(evidence.state == "T" && evidence.threadCount == 1)
        #expect(evidence.threads.first?.name == "sh" && evidence.threads.first?.state == "T")
        #expect(exit.description.contains("gave no sign of life"))
        #expect(exit.description.contains("; it was stopped by a signal; "))
    }

    @Test func aSleepingWorkerIsFoundAsleepAndWhere() async throws {
        let exit = try await silent("echo READY >&3; exec sleep 1000")
        let evidence = try #require(exit.stallEvidence)
        #expect(evidence.state == "S")
        guard contents("/proc/1/syscall") != nil else { return }  // only root may read the rest
        #expect(evidence.systemCall == "clock_nanosleep" || evidence.systemCall == "nanosleep")
        #expect(exit.description.contains("it slept in \(evidence.systemCall ?? "")"))
        #expect(evidence.kernelStack.count <= 24)
    }

    @Test func aSpinningWorkerIsFoundRunningUnderManyThreadsOnlySomeAreKept() async throws {
        let exit = try await silent(
            """
            exec python3 -c 'import os, threading, time
            for _ in range(30): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            os.write(3, b"READY\\n")
            while True: pass'
            """
        )
        let evidence = try #require(exit.stallEvidence)
        #expect(evidence.threadCount == 31 && evidence.state == "R", "\(evidence)")
        #expect(evidence.threads.count <= StallEvidence.threadLimit)
        let size = evidence.threads.reduce(0) { $0 + $1.name.utf8.count + ($1.systemCall?.utf8.count ?? 0) }
        #expect(size + evidence.kernelStack.reduce(0) { $0 + $1.utf8.count } < 4096)
    }

    @Test func otherEndsHaveNoSuchEvidence() async throws {
        let worker = try await worker(goodWorker)
        try await worker.ready()
        await worker.terminate(.cancelled(by: "a test"))
        #expect(await worker.waitForExit().stallEvidence == nil)
        #expect(StallEvidence.read(pid: Int32(worker.pid)) == nil)
    }

    @Test func whatItDidIsToldInWords() {
        var evidence = StallEvidence(state: "R", kernelStack: [], threadCount: 1, threads: [])
        #expect("\(evidence)" == "it was running")
        evidence.state = "D"
        evidence.waitChannel = "rpc_wait"
        #expect("\(evidence)" == "it hung in the kernel in rpc_wait")
        evidence.systemCall = "read"
        evidence.threads = [
            .init(name: "main", state: "D"), .init(name: "idle", state: "S"), .init(name: "busy", state: "R"),
        ]
        #expect("\(evidence)" == "it hung in the kernel in read, while its thread 'busy' was running")
    }

    @Test func aNameMayHoldAnything() throws {
        let text = "7 (a) R 1 (b)\n) S 5 6 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 4711 0"
        let stat = try #require(ProcessStat(parsing: text))
        #expect(stat.state == "S" && stat.parent == 5 && stat.session == 7 && stat.start == 4711)
        #expect(stat.cpuTime == .milliseconds(200 * 1000 / Int64(sysconf(CInt(_SC_CLK_TCK)))))
        #expect(ProcessStat(parsing: "7 (cut) S 5 6") == nil)
    }
}
