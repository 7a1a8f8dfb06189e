// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import IPCFrame
import Testing

@testable import Supervisor

@Suite(.timeLimit(.minutes(2))) struct SpawnerTests {
    @Test func standardOutputAndErrorBothArriveInTheCapturedPipe() async throws {
        let finished = try await run(shell("echo out; echo err >&2; exit 7"))
        #expect(finished.output == "out\nerr\n")
        #expect(finished.code == 7)
    }

    @Test func theChildHasFourDescriptorsAndNoMore() async throws {
        // Descriptors without close-on-exec, below and above the child's own.
        let leaks = (0..<3).map { _ in unsafe open("/dev/zero", O_RDONLY) }
        defer { for leak in leaks { close(leak) } }
        var request = SpawnRequest(program: "python3")
        request.arguments = [
            "-c",
            "import os;fds=[f for f in range(1024) if os.path.lexists(f'/proc/self/fd/{f}')];"
                + "print(fds, os.readlink('/proc/self/fd/0'), os.readlink('/proc/self/fd/3')[:7],"
                + " os.readlink('/proc/self/fd/1')==os.readlink('/proc/self/fd/2'), os.environ['IPCFRAME_FD'])",
        ]
        #expect(try await run(request).output == "[0, 1, 2, 3] /dev/null socket: True 3\n")
    }

    @Test func theSocketConnectsParentAndChild() async throws {
        let child = try await Spawner.shared.spawn(shell("read line <&3; echo \"got $line\" >&3"))
        let socket = child.socket.withRawValue { $0 }
        unsafe send(socket, "hello\n", 6, Int32(MSG_NOSIGNAL))
        await waitUntilReadable(socket)
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(socket, &buffer, buffer.count)
        let answer = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        #expect(answer == "got hello\n")
        #expect(await child.finish().code == 0)
    }

    @Test func theChildLeadsASessionOfItsOwn() async throws {
        let child = try await Spawner.shared.spawn(shell("cut -d' ' -f5,6 /proc/$$/stat"))
        let pid = child.pid
        #expect(await child.finish().output == "\(pid) \(pid)\n")
    }

    @Test func signalDispositionsAndTheMaskAreReset() async throws {
        let before = signal(SIGPIPE, SIG_IGN)
        defer { _ = signal(SIGPIPE, before) }
        let finished = try await run(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"))
        #expect(finished.output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
    }

    @Test func environmentDirectoryNiceAndLimitsReachTheChild() async throws {
        let scratch = Scratch()
        var request = shell("echo $GREETING; pwd; nice; ulimit -n; ulimit -d; ulimit -c; echo ${HOME:+home}")
        request.environment = ["GREETING": "hello = wörld"]
        request.workingDirectory = scratch.path
        request.nice = 3
        request.limits = [.descriptors(77), .data(512 << 20), .core(0)]
        let base = getpriority(0, 0)
        let home = unsafe getenv("HOME") == nil ? "" : "home"
        let output = try await run(request).output
        #expect(output == "hello = wörld\n\(scratch.path)\n\(base + 3)\n77\n\(512 << 10)\n0\n\(home)\n")
    }

    @Test func anAddedVariableReplacesTheInheritedOneAndOursCannotBeReplaced() async throws {
        var request = shell("env | grep -E '^(PATH|IPCFRAME_FD)=' | sort")
        request.environment = ["PATH": "/bin:/usr/bin", "IPCFRAME_FD": "99"]
        #expect(try await run(request).output == "IPCFRAME_FD=3\nPATH=/bin:/usr/bin\n")
    }

    @Test(.enabled(if: getuid() == 0, "changing the user needs root")) func theUserCanBeChanged() async throws {
        var request = shell("id -u; id -g; id -G")
        request.user = 65_534
        request.group = 65_533
        #expect(try await run(request).output == "65534\n65533\n65533\n")
    }

    @Test func theChildIsToldToEndWhenItsParentIsKilled() async throws {
        let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            let child = try await Spawner.shared.spawn(shell("sleep 1000 & wait"))
            _ = unsafe write(1, "pid \(child.pid).", "pid \(child.pid).".utf8.count)
            kill(getpid(), SIGKILL)
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let word = text.split(separator: "pid ").last?.prefix { $0 != "." }
        let pid = try #require(word.flatMap { Int32($0) })
        // The suite's time limit is the bound.
        while isRunning(pid) { await Task.yield() }
        _ = clinux_signal_group(pid, SIGKILL)
    }

    @Test func aThousandChildrenLeaveNoDescriptorAndNoZombie() async throws {
        let before = openDescriptors().count
        var pids: [Int32] = []
        for _ in 0..<1000 {
            let child = try await Spawner.shared.spawn(SpawnRequest(program: "/bin/true"))
            pids.append(child.pid)
            #expect(await child.finish().code == 0)
        }
        for _ in 0..<100 { #expect(await spawnError(SpawnRequest(program: "/proc/self/maps")) != nil) }
        // Tests beside this one open some too, hence a bound rather than equality.
        #expect(openDescriptors().count < before + 100)
        #expect(pids.filter { isChildOfOurs($0) } == [])
    }

    @Test func spawnedByManyTasksAtOnceEachGetsItsOwn() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<50 {
                group.addTask { try await run(shell("echo \(number)")).output == "\(number)\n" }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct SpawnErrorTests {
    @Test(arguments: ["no-such-program-here", "/no/such/program", "/etc/passwd/x"])
    func aMissingProgramIsNotFound(program: String) async {
        #expect(await spawnError(SpawnRequest(program: program))?.code == .notFound)
    }

    @Test func aFileWithoutPermissionIsNotExecutable() async {
        let scratch = Scratch()
        let error = await spawnError(SpawnRequest(program: scratch.file("plain", "text", mode: 0o644)))
        #expect(error?.code == .notExecutable)
        #expect(error?.cause == SystemError(call: "access", errno: EACCES))
    }

    @Test func aDirectoryIsNamedAsOne() async {
        let error = await spawnError(SpawnRequest(program: "/usr/bin"))
        #expect(error?.code == .isDirectory)
        #expect(
            error?.description == "cannot start '/usr/bin': /usr/bin is a directory (access: Is a directory)"
        )
    }

    @Test func aFileThatIsNoProgramReportsTheErrorOfExec() async {
        let scratch = Scratch()
        let error = await spawnError(SpawnRequest(program: scratch.file("garbage", "\u{1}\u{2}not a program")))
        #expect(error?.code == .notExecutable)
        #expect(error?.cause == SystemError(call: "execve", errno: ENOEXEC))
    }

    @Test func aMissingInterpreterIsNotTakenForAMissingProgram() async {
        let scratch = Scratch()
        let error = await spawnError(SpawnRequest(program: scratch.file("script", "#!/no/such/interpreter\n")))
        #expect(error?.code == .notExecutable)
        #expect(error?.detail.contains("interpreter") == true)
    }

    @Test func aMissingDirectoryIsToldFromAMissingProgram() async {
        var request = SpawnRequest(program: "/bin/true")
        request.workingDirectory = "/no/such/directory"
        let error = await spawnError(request)
        #expect(error?.code == .workingDirectory)
        #expect(error?.cause == SystemError(call: "chdir", errno: ENOENT))
    }

    @Test func aRelativePathMeansTheParentsDirectory() async throws {
        var request = SpawnRequest(program: "../../../../../../../../../../../bin/true")
        request.workingDirectory = "/proc"
        let depth = unsafe getcwd(nil, 0)
        #expect(unsafe depth != nil)
        unsafe free(depth)
        #expect(try await run(request).code == 0)
    }

    @Test func whatTheKernelCannotExpressIsRefused() async {
        var request = SpawnRequest(program: "/bin/true")
        request.arguments = ["a\0b"]
        #expect(await spawnError(request)?.code == .invalidArgument)
        request.arguments = []
        request.environment = ["A=B": "x"]
        #expect(await spawnError(request)?.code == .invalidArgument)
        request.environment = [:]
        request.arguments = [String(repeating: "x", count: 200_000)]
        #expect(await spawnError(request)?.cause == SystemError(call: "execve", errno: E2BIG))
    }

    @Test func aHardLimitAboveOursIsNotPermittedOrGranted() async throws {
        var request = SpawnRequest(program: "/bin/true")
        request.limits = [.init(resource: 9_999, soft: 1, hard: 1)]
        let error = await spawnError(request)
        #expect(error?.code == .notPermitted)
        #expect(error?.cause == SystemError(call: "prlimit", errno: EINVAL))
    }

    @Test func aHostThatIgnoresItsChildrenCannotSpawn() async {
        await #expect(processExitsWith: .exitCode(42)) {
            _ = signal(SIGCHLD, SIG_IGN)
            do throws(SpawnError) {
                _ = try await Spawner.shared.spawn(SpawnRequest(program: "/bin/true"))
            } catch {
                exit(error.code == .exitStatusesDiscarded ? 42 : 1)
            }
        }
    }
}
