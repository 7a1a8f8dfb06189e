# SPDX-License-Identifier: Apache-2.0
"""Instructions of 64 bytes there and back, both ends, counted by valgrind: exact, where times are noise."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

NEEDS = ("ipc-bench",)
# What the start takes is in both, and not in what is between them.
FEW, MANY = 1_000, 3_000


def measure(session):
    if shutil.which("valgrind") is None:
        session.skip("valgrind is not installed")
        return
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, "ipc-bench")
        # valgrind cannot read the debug information of Swift programs, and gives up.
        subprocess.run(["strip", "-g", "-o", program, session.programs["ipc-bench"]], check=True)
        counts = [count(program, number, directory) for number in (FEW, MANY)]
    session.judge("64 bytes there and back, blocking call, both ends", [(counts[1] - counts[0]) / (MANY - FEW)],
                  "instructions", 0, key="instructions blocking")


def count(program, number, directory):
    """Instructions of all processes, the start among them."""
    with tempfile.TemporaryDirectory(dir=directory) as logs:
        command = ["valgrind", "--tool=callgrind", "--trace-children=yes", "--callgrind-out-file=/dev/null",
                   f"--log-file={logs}/%p", program, "W1", f"n={number}", "warm=100", "mode=blocking"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
        texts = []
        for path in glob.glob(f"{logs}/*"):
            with open(path) as log:
                texts.append(log.read())
    found = [int(match) for text in texts for match in re.findall(r"Collected : (\d+)", text)]
    if done.returncode or len(found) != 2:
        sys.exit(f"bench: valgrind: status {done.returncode}\n{''.join(texts)}")
    return sum(found)
