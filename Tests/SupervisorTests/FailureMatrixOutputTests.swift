// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

/// Places that a result can go to, good and bad, and the shell around.
@Suite("Where a result goes, and the shell around")
struct FailureMatrixOutputTests {
    /// `run` prints what the last column says; nothing else may be there.
    private static func place(_ name: String, _ setup: String, _ run: String, _ output: String) -> Cell {
        Cell(name: name, setup: setup, run: run, code: 0, outcome: "succeeded", output: output)
    }

    private static let sum = "b0182487 1288895\n"

    static let places: [Cell] = [
        place(
            "/dev/null stays a device",
            "",
            "run digest --input body --output /dev/null && stat -c %F /dev/null",
            "character special file\n"
        ),
        place(
            "a FIFO stays a FIFO",
            "mkfifo pipe",
            "cat pipe & run digest --input body --output pipe && wait && stat -c %F pipe",
            sum + "fifo\n"
        ),
        place(
            "a FIFO sees an end when there is no result",
            "mkfifo pipe",
            "wc -c < pipe & run exec --output pipe -- true < body && wait",
            "0\n"
        ),
        place(
            "a link stays a link",
            "echo old > target; ln -s target link; chmod 640 target",
            "run digest --input body --output link && stat -c %F link && cat target && stat -c %a target",
            "symbolic link\n" + sum + "640\n"
        ),
        place(
            "an open descriptor is written where it stands",
            "",
            "{ echo first >&7; run digest --input body --output /dev/fd/7; echo last >&7; } 7> body.7 && cat body.7",
            "first\n" + sum + "last\n"
        ).with { $0.leaves = "body.7" },
        place(
            "an ignored SIGCHLD is put right",
            "",
            """
            python3 -c 'import os, signal, sys
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            os.execv(sys.argv[1], sys.argv[1:])' $P run digest --input body --report report
            """,
            sum
        ),
        place(
            "the input of a loop over a file is left alone",
            "echo id,name > d; run import --arg database=db --input d",
            "seq 3 | cat > /dev/null; while read l; do run export --arg database=db; echo $l; done < <(seq 3)",
            "id,name\n1\nid,name\n2\nid,name\n3\n"
        ),
        place(
            "the input of a loop over a pipe is left alone",
            "echo id,name > d; run import --arg database=db --input d",
            "seq 3 | while read l; do run export --arg database=db; echo $l; done",
            "id,name\n1\nid,name\n2\nid,name\n3\n"
        ),
    ]

    @Test("It is written there, and what is there stays what it is", arguments: places)
    func written(_ cell: Cell) async throws {
        try await FailureMatrix.check(cell.with { $0.setup += "\nrm -f report" })
    }

    static let failures: [Cell] = [
        Cell(
            name: "a descriptor that nobody opened",
            run: "run digest --input body --output /dev/fd/9",
            code: 73,
            outcome: "failed",
            reason: "outputFailed",
            says: ["cannot write '/dev/fd/9': Bad file descriptor"],
            neverSays: ["worker"]
        ),
        Cell(
            name: "an input descriptor that nobody opened",
            run: "run digest --input /dev/fd/9",
            code: 66,
            outcome: "failed",
            reason: "inputFailed",
            says: ["cannot read '/dev/fd/9': Bad file descriptor"]
        ),
        Cell(
            name: "a result that nobody reads to its end",
            run: "run echo --input body | head -n 1; exit ${PIPESTATUS[0]}",
            code: 141,
            outcome: "cancelled",
            reason: "resultReaderGone",
            neverSays: ["ipc-parent:"],
            output: "1\n"
        ),
        Cell(
            name: "a closed standard output",
            run: "run digest --input body >&-",
            code: 73,
            outcome: "failed",
            reason: "outputFailed",
            says: ["cannot write standard output: Bad file descriptor"]
        ),
    ]

    @Test("It cannot go there", arguments: failures)
    func impossible(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    private static func onSmallDisk(_ name: String, _ run: String, _ says: String) -> Cell {
        Cell(
            name: name,
            setup: "seq 1 60000 | sed 's/.*/&,name&/; 1i id,name' > delivery; mkdir disk",
            run: """
                unshare --mount bash -c 'mount -t tmpfs -o size=256k tmpfs disk && echo before > disk/result &&
                  { "$@"; code=$?; } && ls -A disk && cat disk/result; exit $code' - \(run)
                """,
            code: 73,
            outcome: "failed",
            says: [says],
            output: "result\nbefore\n"
        )
    }

    static let disks: [Cell] = [
        onSmallDisk(
            "a result",
            "$P run echo --report report --input body --output disk/result",
            "cannot write 'disk/result': No space left on device"
        ),
        onSmallDisk(
            "a database",
            "$P run import --report report --arg database=disk/db --input delivery --output changes",
            "no space left for 'disk/db'"
        ),
    ]

    @Test(
        "A full disk is told, and keeps what it had",
        .enabled(if: FailureMatrix.canMount, "mounting a small disk takes CAP_SYS_ADMIN"),
        arguments: disks
    )
    func fullDisk(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }

    private static func asNobody(_ name: String, _ setup: String, _ run: String, _ code: Int32, _ says: String) -> Cell
    {
        Cell(
            name: name,
            setup: "chmod 755 .; \(setup)",
            run: "setpriv --reuid 65534 --regid 65534 --clear-groups $P run \(run)",
            code: code,
            says: [says]
        )
    }

    static let closed: [Cell] = [
        asNobody("an input", "chmod 600 body", "digest --input body", 66, "cannot read 'body': Permission denied"),
        asNobody(
            "a directory",
            "mkdir mine",
            "digest --input body --output mine/result",
            73,
            "cannot write 'mine/result': Permission denied"
        ),
        asNobody(
            "a database",
            "sqlite3 db 'create table stations(id, name)'; printf 'id,name\\n1,a\\n' > d",
            "import --arg database=db --input d",
            77,
            "the database 'db' may not be written"
        ),
        asNobody(
            "a worker",
            "echo '#!/bin/sh' > worker; chmod 700 worker",
            "digest --input body --worker ./worker",
            126,
            "./worker may not be executed"
        ),
    ]

    @Test("What is closed to us is named", .enabled(if: geteuid() == 0, "only root can be another"), arguments: closed)
    func closedToUs(_ cell: Cell) async throws { try await FailureMatrix.check(cell) }
}
