#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one would write in Python: a child by multiprocessing, a Pipe, and zlib by hand.

    pipe.py W2 [rounds=5] [warm=1] [level=-1] data=FILE     compressed there and back
    pipe.py W5 [spawns=50]                                  from the start of a new interpreter to the first echo
"""
import json
import multiprocessing
import statistics
import sys
import time
import zlib


def echo(pipe, level):
    """The child."""
    try:
        while True:
            message = pipe.recv_bytes()
            pipe.send_bytes(message if level is None else zlib.compress(zlib.decompress(message), level))
    except EOFError:
        pass


def peak_mib(process):
    with open(f"/proc/{process}/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def start(level=None):
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    child = context.Process(target=echo, args=(other, level))
    child.start()
    other.close()
    return child, pipe


def stop(child, pipe):
    peak = peak_mib(child.pid)
    pipe.close()
    child.join()
    return peak


def echoes(settings):
    level = int(settings.get("level", -1))
    with open(settings["data"], "rb") as file:
        message = file.read() * int(settings.get("repeat", 1))
    child, pipe = start(level)
    times = []
    for number in range(-int(settings.get("warm", 1)), int(settings.get("rounds", 5))):
        began = time.perf_counter()
        pipe.send_bytes(zlib.compress(message, level))
        answer = zlib.decompress(pipe.recv_bytes())
        took = (time.perf_counter() - began) * 1000
        assert answer == message, "the echo differs"
        if number >= 0:
            times.append(took)
    median = statistics.median(times)
    return {"median_ms": median, "min_ms": min(times), "mb_per_s": 2 * len(message) / median / 1000}, stop(child, pipe)


def spawns(settings):
    message = bytes(64)
    times, peak = [], 0
    for _ in range(int(settings.get("spawns", 50))):
        began = time.perf_counter()
        child, pipe = start()
        pipe.send_bytes(message)
        answer = pipe.recv_bytes()
        times.append((time.perf_counter() - began) * 1000)
        assert answer == message, "the echo differs"
        peak = stop(child, pipe)
    times.sort()
    return {"median_ms": statistics.median(times), "p90_ms": times[round(0.9 * (len(times) - 1))]}, peak


def main():
    workload, settings = sys.argv[1], dict(part.split("=", 1) for part in sys.argv[2:] if "=" in part)
    measure = {"W2": echoes, "W5": spawns}.get(workload)
    if measure is None:
        print(json.dumps({"ok": False, "skip": True, "error": f"there is no workload '{workload}' here"}))
        return
    metrics, peak = measure(settings)
    print(json.dumps({"ok": True, "workload": workload, "metrics": metrics, "rss_parent_mib": peak_mib("self"),
                      "rss_child_mib": peak}))


if __name__ == "__main__":
    main()
