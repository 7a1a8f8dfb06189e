# SPDX-License-Identifier: Apache-2.0
"""Who is measured: this project's ways to make a call, and what they are compared with."""
import os
import shutil
import sys

from .places import BENCHMARKS
from .session import Contender


def ours(session, name="ipcframe", **settings):
    return Contender(name, [session.programs["ipc-bench"]], **settings)


def reference(session):
    """Blocking system calls over a socket pair, in C."""
    return Contender("reference", [session.programs["bench-reference"]])


def shared_memory(session):
    """One region that both have mapped, in C."""
    return Contender("reference-shm", [session.programs["bench-reference"]], transport="shm")


def python(session, name="python", **settings):
    return Contender(name, [sys.executable, os.path.join(BENCHMARKS, "Contenders", "pipe.py")], **settings)


def node(session, name="node", **settings):
    """None where there is no node."""
    program = shutil.which("node")
    if program is None:
        session.skip("node is not installed")
        return None
    return Contender(name, [program, os.path.join(BENCHMARKS, "Contenders", "fork.cjs")], **settings)
