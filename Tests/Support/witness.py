#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a shell script in the current directory and writes down what it leaves behind.

    witness.py SECONDS

`.setup` is run first, then `.run`; its exit code is ours. `.facts` then has a line for each fact: `file NAME` (in the
directory, and not there after `.setup`), `process PID COMMAND` (a descendant that still lives SECONDS later; it is
killed), `unreaped PID` (of a process in the file `.pids`, whose own parent did not wait for it), `memory BYTES` (the
largest resident set of any process), and, from the file `report`, `report KEY VALUE`.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def tree():
    found = set()
    for directory, _, files in os.walk("."):
        found |= {os.path.relpath(os.path.join(directory, name)) for name in files}
    return found


def descendants():
    """Of this process, zombies left out: orphans come to us, for we are a subreaper."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
            state, parent = rest.split()[:2]
            with open(f"/proc/{entry}/cmdline") as file:
                names[int(entry)] = (state, file.read().replace("\0", " ").strip() or name)
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(entry)] = int(parent)
    found, grows = {os.getpid()}, True
    while grows:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grows = bool(more)
    return {pid: names[pid][1] for pid in found if pid != os.getpid() and names[pid][0] != "Z"}


def reap():
    reaped = []
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return reaped
        if pid == 0:
            return reaped
        reaped.append(pid)


def report_facts():
    try:
        with open("report") as file:
            report = json.load(file)
    except FileNotFoundError:
        return
    except ValueError as error:
        yield f"report broken {error}"
        return
    reason = report.pop("reason")
    for key, value in list(report.items()) + [("reason." + key, value) for key, value in reason.items()]:
        yield f"report {key} {value}".replace("\n", "\\n")


def main():
    patience = float(sys.argv[1])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Python ignores SIGPIPE; a shell's children start without that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    subprocess.run(["bash", "-eu", ".setup"], check=True, stdin=subprocess.DEVNULL)
    before = tree()
    code = subprocess.run(["bash", ".run"], stdin=subprocess.DEVNULL).returncode
    reaped, until = reap(), time.monotonic() + patience
    while (living := descendants()) and time.monotonic() < until:
        time.sleep(0.02)
        reaped += reap()
    reaped += reap()
    facts = [f"file {name}" for name in sorted(tree() - before - {".facts", ".pids", "report"})]
    for pid, name in living.items():
        facts.append(f"process {pid} {name}")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    workers = open(".pids").read().split() if os.path.exists(".pids") else []
    facts += [f"unreaped {pid}" for pid in reaped if str(pid) in workers]
    facts.append(f"memory {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}")
    facts += report_facts()
    with open(".facts", "w") as file:
        file.write("".join(fact + "\n" for fact in facts))
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
