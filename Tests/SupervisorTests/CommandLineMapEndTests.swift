// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("ipc-parent map and how it ends")
struct CommandLineMapEndTests {
    let command: CommandLine

    init() throws { command = try CommandLine() }

    static let failures: [(count: Int, code: Int)] = [(0, 0), (3, 3), (100, 100), (101, 101), (130, 101)]

    @Test("The exit code is the number of failures, as far as it goes", arguments: failures)
    func exitCode(count: Int, code: Int) async throws {
        let result = try await command.sh(
            """
            echo x > x; seq 1 \(count) | sed s/^/no/ | $P map echo --quiet x --files-from -; echo $?
            """
        )
        #expect(result.output == "x\n\(code)\n", "\(result)")
    }

    static let workers: [(worker: String, code: Int, says: String)] = [
        ("/nowhere/worker", 127, "there is no such file"), ("/etc/passwd", 126, "may not be executed"),
        ("false", 125, "exited with 1"),
    ]

    @Test("Without a worker nothing is done, and the files are not to blame", arguments: workers)
    func noWorker(worker: String, code: Int, says: String) async throws {
        let result = try await command.sh(
            """
            for i in 1 2 3 4; do echo $i > $i; done
            $P map digest --worker \(worker) --report report ? > out; echo $?; cat out
            grep -o '"totals":{[^}]*}' report
            """
        )
        let totals = #""totals":{"files":4,"succeeded":0,"failed":0,"cancelled":0,"notRun":4}"#
        #expect(result.output == "\(code)\n\(totals)\n", "\(result)")
        #expect(result.errors.contains("map: no worker can be started: "), "\(result)")
        #expect(result.errors.contains(says), "\(result)")
    }

    @Test("A reader that has enough ends all, in silence")
    func readerGone() async throws {
        let result = try await command.sh(
            """
            for i in {1..40}; do seq 1 200000 > f$i; done
            $P map echo --progress none --report report f* | head -n 1; echo ${PIPESTATUS[*]}
            grep -o '"reason":{"code":"resultReaderGone"' report | head -n 1
            """
        )
        #expect(result.output == "1\n141 0\n\"reason\":{\"code\":\"resultReaderGone\"\n", "\(result)")
        #expect(result.errors.isEmpty, "\(result)")
    }

    @Test("A disk that is full ends all")
    func fullDisk() async throws {
        let result = try await command.sh(
            """
            for i in {1..9}; do echo $i > $i; done
            $P map echo --report report --workers 2 ? > /dev/full; echo $?
            grep -o '"totals":{"files":9,"succeeded":0' report
            """
        )
        #expect(result.output == "73\n\"totals\":{\"files\":9,\"succeeded\":0\n", "\(result)")
        #expect(result.errors.contains("No space left on device"), "\(result)")
    }

    /// Starts two of three programs that never end, and waits until they run.
    ///
    /// `$pid` is ipc-parent.
    static let waiting = """
        set -m; for i in 1 2 3; do echo $i > in$i; done
        start() {
          $P map exec --workers 2 --report report "$@" in1 in2 in3 -- sh -c 'read n; : > began$n; exec sleep 1000' & pid=$!
          until [ "$(ls | grep -c began)" = 2 ]; do sleep 0.01; done
          workers=$(pgrep -P $pid)
        }
        gone() { for worker in $workers; do kill -0 $worker 2> /dev/null || echo gone; done; }
        """

    static let ends: [(signal: String, code: String)] = [("INT", "130"), ("TERM", "143"), ("HUP", "129")]

