# SPDX-License-Identifier: Apache-2.0
"""Levels and chunk sizes: what zlib and ISA-L make of five kinds of data, chunk by chunk (Benchmarks/Codecs), what
sending data costs that does not compress, and what a second core brings a body that is compressed."""
import gzip
import os
import random
import statistics
import tempfile

from .contenders import ours
from .places import SAMPLES, write_station_table
from .session import Contender, ratios, spread, values

NEEDS = ("ipc-bench", "bench-codecs")
# Of each kind of data; enough chunks of the largest size, and level 9 is slow.
BYTES = 4 << 20
CHUNKS = (16 << 10, 64 << 10, 256 << 10, 1 << 20)
LEVELS = [("zlib", level) for level in (1, 6, 9)] + [("isal", level) for level in (0, 1, 2, 3)]
TURNS = 3
# Of the processor, for each of deflate and inflate.
LEAST_SECONDS = 0.15


def measure(session):
    with tempfile.TemporaryDirectory() as directory:
        kinds = write_kinds(session, directory)
        table(session, kinds)
        incompressible(session, kinds)
        cores(session, kinds)


# MARK: Data

def write_kinds(session, directory):
    """{name: path}, each of at least BYTES bytes; what is random comes from a seed, so it is the same every time."""
    names = ("stations, CSV", "text log", "random bytes", "gzip data")
    paths = {name: os.path.join(directory, name) for name in names}
    write_station_table(paths["stations, CSV"])
    with open(paths["text log"], "w") as file:
        file.writelines(log_lines(BYTES))
    with open(paths["random bytes"], "wb") as file:
        file.write(random.Random(1).randbytes(BYTES))
    with open(os.path.join(SAMPLES, "stations.csv.gz"), "rb") as packed, open(paths["gzip data"], "wb") as file:
        packed = packed.read()
        file.write(packed * (BYTES // len(packed) + 1))
    return {"stations, JSON lines": session.stations, **paths}


def log_lines(least):
    """A web server's log as it might be: made up, from a seed."""
    source = random.Random(2)
    paths = ["/", "/search", "/stations", "/stations/{}", "/timetable/{}", "/login", "/static/app.js", "/api/v1/trips/{}"]
    agents = ["Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0", "curl/8.9.1", "okhttp/4.12.0",
              "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15"]
    size, moment = 0, 0
    while size < least:
        moment += source.randrange(80)
        path = source.choices(paths, (9, 5, 3, 8, 6, 1, 4, 9))[0].format(source.randrange(100_000))
        line = (f"2026-11-{1 + moment // 86_400_000:02}T{moment // 3_600_000 % 24:02}:{moment // 60_000 % 60:02}:"
                f"{moment // 1_000 % 60:02}.{moment % 1_000:03}Z {source.choices(('INFO', 'WARN', 'ERROR'), (90, 8, 2))[0]} "
                f"web[{source.randrange(900, 908)}]: 10.{source.randrange(4)}.{source.randrange(256)}."
                f"{source.randrange(256)} \"GET {path}\" {source.choices((200, 304, 404, 500), (80, 12, 6, 2))[0]} "
                f"{source.randrange(200, 90_000)} {source.lognormvariate(2, 1):.1f}ms \"{source.choice(agents)}\" "
                f"request={source.getrandbits(64):016x}\n")
        size += len(line)
        yield line


# MARK: Libraries

def table(session, kinds):
    program = [session.programs["bench-codecs"]]
    print("\n| data | library, level | " + " | ".join(f"{chunk >> 10} KiB" for chunk in CHUNKS)
          + " |\n| --- | --- |" + " ---: |" * len(CHUNKS), flush=True)
    for kind, path in kinds.items():
        # Two kinds that do not compress need not be tried at every level.
        levels = LEVELS if "random" not in kind and "gzip" not in kind else [("zlib", 1), ("isal", 1)]
        for codec, level in levels:
            cells = []
            for chunk in CHUNKS:
                contender = Contender(f"{codec} {level}", program, codec=codec, level=level, chunk=chunk, bytes=BYTES,
                                      seconds=LEAST_SECONDS)
                runs = session.compare([contender], "codec-table", turns=TURNS, data=path).get(contender.name)
                if not runs:
                    break
                rates = [statistics.median(values(runs, f"{way}_mb_per_s")) for way in ("deflate", "inflate")]
                ratio = runs[0]["metrics"]["ratio"]
                cells.append(f"{rates[0]:,.0f} / {f'{rates[1]:,.0f}' if rates[1] else '–'} / {ratio:.2f}")
            if len(cells) == len(CHUNKS):
                print(f"| {kind} | {'ISA-L' if codec == 'isal' else 'zlib'} {level} | " + " | ".join(cells) + " |",
                      flush=True)
    print()


# MARK: Whole calls

def incompressible(session, kinds):
    """A body that does not compress: with zlib, where the skip-ahead rule soon tries few chunks, and without."""
    for kind in ("random bytes", "gzip data"):
        results = session.compare([ours(session, codec, codec=codec) for codec in ("none", "zlib")], "W2",
                                  digest="crc32", data=kinds[kind], repeat=8, rounds=5)
        stored, tried = (values(results[codec], "median_ms") for codec in ("none", "zlib"))
        session.judge(f"32 MiB of {kind} there and back, with zlib against without", ratios(tried, stored),
                      key=f"levels {kind}", beside=f"; {spread(tried, 'ms', 0)} against {spread(stored, 'ms', 0)}")


def cores(session, kinds):
    """The same call on one core and on all, for either library."""
    message = kinds["stations, JSON lines"]
    for codec in ("zlib", "isal"):
        program = ["env", f"IPCFRAME_CODEC={codec}", session.programs["ipc-bench"]]
        serial = Contender(f"{codec} on one core", ["taskset", "-c", str(min(os.sched_getaffinity(0))), *program])
        parallel = Contender(f"{codec} on all cores", program)
        results = session.compare([serial, parallel], "W2", codec="zlib", digest="crc32", data=message, rounds=5)
        slow, fast = (values(results[contender.name], "median_ms") for contender in (serial, parallel))
        session.judge(f"12 MB there and back with {codec}, all cores against one, faster by", ratios(slow, fast),
                      key=f"levels cores {codec}", beside=f"; {spread(fast, 'ms', 0)} against {spread(slow, 'ms', 0)}")
