// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Testing

@testable import Supervisor

/// What is asked of a worker, as the worker's own kernel files and failures show it.
@Suite(.timeLimit(.minutes(2))) struct WorkerLimitTests {
    /// Runs a script as a worker; returns what it printed.
    private func printed(
        _ script: String,
        _ change: (inout WorkerConfiguration) -> Void
    ) async throws -> (text: String, enforcement: WorkerEnforcement) {
        let worker = try await worker(script, change)
        let exit = await worker.waitForExit()
        #expect(exit.reason == .exited(code: 0), "\(exit)")
        return (String(decoding: exit.standardErrorTail, as: UTF8.self), worker.enforcement)
    }

    @Test func theKernelKnowsEachLimit() async throws {
        let (text, enforcement) = try await printed("grep -E '^Max (cpu|open|core)' /proc/self/limits | tr -s ' '") {
            $0.limits.cpuTime = .milliseconds(30_001)
            $0.limits.openFiles = 99
            $0.limits.coreFileSize = 4096
        }
        #expect(text.contains("Max cpu time 31 36 seconds"))
        #expect(text.contains("Max open files 99 99 files"))
        #expect(text.contains("Max core file size 4096 4096 bytes"))
        #expect(enforcement.cpuTime == .resourceLimit && enforcement.openFiles == .resourceLimit)
        #expect(enforcement.coreFileSize == .resourceLimit && enforcement.memory == .none)
    }

    @Test func withoutLimitsTheParentsHold() async throws {
        let own = contents("/proc/self/limits") ?? ""
        let (text, enforcement) = try await printed("cat /proc/self/limits") { _ in }
        #expect(text == own)
        #expect(enforcement.cpuTime == .inherited && enforcement.noNewPrivileges == .inherited)
    }

    @Test func aWorkerThatOpensTooManyFilesIsToldSo() async throws {
        let script = """
            exec python3 -c 'import errno
            kept = []
            try:
                while True: kept.append(open("/dev/null"))
            except OSError as error: print(errno.errorcode[error.errno], len(kept) < 40)'
            """
        #expect(try await printed(script) { $0.limits.openFiles = 40 }.text == "EMFILE True\n")
    }

    @Test func aWorkerThatSpinsIsEndedForItsProcessorTime() async throws {
        let worker = try await worker("ulimit -c 0; while :; do :; done") { $0.limits.cpuTime = .seconds(1) }
        let exit = await worker.waitForExit()
        guard case .outOfCPUTime(let evidence) = exit.reason else {
            Issue.record("\(exit)")
            return
        }
        #expect(evidence.limit == .seconds(1) && evidence.signal == Int(SIGXCPU))
        #expect((evidence.used ?? .zero) > .milliseconds(500))
        #expect(exit.signalsSent == [])
        #expect(exit.description.contains("of 1.0 s, and the kernel sent SIGXCPU"))
    }

    @Test func noNewPrivilegesIsForThatWorkerAlone() async throws {
        let script = "grep NoNewPrivs /proc/self/status"
        let (text, enforcement) = try await printed(script) { $0.noNewPrivileges = true }
        #expect(text == "NoNewPrivs:\t1\n" && enforcement.noNewPrivileges == .kernel)
        #expect(try await printed(script) { _ in }.text == "NoNewPrivs:\t0\n")
    }

    @Test func onlyTheNamedVariablesAreInheritedAndTheAddedOnesComeOnTop() async throws {
        let script = "cat /proc/$$/environ | tr '\\0' '\\n'"
        let (text, enforcement) = try await printed(script) {
            $0.inheritedEnvironment = .only(["PATH", "NO_SUCH_VARIABLE"])
            $0.environment = ["ADDED": "yes"]
        }
        let names = text.split(separator: "\n").compactMap { $0.split(separator: "=").first }
        #expect(Set(names) == ["PATH", "ADDED", "IPCFRAME_FD"], "\(text)")
        #expect(enforcement.environment == .atStart)
    }

    @Test(.enabled(if: getuid() == 0, "changing the user needs root"), arguments: [nil, 65_533 as UInt32])
    func anotherUserHasNoneOfTheParentsSupplementaryGroups(group: UInt32?) async {
        await #expect(processExitsWith: .exitCode(42)) { [group = group as UInt32?] in
            var groups: [gid_t] = [10, 20]
            unsafe precondition(setgroups(2, &groups) == 0)
            let worker = try await worker("grep -E '^(Uid|Groups|CapEff)' /proc/self/status") {
                $0.user = 65_534
                $0.group = group
            }
            let text = String(decoding: await worker.waitForExit().standardErrorTail, as: UTF8.self)
            let only = group.map { "\($0) " } ?? " "
            let expected = "Uid:\t65534\t65534\t65534\t65534\nGroups:\t\(only)\nCapEff:\t0000000000000000\n"
            guard text == expected else {
                print(text)
                Glibc.exit(1)
            }
            Glibc.exit(42)
        }
    }
}

@Suite struct CPULimitClassifierTests {
    private func classify(_ signal: Int, used: Duration?, sent: [Int] = []) -> ExitReason {
        var classifier = ExitClassifier(outcome: .status(.signalled(signal: signal, dumpedCore: false)))
        classifier.cpuLimit = .seconds(10)
        classifier.ownCPUTime = used
        classifier.signalsSent = sent
        return classifier.reason()
    }

    private func proof(_ signal: Int, _ used: Duration?) -> ExitReason {
        .outOfCPUTime(CPUEvidence(used: used, limit: .seconds(10), signal: signal))
    }

    @Test func sigxcpuCountsWhenTheTimeWasUsedAndSigkillFiveSecondsLater() {
        #expect(classify(24, used: .milliseconds(9_900)) == proof(24, .milliseconds(9_900)))
        #expect(classify(24, used: nil) == proof(24, nil))
        #expect(classify(24, used: .seconds(1)) == .signalled(signal: 24, dumpedCore: false))
        #expect(classify(9, used: .seconds(15)) == proof(9, .seconds(15)))
        #expect(classify(9, used: .seconds(12)) == .signalled(signal: 9, dumpedCore: false))
        #expect(classify(9, used: nil) == .signalled(signal: 9, dumpedCore: false))
        #expect(classify(9, used: .seconds(15), sent: [9]) == .signalled(signal: 9, dumpedCore: false))
    }

    @Test func wholeSecondsRoundedUp() {
        var limits = ResourceLimits()
        #expect(limits.forTheKernel == [])
        for (time, seconds) in [(Duration.milliseconds(1), 1), (.seconds(2), 2), (.milliseconds(2_001), 3)] {
            limits.cpuTime = time
            #expect(limits.forTheKernel == [.processorTime(UInt64(seconds), killingAt: UInt64(seconds) + 5)])
        }
    }
}
