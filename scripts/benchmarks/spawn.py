# SPDX-License-Identifier: Apache-2.0
"""From the spawn to READY and the first 64 bytes there and back."""
import os

from .contenders import node, ours, python, reference
from .session import ratios, spread, values

NEEDS = ("ipc-bench", "bench-reference")
# Times of the bare C child; of a Python or Node child; with 4 GiB in the parent against none.
MOST, LEAST_FASTER, MOST_WITH_BALLAST = 5, 20, 1.2
BALLAST_MIB = 4_096


def measure(session):
    contenders = [reference(session), ours(session), python(session, spawns=5), node(session, spawns=5)]
    if available_mib() > 1.5 * BALLAST_MIB:
        contenders.append(ours(session, "ballast", ballast=BALLAST_MIB))
    else:
        session.skip(f"no {BALLAST_MIB} MiB of memory to spare")
    results = session.compare(filter(None, contenders), "W5")
    mine, theirs = (values(results[name], "median_ms") for name in ("ipcframe", "reference"))
    session.judge("spawn to first echo, of the C child's", ratios(mine, theirs), most=MOST, key="spawn reference",
                  beside=f"; {spread(mine, 'ms', 2)}, C child {spread(theirs, 'ms', 2)}")
    for name in ("python", "node"):
        others = values(results.get(name), "median_ms")
        session.judge(f"spawn to first echo, faster than a child of {name.title()}", ratios(others, mine), digits=1,
                      least=LEAST_FASTER, key=f"spawn {name}",
                      beside=f"; {name.title()} {spread(others, 'ms', 0)}" if others else "")
    full = values(results.get("ballast"), "median_ms")
    session.judge(f"the same with {BALLAST_MIB >> 10} GiB in the parent, of that with none", ratios(full, mine),
                  most=MOST_WITH_BALLAST, key="spawn ballast", beside=f"; {spread(full, 'ms', 2)}" if full else "")


def available_mib():
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("MemAvailable:"))
