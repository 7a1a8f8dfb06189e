# SPDX-License-Identifier: Apache-2.0
"""1 GiB one way in messages of 1 MiB, and the memory that it takes."""
from .contenders import ours, reference, shared_memory
from .echo import JUDGED
from .session import ratios, spread, values

NEEDS = ("ipc-bench", "bench-reference")
MOST_MEMORY = 32


def measure(session):
    results = session.compare(
        [reference(session), ours(session, "digest none"), ours(session, "digest crc32", digest="crc32"),
         ours(session, "blocking", mode="blocking"),
         ours(session, "blocking, digest crc32", mode="blocking", digest="crc32"), shared_memory(session),
         ours(session, "arena", delivery="arena"),
         ours(session, "arena, blocking", delivery="arena", mode="blocking")],
        "W3")
    for name, other, least in JUDGED:
        mine, theirs = (values(results.get(who), "gb_per_s") for who in (name, other))
        if not mine:
            continue
        session.judge(f"1 GiB one way, {name}, throughput of the {other}'s", ratios(mine, theirs), least=least,
                      key=f"stream {name}", beside=f"; {spread(mine, 'GB/s', 2)}, {other} {spread(theirs, 'GB/s', 2)}")
        session.judge(f"1 GiB one way, {name}, peak memory of the larger side",
                      [max(run["rss_parent_mib"], run["rss_child_mib"]) for run in results[name]], "MiB", 1,
                      most=MOST_MEMORY, key=f"stream memory {name}")
