// SPDX-License-Identifier: Apache-2.0
import Testing

/// The real command with the real worker, as a shell sees them.
@Suite("ipc-parent run")
struct CommandLineRunTests {
    let command: CommandLine

    init() throws { command = try CommandLine() }

    @Test("A job's result goes to standard output, and nothing else does")
    func result() async throws {
        let result = try await command.sh("printf hello | $P run digest")
        #expect(result.code == 0, "\(result)")
        #expect(result.output == "3610a686 5\n")
        #expect(result.errors.contains("digest: done in"))
    }

    static let failures: [(script: String, code: Int32, says: String)] = [
        ("$P run", 64, "Missing expected argument '<job>'"),
        ("$P run ''", 64, "must have 1 to 256 bytes"),
        ("$P run $(printf %0257d 0) --worker ./missing", 64, "must have 1 to 256 bytes"),
        ("$P run digest extra", 64, "Unexpected argument 'extra'"),
        ("$P run digest --no-such-option", 64, "Unknown option '--no-such-option'"),
        ("$P run digest --timeout 5x", 64, "500ms, 2s, 30m or 1h"),
        ("$P run digest --memory-limit lots", 64, "512M"),
        ("$P run digest --retries -1", 64, "0 to 1000"),
        ("$P run digest --arg database", 64, "KEY=VALUE"),
        ("$P run digest --start-timeout none", 64, "never be noticed"),
        ("$P run nosuch", 64, "no method 'nosuch'"),
        ("$P run digest --arg x=y", 64, "no argument 'x'"),
        ("$P run import --arg database=d --arg x=y", 64, "ipc-parent: import: unknown argument 'x'"),
        ("$P run import --arg database=missing/d", 73, "of the database 'missing/d' does not exist"),
        ("$P run digest --input missing", 66, "cannot read 'missing': No such file or directory"),
        ("$P run digest --input .", 66, "Is a directory"),
        ("$P run digest --output missing/out", 73, "cannot write 'missing/out': No such file or directory"),
        ("$P run digest --output .", 73, "Is a directory"),
        ("$P run digest --report missing/report", 73, "cannot write 'missing/report'"),
        ("$P run digest --output /dev/full", 73, "No space left on device"),
        ("$P run digest > /dev/full", 73, "cannot write standard output: No space left on device"),
        ("$P run digest >&-", 73, "cannot write standard output: Bad file descriptor"),
        ("$P run digest --worker ./missing", 127, "cannot start './missing'"),
        ("$P run digest --worker no-such-program", 127, "PATH"),
        ("touch plain; $P run digest --worker ./plain", 126, "may not be executed"),
        ("$P run digest --worker /bin/false", 1, "exited with 1 before the job was done"),
        ("$P run digest --worker /bin/true", 125, "exited with 0 and without a result"),
        ("$P run digest --worker bash --worker-arg -c --worker-arg 'exit 42'", 42, "exited with 42"),
        ("$P run digest --worker bash --worker-arg -c --worker-arg 'exit 124'", 125, "exited with 124"),
        ("$P run digest --worker bash --worker-arg -c --worker-arg 'kill -SEGV $$'", 139, "killed by SIGSEGV"),
        ("$P run digest --worker bash --worker-arg -c --worker-arg 'kill -KILL $$'", 137, "killed by SIGKILL"),
        (
            "$P run digest --worker bash --worker-arg -c --worker-arg 'echo gone wrong >&2; exit 3'", 3,
            "its last words: gone wrong"
        ),
        (
            "$P run digest --worker bash --worker-arg -c --worker-arg 'echo this is not the protocol at all >&3'",
            125, "broke the protocol"
        ),
        ("$P run digest --worker sleep --worker-arg 100 --start-timeout 100ms", 124, "not ready in time"),
        ("$P run digest --cwd missing", 125, "missing"),
    ]

    @Test("Each failure has its exit code and says what went wrong", arguments: failures)
    func failure(script: String, code: Int32, says: String) async throws {
        let result = try await command.sh("\(script) < /dev/null")
        #expect(result.code == code, "\(result)")
        #expect(result.errors.contains(says), "\(result)")
        #expect(result.output == "")
    }

    @Test("Help and version are no errors")
    func help() async throws {
        let help = try await command.sh("$P run --help")
        #expect(help.code == 0)
        for option in ["--worker", "--stall-timeout", "--memory-limit", "--report", "--quiet", "Exit codes"] {
            #expect(help.output.contains(option))
        }
        let version = try await command.sh("$P --version")
        #expect(version.code == 0)
        #expect(version.output.contains("ipc-parent 0.1.0\nprotocol 1\nzlib "))
        #expect(try await command.sh("$P run --version").output == version.output)
        let forced = try await command.sh("IPCFRAME_CODEC=zlib $P --version")
        #expect(forced.output.contains("codec in force: zlib"))
    }

