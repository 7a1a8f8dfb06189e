// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("ipc-parent map")
struct CommandLineMapTests {
    let command: CommandLine

    init() throws { command = try CommandLine() }

    /// Folders for files and results, and `totals`, which prints what a report counts.
    static let folders = #"""
        mkdir in out; trap 'rm -rf in out' EXIT
        totals() { grep -o '"totals":{[^}]*}' report | tr -d '"'; }
        """#

    @Test("Each result has the name of its file, and is whole")
    func resultsInDirectory() async throws {
        let result = try await command.sh(
            #"""
            \#(Self.folders)
            for i in 1 2 3 4 5; do seq 1 $((i * 100000)) > in/$i; done; : > in/empty; echo old > out/2
            $P map echo --output-dir out in/*; echo $?
            diff -r in out && ls -A out | tr '\n' ' '
            """#
        )
        #expect(result.output == "0\n1 2 3 4 5 empty ", "\(result)")
        #expect(result.errors.contains("map echo: 6 files done in"), "\(result)")
    }

    @Test("Nothing is begun where two results would go to one place, or one over an input")
    func places() async throws {
        let result = try await command.sh(
            #"""
            \#(Self.folders)
            mkdir in/a in/b; echo 1 > in/a/x; echo 2 > in/b/x; echo 3 > in/b/y
            map() { $P map echo --report report "$@"; echo $?; totals; }
            map --output-dir out in/a/x in/b/x
            map --output-dir in/a in/a/x
            ln -s ../in/b/y out/x; map --output-dir out in/a/x in/b/y
            map --output-dir nowhere in/a/x
            map --output-dir in/b/y in/a/x
            ls out; cat in/?/*
            """#
        )
        let refused = { (code: Int, files: Int) in
            "\(code)\ntotals:{files:\(files),succeeded:0,failed:0,cancelled:0,notRun:\(files)}\n"
        }
        let codes = refused(64, 2) + refused(64, 1) + refused(64, 2) + refused(73, 1) + refused(73, 1)
        #expect(result.output == codes + "x\n1\n2\n3\n", "\(result)")
        #expect(result.errors.contains("the results of 'in/a/x' and 'in/b/x' would both go to 'out/x'"), "\(result)")
        #expect(result.errors.contains("the result of 'in/a/x' would overwrite the input 'in/a/x'"), "\(result)")
        #expect(result.errors.contains("the result of 'in/a/x' would overwrite the input 'in/b/y'"), "\(result)")
    }

    @Test("Results come as they are done, or in the order of the files")
    func order() async throws {
        let result = try await command.sh(
            #"""
            for i in 2 0; do echo $i > $i; done
            map() { $P map exec --workers 2 "$@" 2 0 -- sh -c 'read t; sleep $t; echo $t'; }
            map; map --keep-order
            """#
        )
        #expect(result.output == "0\n2\n2\n0\n", "\(result)")
    }

    @Test("In order, files that have no result hold up none")
    func orderWithGaps() async throws {
        let result = try await command.sh(
            #"""
            for i in 1 2 3 4 5 6 7 8; do echo $i > $i; done
            $P map exec --workers 4 --keep-order 1 no 2 3 no 4 5 6 7 8 no -- \
              sh -c 'read n; [ $n != 4 ] || sleep 1; [ $n != 6 ] || exit 1; seq $n 40000 | head -n 20000'
            echo $?
            """#
        )
        let numbers = result.output.split(separator: "\n").compactMap { Int($0) }
        let wanted = [1, 2, 3, 4, 5, 7, 8].flatMap { Array($0..<$0 + 20_000) } + [4]
        #expect(numbers == wanted, "\(result.errors)")
    }

    @Test("Large results of several workers are each in one piece")
    func contiguous() async throws {
        let result = try await command.sh(
            #"""
            for i in a b c d e f; do yes $i$i$i$i$i$i$i | head -n 500000 > $i; done
            $P map echo --workers 3 a b c d e f | uniq -c | sort | tr -s ' '
            rm ?; ls -A | grep -v std
            """#
        )
        let lines = "abcdef".map { " 500000 " + String(repeating: $0, count: 7) + "\n" }
        #expect(result.output == lines.joined(), "\(result)")
    }

    @Test("A program that fails leaves no result, and costs only its own file")
    func failingProgram() async throws {
        let result = try await command.sh(
            #"""
            \#(Self.folders)
            for i in 1 2 3; do echo $i > in/$i; done
            fail() { $P map exec --report report "$@" in/? -- sh -c 'read n; echo $n; exit $((n % 2))'; echo $?; }
            fail; fail --output-dir out; ls out; totals
            """#
        )
        let totals = "totals:{files:3,succeeded:1,failed:2,cancelled:0,notRun:0}\n"
        #expect(result.output == "2\n2\n2\n2\n" + totals, "\(result)")
        #expect(result.errors.contains("ipc-parent: map: in/1: 'sh' exited with 1\n"), "\(result)")
    }

    @Test("A file that is not there, or is none, fails by itself")
    func missingInput() async throws {
        let result = try await command.sh(
            #"""
            echo hello > there; mkfifo fifo
            $P map digest --keep-order --report report no there . fifo; echo $?
            grep -o '"exitCode":[0-9]*' report | tr '\n' ' '
            """#
        )
        let codes = #""exitCode":3 "exitCode":66 "exitCode":0 "exitCode":66 "exitCode":66 "#
        #expect(result.output == "363a3020 6\n3\n" + codes, "\(result)")
        #expect(result.errors.contains("map: no: cannot read it: No such file or directory\n"), "\(result)")
        #expect(result.errors.contains("map: .: cannot read it: Is a directory\n"), "\(result)")
        #expect(result.errors.contains("map: fifo: cannot read it: it is not a regular file\n"), "\(result)")
    }

    @Test("A file whose worker died is tried again, and leaves one result")
    func retries() async throws {
        let result = try await command.sh(
            #"""
            \#(Self.folders)
            for i in 1 2 3; do echo $i > in/$i; done
            map() {
              $P map exec --report report --output-dir out "$@" in/? -- sh -c \
                'read n; seq $n 100000; [ $n != 2 ] || { echo x >> died; [ $(wc -l < died) -gt 2 ] || kill -KILL $PPID; }'
            }
            map --retries 2; echo $?; head -qn 1 out/?; rm -r died out/2
            grep -o '"attempts":[0-9]*' report | tr '\n' ' '
            map --retries 1; echo $?; ls out | tr '\n' ' '
            grep -o '"code":"[a-zA-Z]*"' report | tr '\n' ' '
            """#
        )
        let attempts = #""attempts":1 "attempts":3 "attempts":1 "#
        let codes = #""code":"succeeded" "code":"workerKilled" "code":"succeeded" "#
        #expect(result.output == "0\n1\n2\n3\n\(attempts)1\n1 3 \(codes)", "\(result)")
        #expect(result.errors.contains("in/2: attempt 2 of 3"), "\(result)")
        #expect(result.errors.contains("map: in/2: the worker was killed by SIGKILL"), "\(result)")
    }

    @Test("Files that each kill their worker each have their chance")
    func deadlyFiles() async throws {
        let result = try await command.sh(
            #"""
            for i in 1 2 3 4 5 6 7 8; do echo $i > $i; done
            $P map exec --workers 2 ? -- sh -c 'read n; [ $n = 8 ] || kill -KILL $PPID; echo $n'; echo $?
            """#
        )
        #expect(result.output == "8\n7\n", "\(result)")
    }

    @Test("The first failure stops all, if it should")
    func failFast() async throws {
        let result = try await command.sh(
            #"""
            \#(Self.folders)
            echo bad > in/0; for i in {1..20}; do echo good > in/$i; done
            $P map exec --workers 2 --fail-fast --report report in/* -- \
              sh -c 'read word; [ $word = good ] || exit 3; exec sleep 2'; echo $?
            totals | grep -o 'failed:1,'; grep -o '"outcome":"notRun"' report | sort -u
            grep -o '"reason":{"code":"failFast"' report
            """#
        )
        let words = "1\nfailed:1,\n\"outcome\":\"notRun\"\n\"reason\":{\"code\":\"failFast\"\n"
        #expect(result.output == words, "\(result)")
        #expect(result.errors.contains("a file failed: "), "\(result)")
    }

    @Test("The timeout is for each file, and waiting for a worker takes nothing of it")
    func timeout() async throws {
        let result = try await command.sh(
            #"""
            for i in 1 2 3; do echo 2 > $i; done; echo 1000 > 4
            $P map exec --workers 1 --timeout 3500ms --report report ? -- sh -c 'read n; sleep $n; echo $n'; echo $?
            grep -o '"outcome":"[a-zA-Z]*"' report | tail -1
            """#
        )
        #expect(result.output == "2\n2\n2\n1\n\"outcome\":\"timedOut\"\n", "\(result)")
    }

    @Test("Names come from a file or standard input too, and nothing else is read from it")
    func names() async throws {
        let result = try await command.sh(
            #"""
            for i in 1 2; do echo $i > "$i"; done; echo 3 > $'new\nline'
            map() { $P map echo --keep-order --quiet "$@"; echo $?; }
            echo mine | { map 1; cat; }
            printf '2\n\n1' | map 1 --files-from -
            printf '2\0new\nline\0' > list; map -0 --files-from list
            map --files-from no; map --files-from /dev/null; map; map -0 1
            """#
        )
        #expect(result.output == "1\n0\nmine\n1\n2\n1\n0\n2\n3\n0\n66\n0\n64\n64\n", "\(result)")
    }

    @Test("Two thousand small files, and as many results")
    func manyFiles() async throws {
        let result = try await command.sh(
            #"""
            \#(Self.folders)
            for i in {1..2000}; do echo $i > in/$i; done
            ls in | sed s,^,in/, | $P map echo --files-from - --output-dir out --report report; echo $?
            diff -r in out && totals
            """#
        )
        let totals = "totals:{files:2000,succeeded:2000,failed:0,cancelled:0,notRun:0}\n"
        #expect(result.output == "0\n" + totals, "\(result)")
    }
}
