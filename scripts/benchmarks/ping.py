# SPDX-License-Identifier: Apache-2.0
"""Round trips on a connection while a large body moves over it, without compression and with zlib."""
import os
import tempfile

from .contenders import ours
from .places import write_station_table
from .session import spread, values

NEEDS = ("ipc-bench",)
MOST_MICROSECONDS = 5_000
# GiB, by the codec: enough for a hundred pings and more.
GIB = {"none": 4, "zlib": 1}


def measure(session):
    with tempfile.TemporaryDirectory() as directory:
        table = os.path.join(directory, "stations.csv")
        write_station_table(table)
        results = session.compare([ours(session, codec, codec=codec, total=gib << 30) for codec, gib in GIB.items()],
                                  "ping-under-load", digest="crc32", data=table)
    for codec, runs in results.items():
        session.judge(f"p99 while {GIB[codec]} GiB move, codec {codec}", values(runs, "p99_us"), "us", 0, most=MOST_MICROSECONDS,
                      key=f"ping {codec}", beside=f"; p50 {spread(values(runs, 'p50_us'), 'us', 0)}, the body "
                                                  f"{spread(values(runs, 'gb_per_s'), 'GB/s', 2)}")
