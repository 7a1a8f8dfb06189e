# SPDX-License-Identifier: Apache-2.0
"""Who is measured: this project's ways to make a call, and what they are compared with."""
import os
import shutil
import sys

from .places import BENCHMARKS
from .session import Contender

# How much is moved, of each way: its name and settings, what it is compared with, and the part of its throughput that was
# promised.
BULK = (
    ("digest none", {}, "reference", 0.9),
    ("digest crc32", {"digest": "crc32"}, "reference", 0.8),
    ("digest none, everything on threads", {"executor": "default", "handlers": "thread"}, "reference", None),
    ("blocking", {"mode": "blocking"}, "reference", 0.9),
    ("blocking, digest crc32", {"mode": "blocking", "digest": "crc32"}, "reference", 0.8),
    ("arena", {"delivery": "arena"}, "reference-shm", 0.9),
    ("arena, blocking", {"delivery": "arena", "mode": "blocking"}, "reference-shm", 0.9),
)


def ours(session, name="ipcframe", **settings):
    return Contender(name, [session.programs["ipc-bench"]], **settings)


def reference(session):
    """Blocking system calls over a socket pair, in C."""
    return Contender("reference", [session.programs["bench-reference"]])


def shared_memory(session):
    """One region that both have mapped, in C."""
    return Contender("reference-shm", [session.programs["bench-reference"]], transport="shm")


def bulk(session):
    """All ways of ``BULK``, and what they are compared with."""
    return [reference(session), shared_memory(session)] + [ours(session, name, **settings) for name, settings, *_ in BULK]


def python(session, name="python", **settings):
    return Contender(name, [sys.executable, os.path.join(BENCHMARKS, "Contenders", "pipe.py")], **settings)


def node(session, name="node", **settings):
    """None where there is no node."""
    program = shutil.which("node")
    if program is None:
        session.skip("node is not installed")
        return None
    return Contender(name, [program, os.path.join(BENCHMARKS, "Contenders", "fork.cjs")], **settings)
