// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Supervisor
@testable import ipc_parent

@Suite("What a worker leaves behind", .timeLimit(.minutes(2)))
struct DescendantTests {
    /// One that left its session, and its child.
    private static let escape = "setsid sh -c 'echo $$ >&3; sleep 1000 & echo $! >&3; wait' &"

    private func escaped(of worker: WorkerProcess) async throws -> [Int32] {
        try await worker.ready()
        let link = try #require(worker.link as? FakeLink)
        while await link.lines.count < 2 { await Task.yield() }
        return await link.lines.compactMap { Int32($0) }
    }

    @Test("The library finds what left the session while its parents live", arguments: [false, true])
    func killed(politely: Bool) async throws {
        let worker = try await worker("\(Self.escape) echo READY >&3; while :; do sleep 1000; done")
        let pids = try await escaped(of: worker)
        #expect(pids.allSatisfy { getsid($0) == pids[0] })
        if politely {
            await worker.terminate(.cancelled(by: "a test"))
        } else {
            await worker.kill(.cancelled(by: "a test"))
        }
        let exit = await worker.waitForExit()
        #expect(exit.straysKilled == 2, "\(exit)")
        #expect(exit.description.contains("2 processes of its own had to be killed, too"))
        for pid in pids { while isRunning(pid) { await Task.yield() } }
    }

    @Test("A worker that was asked to end takes along what left its session")
    func drained() async throws {
        let worker = try await worker(Self.escape + goodWorker)
        let pids = try await escaped(of: worker)
        await worker.stop()
        let exit = await worker.waitForExit()
        #expect(exit.reason == .exited(code: 0) && exit.straysKilled == 2, "\(exit)")
        for pid in pids { while isRunning(pid) { await Task.yield() } }
    }

    @Test("A process that has the number of another is left alone")
    func strangers() async throws {
        let child = try await Spawner.shared.spawn(sleeper)
        let stat = try #require(ProcessStat.read(pid: child.pid))
        #expect(stat.parent == getpid() && stat.session == child.pid)
        let earlier = ProcessIdentity(pid: child.pid, start: stat.start - 1)
        #expect(earlier.kill() == nil)
        #expect(ProcessTree.descendants(of: ProcessIdentity(pid: getpid(), start: 1)) == [])
        #expect(isRunning(child.pid))
        let own = try #require(ProcessIdentity(living: getpid()))
        #expect(ProcessTree.descendants(of: own).contains(ProcessIdentity(pid: child.pid, start: stat.start)))
        #expect(ProcessIdentity(pid: child.pid, start: stat.start).kill()?.session == child.pid)
        #expect(await child.finish().signal == SIGKILL)
    }

    @Test("With ipc-parent nothing is left, not even of one that forked twice and left its session", arguments: [0, 3])
    func doubleFork(code: Int) async throws {
        let seen = try await FailureMatrix.witness(
            run: """
                cat > daemonise <<'END'
                (setsid sh -c 'setsid sleep 1000 & echo $$ >> pids; sleep 1000' > /dev/null 2>&1 < /dev/null &)
                until [ -s pids ]; do sleep 0.01; done
                [ $(ps -o ppid= -p $(cat pids)) != $$ ] && exit \(code)
                END
                run exec --quiet -- sh daemonise < /dev/null; code=$?; rm -f pids daemonise; exit $code
                """,
            patience: 0
        )
        #expect(seen.result.code == Int32(code), "\(seen)")
        #expect(seen.all("process") == [], "\(seen)")
        #expect(seen.all("unreaped") == [], "\(seen)")
    }

    @Test("When ipc-parent is killed, the worker's session is gone within two seconds")
    func killedParent() async throws {
        let seen = try await FailureMatrix.witness(
            run: """
                cat > stubborn <<'END'
                trap '' TERM HUP INT
                sh -c 'trap "" TERM; sleep 1000; sleep 1000' & echo > started; sleep 1000; sleep 1000
                END
                "$P" run exec --quiet -- sh stubborn < /dev/null & parent=$!
                until [ -e started ]; do sleep 0.01; done
                kill -KILL $parent; wait $parent; rm -f started stubborn
                """,
            patience: 2
        )
        #expect(seen.all("process") == [], "\(seen)")
    }
}