    @Test("A large body comes back as it was, compressed or not, from a file or a pipe")
    func echo() async throws {
        let result = try await command.sh(
            """
            set -e
            head -c 10485760 /dev/urandom > random; seq 1 1000000 > text
            for body in random text; do for compression in zlib none; do
              $P run echo --compression $compression --input $body --output copy -\
            -quiet; cmp $body copy
              cat $body | $P run echo --compression $compression --quiet | cmp $body -
            done; done
            """
        )
        #expect(result.code == 0, "\(result)")
        #expect(result.errors == "")
    }

    @Test("The report tells how a job went")
    func report() async throws {
        let result = try await command.sh(
            """
            seq 1 100000 > body
            $P run digest --input body --compression zlib --report report --quiet && \\
            python3 -c '
            import json
            r = json.load(open("report"))
            assert r["schema"] == 1 and r["job"] == "digest" and r["outcome"] == "succeeded", r
            assert r["exitCode"] == 0 and r["workerExitCode"] == 0 and r["signal"] is None and r["attempts"] == 1, r
            assert r["bytesIn"] == 588895 and r["bytesOut"] == 16 and r["wireBytesIn"] < 400000, r
            assert r["chunks"] == 4 and r["chunksCompressed"] == 3, r
            assert r["codec"] == "zlib" and r["transport"] == "socket" and r["workerPeakRSS"] > 1000000, r
            '
            """
        )
        #expect(result.code == 0, "\(result)")
    }

    @Test(
        "Large bodies go through shared memory unless a compression or the socket is asked for",
        arguments: [
            ("", "memory", "none"), ("--transport memory", "memory", "none"), ("--compression none", "socket", "none"),
            ("--compression zlib", "socket", "zlib"), ("--transport socket", "socket", "zlib"),
            ("--transport socket --compression none", "socket", "none"),
            ("--transport descriptor", "descriptor", "none"),
        ]
    )
    func transport(options: String, transport: String, codec: String) async throws {
        let result = try await command.sh(
            """
            seq 1 200000 > body
            $P run echo --input body --output copy --report report --quiet \(options)
            cmp body copy
            python3 -c '
            import json, sys
            r = json.load(open("report"))
            assert [r["transport"], r["codec"]] == sys.argv[1:], r
            assert r["bytesIn"] == r["bytesOut"] == 1288895, r
            assert (r["wireBytesIn"] < 1000 and r["wireBytesOut"] < 1000) == (r["transport"] != "socket"), r
            ' \(transport) \(codec)
            """
        )
        #expect(result.code == 0, "\(result)")
    }

    @Test("An input that the worker reads in its file leaves the shell's offset behind what was read")
    func descriptorOffset() async throws {
        let result = try await command.sh(
            """
            seq 1 200000 > body
            { read first; $P run echo --output copy --report report --quiet --transport descriptor; cat; } < body > rest
            tail -n +2 body | cmp - copy && test ! -s rest && grep -q '"transport":"descriptor"' report && \\
            cat body | $P run echo --transport descriptor | cmp - body && \\
            $P run echo --transport descriptor --input body --worker \(FailureMatrix.support)/worker.py
            """
        )
        #expect(result.code == 125 && result.errors.contains("takes no open files"), "\(result)")
    }

    @Test("A worker that shares no memory is told of where memory is asked for")
    func noSharedMemory() async throws {
        let result = try await command.sh(
            "echo x | $P run echo --worker \(FailureMatrix.support)/worker.py --transport memory"
        )
        #expect(result.code == 125 && result.errors.contains("does not offer shared memory"), "\(result)")
    }

    @Test("There is a report of every failure after the options, and it agrees with the exit code")
    func failureReports() async throws {
        let result = try await command.sh(
            """
            check() {
              python3 -c '
            import json, sys
            r = json.load(open("report"))
            assert [str(r["exitCode"]), r["outcome"]] == sys.argv[1:], (r, sys.argv)
            assert r["reason"]["text"]' $1 $2 && rm report
            }
            set +e
            $P run digest --report report --input missing; check $? failed
            $P run digest --report report --output missing/x; check $? failed
            $P run nosuch --report report; check $? failed
            $P run digest --report report --worker ./missing; check $? notStarted
            $P run digest --report report --worker bash --worker-arg -c --worker-arg 'kill -ABRT $$'; check $? signalled
            $P run digest --report report --worker sleep --worker-arg 9 --start-timeout 50ms; check $? timedOut
            $P run digest --report report --worker bash --worker-arg -c --worker-arg \\
              'echo this is not the protocol at all >&3'; check $? protocol
            """
        )
        #expect(!result.errors.contains("AssertionError"), "\(result)")
        #expect(result.code == 0, "\(result)")
    }

    @Test("A reader that leaves early ends the job in silence")
    func head() async throws {
        let result = try await command.sh(
            "seq 1 3000000 | $P run echo --progress none | head -1; echo ${PIPESTATUS[1]}"
        )
        #expect(result.output == "1\n141\n", "\(result)")
        #expect(result.errors == "")
    }

