# SPDX-License-Identifier: Apache-2.0
"""Station lines as one message there and back, against the same over a bare socket, and over shared memory."""
from .contenders import BULK, bulk
from .session import ratios, spread, values

NEEDS = ("ipc-bench", "bench-reference")
# Copies of the file, repetitions within a round, and what a copy makes.
SIZES = ((1, 20, "12 MB"), (6, 3, "75 MB"), (22, 2, "275 MB"))


def measure(session):
    for copies, repetitions, size in SIZES:
        results = session.compare(bulk(session), "W2", repeat=copies, rounds=repetitions, data=session.stations)
        for name, _, other, least in BULK:
            mine, theirs = (values(results.get(who), "median_ms") for who in (name, other))
            if mine:
                session.judge(f"{size} there and back, {name}, throughput of the {other}'s", ratios(theirs, mine),
                              least=least, key=f"echo {name} {size}",
                              beside=f"; {spread(mine, 'ms', 1)}, {other} {spread(theirs, 'ms', 1)}")