    @Test("A signal cancels what runs and begins nothing more, and says so", arguments: ends)
    func gracefulEnd(signal: String, code: String) async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start; kill -\(signal) $pid; wait $pid; echo $?; gone; ls | grep -c began
            grep -o '"totals":{[^}]*}' report; grep -o '"code":"SIG[A-Z]*"' report
            """
        )
        let totals = #""totals":{"files":3,"succeeded":0,"failed":0,"cancelled":2,"notRun":1}"#
        let reasons = String(repeating: "\"code\":\"SIG\(signal)\"\n", count: 3)
        #expect(result.output == "\(code)\ngone\ngone\n2\n\(totals)\n\(reasons)", "\(result)")
        #expect(result.errors.contains("cancelled by SIG\(signal): 2 calls are asked to end"), "\(result)")
        #expect(result.errors.contains("map exec: 0 of 3 files done in"), "\(result)")
    }

    @Test("A second Ctrl-C does not wait for workers that will not listen")
    func forcedEnd() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start --grace 1h 2> errors; kill -STOP $workers; kill -INT $pid
            until grep -q 'asked to end' errors; do sleep 0.01; done
            kill -INT $pid; wait $pid; echo $?; gone
            """
        )
        #expect(result.output == "130\ngone\ngone\n", "\(result)")
    }

    @Test("A reader that stands still does not hold up the end for longer than the grace")
    func standingReader() async throws {
        let result = try await command.sh(
            """
            set -m; seq 1 200000 > body; mkfifo pipe; exec 5<>pipe
            $P map echo --grace 300ms --report report body > pipe 5>&- & pid=$!
            head -c 1 <&5; echo; kill -INT $pid; wait $pid; echo $?
            grep -o '"totals":{[^}]*}' report
            """
        )
        let totals = #""totals":{"files":1,"succeeded":0,"failed":0,"cancelled":1,"notRun":0}"#
        #expect(result.output == "1\n130\n\(totals)\n", "\(result)")
    }

    @Test("SIGUSR1 tells how far it is")
    func status() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start --progress none 2> errors; kill -USR1 $pid
            until grep 'map exec 0/3 files' errors > /dev/null; do sleep 0.01; done
            kill -INT $pid; wait $pid; echo $?
            """
        )
        #expect(result.output == "130\n", "\(result)")
    }

    @Test("The report tells of all and of each")
    func report() async throws {
        let result = try await command.sh(
            #"""
            seq 1 1000 > good; echo x > bad
            $P map exec --report report good bad no -- sh -c 'read n; cat > /dev/null; [ $n = 1 ] || exit 7; echo $n'
            cat > check.py <<'END'
            import json, re
            report = json.load(open("report"))
            print(list(report))
            print(report["schema"], report["job"], report["exitCode"], report["reason"], report["bytesOut"])
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", report[key]) for key in ("started", "finished"))
            for file in report["files"]:
                print(file["path"], file["outcome"], file["exitCode"], file["attempts"], file["bytesIn"], file["bytesOut"])
                print(file["reason"]["code"], file["reason"]["text"])
            print(list(report["files"][0]))
            END
            python3 check.py
            """#
        )
        let text = """
            1
            ['schema', 'job', 'totals', 'reason', 'exitCode', 'started', 'finished', 'seconds', 'bytesIn', 'bytesOut', \
            'files']
            1 exec 2 None 2
            good succeeded 0 1 3893 2
            succeeded done
            bad failed 7 1 2 0
            exitCode 'sh' exited with 7
            no failed 66 0 0 0
            inputFailed cannot read it: No such file or directory
            ['path', 'outcome', 'reason', 'exitCode', 'attempts', 'started', 'finished', 'seconds', 'bytesIn', \
            'bytesOut', 'counts']

            """
        #expect(result.output == text, "\(result)")
    }

    @Test("Progress for programs is one object a line, from the start to the end")
    func jsonLines() async throws {
        let result = try await command.sh(
            #"""
            for i in 1 2 3; do echo $i > $i; done
            $P map digest --progress json 1 2 no 3 2> lines > /dev/null
            python3 -c 'import json; print([json.loads(line)["type"] for line in open("lines")])'
            grep '"end"' lines | grep -o '"files":4,"succeeded":3,"failed":1'
            """#
        )
        #expect(result.output.hasPrefix("['start', "), "\(result)")
        #expect(result.output.contains("'error', "), "\(result)")
        #expect(result.output.hasSuffix("'end']\n\"files\":4,\"succeeded\":3,\"failed\":1\n"), "\(result)")
    }

    @Test("A terminal shows one bar for all, and is left as it was")
    func terminal() async throws {
        let result = try await command.sh(
            """
            for i in 1 2 3 4; do echo $i > $i; done
            script -qec "$P map exec 1 2 3 4 -- sh -c 'sleep 0.3; cat > /dev/null'" /dev/null | cat -v
            """
        )
        #expect(result.output.contains("^M^[[Kmap exec "), "\(result)")
        #expect(result.output.contains("/4 files"), "\(result)")
        #expect(result.output.contains("map exec: 4 files done in"), "\(result)")
    }
}
