# SPDX-License-Identifier: Apache-2.0
"""12 MB of station lines there and back, compressed, against Python and Node with zlib by hand."""
from .contenders import node, ours, python
from .session import ratios, spread, values

NEEDS = ("ipc-bench",)
LEAST_FASTER = 5


def measure(session):
    others = [python(session, "python"), node(session, "node"), python(session, "python, level 1", level=1),
              node(session, "node, level 1", level=1)]
    others = [contender for contender in others if contender]
    results = session.compare([ours(session, codec="zlib", digest="crc32"), *others], "W2", rounds=3,
                              data=session.stations)
    mine = values(results["ipcframe"], "median_ms")
    session.tell(f"12 MB there and back with zlib: {spread(mine, 'ms', 0)}")
    for contender in others:
        theirs = values(results.get(contender.name), "median_ms")
        # What zlib.compress(message) does by itself is judged; level 1 is told, too.
        session.judge(f"12 MB with zlib, faster than {contender.name}", ratios(theirs, mine),
                      least=None if "level" in contender.settings else LEAST_FASTER, key=f"zlib {contender.name}",
                      beside=f"; {contender.name} {spread(theirs, 'ms', 0)}")
