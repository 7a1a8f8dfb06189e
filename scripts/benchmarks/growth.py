# SPDX-License-Identifier: Apache-2.0
"""Messages of 64 bytes to 1 GiB, a call each, and 1 to 1,000 children: what grows, and what must not."""
import statistics

from .contenders import ours, reference
from .session import values

NEEDS = ("ipc-bench", "bench-reference")
SIZES = [64 << shift for shift in range(0, 25, 2)]
CHILDREN = (1, 10, 100, 1_000)
# Per size, at most: bytes in all, unless one message has more, and calls.
MOST_BYTES, MOST_CALLS = 256 << 20, 4_000
# Of memory that a message of 1 GiB may need beyond one of 1 MiB, MiB a side.
MOST_GROWTH = 16
IDLE_SECONDS = 5


def measure(session):
    print("\n| message | calls | ipcframe MB/s | reference MB/s | ipcframe CPU s/GiB | reference CPU s/GiB "
          "| ipcframe peak MiB |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    peaks = {}
    for size in SIZES:
        calls = max(1, min(MOST_CALLS, MOST_BYTES // size))
        results = session.compare([ours(session), reference(session)], "calls", msg=size, n=calls)
        mine, theirs = results["ipcframe"], results["reference"]
        peaks[size] = [max(run["rss_parent_mib"], run["rss_child_mib"]) for run in mine]
        figures = [statistics.median(values(who, metric)) for metric in ("mb_per_s", "cpu_s_per_gib")
                   for who in (mine, theirs)]
        print(f"| {in_words(size)} | {calls:,} | " + " | ".join(map(short, figures))
              + f" | {statistics.median(peaks[size]):.1f} |", flush=True)
    print()
    session.judge("peak memory of the larger side, 1 GiB above 1 MiB",
                  [large - small for large, small in zip(peaks[1 << 30], peaks[1 << 20])], "MiB", 1, most=MOST_GROWTH,
                  key="growth memory")
    print("\n| children | ready after s | PSS KiB each | idle CPU ms/s | stopped after s |\n"
          "| ---: | ---: | ---: | ---: | ---: |")
    for count in CHILDREN:
        results = session.compare([ours(session)], "pool-many", workers=count, idle=IDLE_SECONDS,
                                  turns=min(session.rounds, 2))["ipcframe"]
        start, memory, idle, stop = (statistics.median(values(results, metric)) for metric in
                                     ("start_s", "parent_pss_kib_a_worker", "idle_parent_cpu_ms", "stop_s"))
        # A few workers share more of the program's pages with the parent than they cost.
        memory = f"{memory:.0f}" if count >= 100 else "-"
        print(f"| {count:,} | {start:.2f} | {memory} | {idle / IDLE_SECONDS:.1f} | {stop:.2f} |", flush=True)
    print()


def short(figure):
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def in_words(size):
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >> shift:
            return f"{size >> shift} {unit}"
    return f"{size} B"
