# SPDX-License-Identifier: Apache-2.0
"""64 bytes there and back, both processes on one processor, and placed freely."""
import os

from .contenders import ours, reference
from .session import ratios, spread, values

NEEDS = ("ipc-bench", "bench-reference")
# Times of the reference's median.
PROMISES = {"blocking": 1.15, "connection": 1.6, "default": 2.5, "thread": None}
WORDS = {"blocking": "blocking call", "connection": "from the connection's executor", "default": "from anywhere",
         "thread": "from anywhere, the handler on a thread"}


def measure(session):
    contenders = [reference(session), ours(session, "connection", executor="connection"),
                  ours(session, "default", executor="default"),
                  ours(session, "thread", executor="default", handlers="thread"), ours(session, "blocking", mode="blocking")]
    first = str(min(os.sched_getaffinity(0)))
    for cpus, place in ((first, "one core"), (None, "placed freely")):
        results = session.compare(contenders, "W1", cpus, n=10_000, detail="yes")
        theirs = values(results["reference"], "p50_us")
        for name in PROMISES:
            mine = values(results.get(name), "p50_us")
            if mine:
                session.judge(f"64 bytes, {place}, {WORDS[name]}", ratios(mine, theirs),
                              most=PROMISES[name] if cpus else None, key=f"roundtrip {name} {place}",
                              beside=f"; p50 {spread(mine, 'us', 1)}, bare socket {spread(theirs, 'us', 1)}")
