// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ipc_parent

/// Imports that are killed while somebody reads the table.
@Suite("An import that is killed")
struct FailureMatrixKillTests {
    @Test("The table is wholly the old or wholly the new one, at any moment, for any reader", arguments: [1, 2])
    func killed(seed: Int) async throws {
        let seen = try await FailureMatrix.witness(
            run:
                "mkdir rounds; cd rounds; \(FailureMatrix.support)/import_killer.py $P \(seed) 20; c=$?; rm *; exit $c",
            patience: 5
        )
        #expect(seen.result.output == "sound after 20 rounds\n", "\(seen)")
        #expect(seen.result.code == 0, "\(seen)")
        #expect(seen.all("process") == [], "\(seen)")
        // What the killed may leave are hidden files; there are none.
        #expect(seen.all("file") == [], "\(seen)")
    }

    @Test("A database that a killed import was to make is not there, or is whole")
    func killedAtTheFirst() async throws {
        let seen = try await FailureMatrix.witness(
            setup: "seq 1 5000 | sed 's/.*/&,name &/; 1i id,name' > delivery",
            run: """
                for delay in 0.02 0.05 0.08 0.11 0.14 0.17 0.2 0.3; do
                  "$P" run import --arg database=db --input delivery --output changes --quiet & pid=$!
                  sleep $delay; pkill -KILL -P $pid; wait $pid && whole=5000 || whole=
                  if [ -e db ]; then
                    [ "$(sqlite3 db 'pragma integrity_check; select count(*) from stations')" = $'ok\\n5000' ] || echo half
                    rm -f db db-wal db-shm
                  else
                    [ -z "$whole" ] || echo missing
                  fi
                done 2> /dev/null
                rm -f changes; ls -A | grep -v -e '^\\.setup$' -e '^\\.run$'
                """,
            patience: 5
        )
        #expect(
            seen.result.output.split(separator: "\n").filter { !$0.hasPrefix("std") } == ["body", "delivery"],
            "\(seen)"
        )
        #expect(seen.all("process") == [], "\(seen)")
    }
}
