# SPDX-License-Identifier: Apache-2.0
"""The second delivery of stations, whole command, against sqlite3's own .import and the difference in SQL."""
import os
import shutil
import sys
import tempfile

from .places import ROOT, SAMPLES
from .session import ratios, spread, timed

NEEDS = ("ipc-parent", "ipc-child")
MOST = 1.5
CHANGES = 4_500


def measure(session):
    first, second = (os.path.join(SAMPLES, name) for name in ("stations.csv.gz", "stations-next.csv.gz"))
    ours, reference = [], []
    with tempfile.TemporaryDirectory() as directory:
        base, work = (os.path.join(directory, name) for name in ("base.sqlite", "work.sqlite"))
        result, changes = (os.path.join(directory, name) for name in ("reference.txt", "changes.ndjson"))

        def run_import(database, delivery):
            return timed([session.programs["ipc-parent"], "run", "import", "--input", delivery, "--arg",
                          f"database={database}", "--arg", "table=stations", "--arg", "key=id", "--output", changes,
                          "--quiet"])

        run_import(base, first)
        for number in range(session.rounds + 1):
            shutil.copyfile(base, work)
            with open(result, "wb") as output:
                theirs = timed([os.path.join(ROOT, "scripts", "bench-import-reference"), base, second], stdout=output)
            mine = run_import(work, second)
            with open(changes, "rb") as lines, open(result, "rb") as rows:
                if sum(1 for _ in lines) != CHANGES or sum(1 for _ in rows) != CHANGES:
                    sys.exit(f"bench: the difference has not {CHANGES:,} lines")
            # The first round warms the caches.
            if number > 0:
                ours.append(mine)
                reference.append(theirs)
    session.judge("ipc-parent run import, of sqlite3's", ratios(ours, reference), most=MOST, key="import",
                  beside=f"; {spread(ours, 'ms', 0)}, sqlite3 {spread(reference, 'ms', 0)}")
