# SPDX-License-Identifier: Apache-2.0
"""1 GiB one way in messages of 1 MiB, and the memory that it takes."""
from .contenders import BULK, bulk
from .session import ratios, spread, values

NEEDS = ("ipc-bench", "bench-reference")
MOST_MEMORY = 32


def measure(session):
    results = session.compare(bulk(session), "W3")
    for name, _, other, least in BULK:
        mine, theirs = (values(results.get(who), "gb_per_s") for who in (name, other))
        if not mine:
            continue
        session.judge(f"1 GiB one way, {name}, throughput of the {other}'s", ratios(mine, theirs), least=least,
                      key=f"stream {name}", beside=f"; {spread(mine, 'GB/s', 2)}, {other} {spread(theirs, 'GB/s', 2)}")
        session.judge(f"1 GiB one way, {name}, peak memory of the larger side",
                      [max(run["rss_parent_mib"], run["rss_child_mib"]) for run in results[name]], "MiB", 1,
                      most=MOST_MEMORY, key=f"stream memory {name}")