    @Test("A job without a body leaves the input of a shell's loop alone")
    func loop() async throws {
        let result = try await command.sh(
            """
            seq 1 3 > lines
            while read line; do $P run nosuch 2> /dev/null; echo file $line; done < lines
            seq 1 3 | while read line; do $P run nosuch 2> /dev/null; echo pipe $line; done
            """
        )
        #expect(result.output == "file 1\nfile 2\nfile 3\npipe 1\npipe 2\npipe 3\n", "\(result)")
    }

    @Test("A file on standard input is read from where the shell stands, and is used up by the job")
    func offset() async throws {
        let result = try await command.sh(
            """
            seq 1 5 > lines
            { read first; $P run echo --quiet; read rest || echo nothing is left; } < lines
            """
        )
        #expect(result.output == "2\n3\n4\n5\nnothing is left\n", "\(result)")
    }

    @Test("A result is all there or not there: the file before stays until the job is done")
    func wholeResults() async throws {
        let result = try await command.sh(
            """
            echo before > out; chmod 640 out
            $P run nosuch --output out --quiet; cat out
            echo after | $P run echo --output out --quiet; cat out; stat -c %a out; ls -A
            """
        )
        #expect(result.output == "before\nafter\n640\nout\n" || result.output.hasPrefix("before\nafter\n640\nout\n"))
        #expect(!result.output.contains(".ipc-parent"), "\(result)")
    }

    @Test("Devices stay devices")
    func devices() async throws {
        let result = try await command.sh(
            "echo x | $P run echo --output /dev/null --quiet; stat -c %F /dev/null; "
                + "echo y | $P run echo --output /dev/stdout --quiet; echo z | $P run echo --output /dev/fd/1 --quiet"
        )
        #expect(result.output == "character special file\ny\nz\n", "\(result)")
    }

    @Test("A full disk is told, and leaves no half result")
    func fullDisk() async throws {
        // A limit on the size of files does what a full disk does, without one.
        let result = try await command.sh(
            "seq 1 100000 > body; ulimit -f 64; $P run echo --input body --output out; echo $?; ls -A out .ipc* 2>&1"
        )
        #expect(result.output.hasPrefix("73\n"), "\(result)")
        #expect(result.errors.contains("cannot write 'out': File too large"), "\(result)")
        #expect(!result.output.contains("out\n.ipc"))
    }

    @Test("A worker's death is retried with the whole input, also from a pipe")
    func retries() async throws {
        let result = try await command.sh(
            """
            cat > flaky <<'END'
            #!/bin/bash
            echo attempt >> attempts
            [ $(wc -l < attempts) -lt 3 ] && exit 9
            exec "$CHILD"
            END
            chmod +x flaky
            seq 1 100000 | $P run echo --worker ./flaky --env CHILD=${P%ipc-parent}ipc-child --retries 3 \
              --report report --progress none | cksum; seq 1 100000 | cksum; wc -l < attempts
            grep -o '"attempts":3' report
            """
        )
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 4, "\(result)")
        #expect(lines.first == lines.dropFirst().first)
        #expect(lines.suffix(2) == ["3", "\"attempts\":3"])
        #expect(result.errors.contains("attempt 3 of 4 follows"))
    }

    @Test("A job that takes too long, or stalls, ends with 124")
    func timeouts() async throws {
        let result = try await command.sh(
            """
            mkfifo silent; exec 5<>silent
            $P run digest --input silent --timeout 300ms --report report; echo $?
            grep -o '"outcome":"[a-zA-Z]*"' report
            $P run digest --input silent --stall-timeout 300ms --report report; echo $?
            grep -o '"outcome":"[a-zA-Z]*"' report
            """
        )
        #expect(result.output == "124\n\"outcome\":\"timedOut\"\n124\n\"outcome\":\"stalled\"\n", "\(result)")
    }

    @Test("Quiet says nothing but why there is no result")
    func quiet() async throws {
        let result = try await command.sh(
            """
            echo x | $P run digest --quiet > /dev/null
            $P run digest --quiet --worker bash --worker-arg -c --worker-arg 'echo chatter; exit 5'
            """
        )
        #expect(result.code == 5)
        #expect(result.errors.hasPrefix("ipc-parent: digest: the worker exited with 5"), "\(result)")
    }

    @Test("Progress as JSON leaves standard error to programs: every line is an object")
    func jsonProgress() async throws {
        let result = try await command.sh(
            """
            seq 1 100000 | $P run digest --progress json 2> lines > /dev/null
            $P run digest --progress json --worker bash --worker-arg -c --worker-arg 'echo chatter; exit 5' 2>> lines
            python3 -c '
            import json
            print(*[o["type"] for o in map(json.loads, open("lines")) if o["type"] != "progress"])'
            """
        )
        #expect(result.output == "start end start stderr end error\n", "\(result)")
    }
}
