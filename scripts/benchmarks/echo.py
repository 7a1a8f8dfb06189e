# SPDX-License-Identifier: Apache-2.0
"""Station lines as one message there and back, against the same over a bare socket, and over shared memory."""
from .contenders import ours, reference, shared_memory
from .session import ratios, spread, values

NEEDS = ("ipc-bench", "bench-reference")
# Times the reference's throughput.
LEAST, LEAST_WITH_DIGEST, LEAST_ARENA = 0.9, 0.8, 0.9
# Ours, what it is compared with, and what was promised.
JUDGED = (("digest none", "reference", LEAST), ("digest crc32", "reference", LEAST_WITH_DIGEST),
          ("blocking", "reference", LEAST), ("blocking, digest crc32", "reference", LEAST_WITH_DIGEST),
          ("arena", "reference-shm", LEAST_ARENA), ("arena, blocking", "reference-shm", LEAST_ARENA))
# Copies of the file, repetitions within a round, and what a copy makes.
SIZES = ((1, 20, "12 MB"), (6, 3, "75 MB"), (22, 2, "275 MB"))


def measure(session):
    for copies, repetitions, size in SIZES:
        results = session.compare(
            [reference(session), ours(session, "digest none"), ours(session, "digest crc32", digest="crc32"),
             ours(session, "blocking", mode="blocking"),
             ours(session, "blocking, digest crc32", mode="blocking", digest="crc32"), shared_memory(session),
             ours(session, "arena", delivery="arena"),
             ours(session, "arena, blocking", delivery="arena", mode="blocking")],
            "W2", repeat=copies, rounds=repetitions, data=session.stations)
        for name, other, least in JUDGED:
            mine, theirs = (values(results.get(who), "median_ms") for who in (name, other))
            if mine:
                session.judge(f"{size} there and back, {name}, throughput of the {other}'s", ratios(theirs, mine),
                              least=least, key=f"echo {name} {size}",
                              beside=f"; {spread(mine, 'ms', 1)}, {other} {spread(theirs, 'ms', 1)}")
