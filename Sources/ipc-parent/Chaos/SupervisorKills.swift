// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import IPCFrame
internal import Supervisor

/// Kills supervisors in the middle of their work, and looks whether their workers outlive them.
struct SupervisorKills {
    /// How long a worker may outlive its supervisor.
    static let promise = Duration.seconds(2)

    /// This program, with the arguments for one run that is long enough to be killed.
    let arguments: [String]
    var random: SeededRandom

    /// Kills `count` supervisors, one after another; tells what was left of each, in words.
    mutating func run(_ count: Int, progress: (Int) -> Void) throws(SystemError) -> [String] {
        var found: [String] = []
        for number in 1...count {
            let token = "\(getpid())-kill-\(number)"
            let pause = Int.random(in: 50...400, using: &random)
            found += try killOne(token: token, after: pause).map { "supervisor \(number): \($0)" }
            progress(number)
        }
        return found
    }

    private func killOne(token: String, after milliseconds: Int) throws(SystemError) -> [String] {
        let pid = try start(token: token)
        usleep(UInt32(milliseconds) * 1_000)
        // Until it has been waited for, its number is its own.
        kill(pid, SIGKILL)
        var status: CInt = 0
        // Waits for the one process that was started here.
        while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status & 0x7f == SIGKILL else { return ["it ended by itself before it was killed (status \(status))"] }
        let deadline = ContinuousMoment.now + Self.promise
        while ContinuousMoment.now < deadline {
            if ChaosLeftovers.processes(token: token).isEmpty { return [] }
            usleep(20_000)
        }
        let survivors = ChaosLeftovers.processes(token: token)
        // They were started for this, and are of no more use.
        for survivor in survivors { kill(survivor, SIGKILL) }
        return survivors.map { "process \($0) outlived it by \(Self.promise)" }
    }

    private func start(token: String) throws(SystemError) -> pid_t {
        let words = ["/proc/self/exe"] + arguments + ["--token", token]
        var pid: pid_t = 0
        let result = unsafe withCStrings(words) { pointers in
            unsafe posix_spawn(&pid, "/proc/self/exe", nil, nil, pointers, clinux_environment())
        }
        guard result == 0 else { throw SystemError(call: "posix_spawn", errno: result) }
        return pid
    }
}
