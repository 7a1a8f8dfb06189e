#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills imports at random moments and looks at what they leave: import_killer.py IPC_PARENT SEED ROUNDS

In the current directory: the table of a database goes back and forth between two deliveries, and while it does, the
child, the parent or both are killed, and a reader looks at the table all the time. After each round the table must be
wholly the one or wholly the other, the database sound, nobody left alive, and exit 0 only if the table is the new one.
Prints one line; what goes wrong ends the program.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

ROWS = 5_000


def write(name, rows):
    with open(name, "w") as file:
        file.write("id,name\n")
        file.writelines(f"{key},{text}\n" for key, text in sorted(rows.items()))


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Reader(threading.Thread):
    """Reads the whole table again and again; keeps what it finds wrong, and its longest wait."""

    def __init__(self, states):
        super().__init__(daemon=True)
        self.states, self.wrong, self.reads, self.stopped = states, [], 0, False

    def run(self):
        # No patience at all: a reader that would have to wait fails.
        connection = sqlite3.connect("file:db?mode=ro", uri=True, timeout=0)
        while not self.stopped:
            try:
                rows = dict(connection.execute("SELECT id, name FROM stations"))
                if rows not in self.states:
                    self.wrong.append(f"{len(rows)} rows that are neither the old nor the new ones")
                self.reads += 1
            except sqlite3.Error as error:
                self.wrong.append(f"{error}")
            time.sleep(0.002)
        connection.close()


def state(states):
    connection = sqlite3.connect("db", timeout=10)
    sound = connection.execute("PRAGMA integrity_check").fetchone()
    if sound != ("ok",):
        sys.exit(f"the database is damaged: {sound}")
    rows = dict(connection.execute("SELECT id, name FROM stations"))
    connection.close()
    if rows not in states:
        sys.exit(f"the table is half done: {len(rows)} rows")
    return states.index(rows)


def main():
    program, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    first = {f"{key:06}": f"station {key}" for key in range(ROWS)}
    second = {key: (text + " North" if int(key) % 7 == 0 else text) for key, text in first.items() if int(key) % 11}
    second |= {f"n{key:05}": f"new {key}" for key in range(300)}
    states = [first, second]
    write("0.csv", first)
    write("1.csv", second)

    def command(number):
        return [program, "run", "import", "--arg", "database=db", "--input", f"{number}.csv", "--output", "changes",
                "--quiet"]

    subprocess.run(command(0), check=True)
    started = time.monotonic()
    subprocess.run(command(1), check=True)
    usual = time.monotonic() - started
    reader = Reader(states)
    reader.start()
    now, told = 1, {0: 0}
    for number in range(rounds):
        victims = chance.choice(["child", "parent", "both"])
        target = 1 - now
        before = set(os.listdir("."))
        process = subprocess.Popen(command(target), stderr=subprocess.DEVNULL)
        # From the spawn to a little after the usual end.
        time.sleep(chance.uniform(0, usual * 1.1))
        workers = children(process.pid)
        if victims != "parent":
            for worker in workers:
                kill(worker)
        if victims != "child":
            kill(process.pid)
        code = process.wait()
        until = time.monotonic() + 10
        while any(map(lives, workers)):
            if time.monotonic() > until:
                sys.exit(f"round {number} ({victims}): the worker outlived its parent by 10 s")
            time.sleep(0.01)
        after = state(states)
        told[code] = told.get(code, 0) + 1
        if code == 0 and after != target:
            sys.exit(f"round {number} ({victims}): exit 0, and the table is the old one")
        if victims == "child":
            # The parent is there to tidy up.
            left = set(os.listdir(".")) - before - {"changes", "db-wal", "db-shm"}
            if left:
                sys.exit(f"round {number} ({victims}): files are left: {left}")
        now = after
    reader.stopped = True
    reader.join()
    if reader.wrong:
        sys.exit(f"the reader of the table found: {reader.wrong[0]}, and {len(reader.wrong) - 1} more")
    if reader.reads < rounds:
        sys.exit(f"the reader came to read only {reader.reads} times")
    # Whatever was left by the dead, the next import works.
    subprocess.run(command(1 - now), check=True)
    if state(states) != 1 - now:
        sys.exit("the last import did not take")
    left = set(os.listdir(".")) - {"0.csv", "1.csv", "db", "changes"}
    if left:
        sys.exit(f"files are left: {left}")
    print(f"sound after {rounds} rounds")


if __name__ == "__main__":
    main()
