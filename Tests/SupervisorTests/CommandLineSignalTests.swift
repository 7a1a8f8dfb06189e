// SPDX-License-Identifier: Apache-2.0
import Testing

/// Signals, terminals, and what is left behind; each script waits for what it needs to see, never for a time.
@Suite("ipc-parent run and its surroundings")
struct CommandLineSignalTests {
    let command: CommandLine

    init() throws { command = try CommandLine() }

    /// Starts a job that waits for its input for ever, and waits until it has it.
    ///
    /// `$pid` is ipc-parent, `$worker` its worker. Job control is on, so that signals are not ignored as in the
    /// background of a script.
    static let waiting = """
        set -m; mkfifo silent; exec 5<>silent
        start() {
          rm -f trace; : > trace
          IPCFRAME_TRACE=trace $P run digest --input silent --report report "$@" 5>&- & pid=$!
          until grep -q ACCEPT trace; do sleep 0.01; done
          worker=$(pgrep -P $pid)
        }
        """

    static let ends: [(signal: String, code: String)] = [("INT", "130"), ("TERM", "143"), ("HUP", "129")]

    @Test("A signal ends the job in order, and says so", arguments: ends)
    func gracefulEnd(signal: String, code: String) async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start; kill -\(signal) $pid; wait $pid; echo $?
            grep -o '"outcome":"[a-z]*"' report; grep -c "> RESET" trace
            kill -0 $worker 2> /dev/null || echo gone
            """
        )
        #expect(result.output == "\(code)\n\"outcome\":\"cancelled\"\n1\ngone\n", "\(result)")
        #expect(result.errors.contains("cancelled by SIG\(signal): the job is asked to end"), "\(result)")
    }

    @Test("Ctrl-C for a whole pipeline: the producer's end is not taken for the end of what there is")
    func pipeline() async throws {
        // The producer ends at once when it is told to, so our input ends while the signal is still on its way.
        let result = try await command.sh(
            """
            set -m
            cat > pipeline <<'END'
            { echo half; exec sleep 1000; } | IPCFRAME_TRACE=trace $P run digest --report report --quiet
            END
            for i in 1 2 3 4 5 6 7 8; do
              rm -f trace; : > trace
              P=$P bash pipeline > out 2> /dev/null & until grep -q CREDIT trace || grep -q DATA trace; do sleep 0.01; done
              kill -INT -$!; while pgrep -g $! > /dev/null; do sleep 0.01; done
              grep -o '"exitCode":[0-9]*' report >> codes; cat out >> codes
            done
            sort codes | uniq -c
            """
        )
        #expect(result.output == "      8 \"exitCode\":130\n", "\(result)")
    }

    @Test("A second Ctrl-C does not wait for a worker that will not listen")
    func forcedEnd() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start --grace 1h
            kill -STOP $worker; kill -INT $pid
            until grep -q "> RESET" trace; do sleep 0.01; done
            kill -INT $pid; wait $pid; echo $?
            kill -0 $worker 2> /dev/null || echo gone
            """
        )
        #expect(result.output == "130\ngone\n", "\(result)")
        #expect(result.errors.contains("ending at once"), "\(result)")
    }

    @Test("A worker that was stopped is noticed by its silence")
    func stoppedWorker() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start --heartbeat 200ms --grace 200ms; kill -STOP $worker; wait $pid; echo $?
            kill -0 $worker 2> /dev/null || echo gone
            """
        )
        #expect(result.output == "124\ngone\n", "\(result)")
        #expect(result.errors.contains("did not answer its heartbeat"), "\(result)")
    }

    @Test("A worker that is killed from outside is told by its signal")
    func killedWorker() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start; kill -KILL $worker; wait $pid; echo $?
            grep -o '"outcome":"[a-z]*"' report; grep -o '"signal":[0-9a-z]*' report
            """
        )
        #expect(result.output == "137\n\"outcome\":\"signalled\"\n\"signal\":9\n", "\(result)")
    }

    @Test("The worker does not outlive a parent that is killed")
    func killedParent() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start --output out; kill -KILL $pid; wait $pid; echo $?
            while kill -0 $worker 2> /dev/null; do sleep 0.01; done
            ls -A | grep -v -e std -e silent -e trace -e report || echo nothing is left
            """
        )
        #expect(result.output == "137\nnothing is left\n", "\(result)")
    }

    @Test("A signal that was ignored from the start stays ignored")
    func nohup() async throws {
        let result = try await command.sh(
            """
            trap '' HUP
            \(Self.waiting)
            start; kill -HUP $pid; kill -USR1 $pid
            printf hello > silent; exec 5>&-; wait $pid; echo $?
            """
        )
        #expect(result.output == "3610a686 5\n0\n", "\(result)")
    }

    @Test("Ctrl-Z stops the command, and fg takes it up where it was")
    func stopAndContinue() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start --timeout 1h; kill -TSTP $pid
            until jobs -s > stopped; [ -s stopped ]; do sleep 0.01; done
            { sleep 0.1; printf hello >&5; } & exec 5>&-; fg %1 > /dev/null; echo $?
            """
        )
        #expect(result.output.hasSuffix("3610a686 5\n0\n"), "\(result)")
    }

    @Test("SIGUSR1 tells how far the job is")
    func status() async throws {
        let result = try await command.sh(
            """
            \(Self.waiting)
            start --progress none 2> errors; kill -USR1 $pid
            until grep -q 'digest ' errors; do sleep 0.01; done
            printf hello > silent; exec 5>&-; wait $pid; cat errors
            """
        )
        #expect(result.output.contains("digest running 00:0"), "\(result)")
    }

    @Test("A terminal shows one line that is redrawn, and is left as it was")
    func terminal() async throws {
        let result = try await command.sh(
            """
            seq 1 2000000 > body
            script -qec "$P run echo --compression zlib --input body --output out" /dev/null | cat -v
            cmp body out && echo same
            """
        )
        #expect(result.output.contains("^M^[[K"), "\(result)")
        #expect(result.output.contains("echo: done in"))
        #expect(result.output.hasSuffix("same\n"))
        // Neither hidden, nor coloured, nor moved.
        let commands = result.output.split(separator: "^[[", omittingEmptySubsequences: false).dropFirst()
        #expect(commands.allSatisfy { $0.hasPrefix("K") }, "\(result)")
    }

    @Test("A dumb terminal gets plain lines")
    func dumbTerminal() async throws {
        let result = try await command.sh(
            #"echo x | TERM=dumb script -qec "$P run digest" /dev/null | cat -v"#
        )
        #expect(result.output.contains("digest: started"), "\(result)")
        #expect(!result.output.contains("^["), "\(result)")
    }

    @Test("The shell's descriptors keep their modes, and nothing is left behind")
    func descriptors() async throws {
        let result = try await command.sh(
            """
            mkfifo in out err
            exec 6<>in 7<>out 8<>err
            flags() { for fd in 6 7 8; do grep flags /proc/$$/fdinfo/$fd; done; }
            before=$(flags)
            echo hello >&6
            $P run digest --timeout 300ms <&6 >&7 2>&8; echo $?
            [ "$before" = "$(flags)" ] && echo unchanged
            ls -A | grep -c ipc-parent
            """
        )
        #expect(result.output == "124\nunchanged\n0\n", "\(result)")
    }

    @Test("Standard descriptors may be closed")
    func closedDescriptors() async throws {
        let result = try await command.sh(
            """
            $P run digest <&- 2>&-; echo $?
            $P run digest --output out <&- >&- 2>&-; echo $?; cat out
            $P run nosuch <&- >&- 2>&-; echo $?
            """
        )
        #expect(result.output == "00000000 0\n0\n0\n00000000 0\n64\n", "\(result)")
    }

    @Test("Grandchildren that hold the worker's output do not hold us up")
    func grandchildren() async throws {
        let result = try await command.sh(
            """
            $P run digest --worker bash --worker-arg -c --worker-arg \\
              'sleep 1000 & echo $! > grandchild; echo last words >&2; exit 7'; echo $?
            while kill -0 $(cat grandchild) 2> /dev/null; do sleep 0.01; done; echo gone
            """
        )
        #expect(result.output == "7\ngone\n", "\(result)")
        #expect(result.errors.contains("last words"))
    }

    @Test("A worker that floods standard error is not held up by a slow reader, nor is its end lost")
    func flood() async throws {
        let result = try await command.sh(
            """
            $P run digest --start-timeout 1m --worker bash --worker-arg -c --worker-arg \\
              'seq 1 300000 >&2; exit 7' 2> errors; echo $?
            grep -c '^[0-9]*$' errors; tail -2 errors | grep -o 'exited with 7'
            """
        )
        #expect(result.output.hasPrefix("7\n"), "\(result)")
        #expect(result.output.contains("exited with 7"), "\(result)")
    }
}
