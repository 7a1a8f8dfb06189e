# SPDX-License-Identifier: Apache-2.0
"""The project's programs among those of a directory of peers: DIRECTORY/run.py, with ours named to it by --extra."""
import json
import os
import statistics
import subprocess
import sys
import tempfile

from .session import spread

NEEDS = ("ipc-bench", "bench-reference")
# The metric that is compared, whether lower is better, and which of ours is put against the peers.
WORKLOADS = {
    "W1": ("p50_us", True), "W2": ("median_ms", True), "W2_75": ("median_ms", True), "W2_275": ("median_ms", True),
    "W3": ("gb_per_s", False), "W4": ("median_ms", True), "W5": ("median_ms", True),
}
BULK = ["W2", "W2_75", "W2_275", "W3"]
VARIANTS = [
    ("ipcframe", [], list(WORKLOADS), "inline, digest none, called from the connection's executor"),
    ("ipcframe_default", ["executor=default"], ["W1"], "called from the default executor"),
    ("ipcframe_blocking", ["mode=blocking"], ["W1", *BULK], "both ends block"),
    ("ipcframe_crc32", ["digest=crc32"], BULK, "inline, digest crc32"),
    ("ipcframe_arena", ["delivery=arena"], BULK, "shared memory"),
    ("ipcframe_arena_blocking", ["delivery=arena", "mode=blocking"], BULK, "shared memory, both ends block"),
    ("ipcframe_zlib", ["codec=zlib", "digest=crc32"], ["W2"], "inline, zlib"),
]


def measure(session, directory, options):
    with tempfile.TemporaryDirectory() as place:
        extra, output = (os.path.join(place, name) for name in ("contenders.json", "results.json"))
        with open(extra, "w") as file:
            json.dump(our_contenders(session), file, indent=1)
        workloads = [name for name in WORKLOADS if not options.workloads or name in options.workloads.split(",")]
        command = [sys.executable, os.path.join(directory, "run.py"), "--extra", extra, "--json", output, "--markdown",
                   os.path.join(place, "results.md"), "--reps", str(session.rounds), "--workloads", ",".join(workloads)]
        if options.contenders:
            ours = [name for name, *_ in VARIANTS] + ["bench_reference", "bench_reference_shm"]
            command += ["--contenders", options.contenders + "," + ",".join(ours)]
        if options.cpus:
            command += ["--cpus", options.cpus]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(output) as file:
            results = json.load(file)
    session.runs.append({"row": session.row, "cpus": options.cpus, "results": results})
    for name in workloads:
        compare(session, name, [run for run in results["runs"] if run["workload"] == name])


def our_contenders(session):
    listed = [{"name": name, "about": about, "cmd": [session.programs["ipc-bench"], "{workload}", *settings],
               "workloads": workloads} for name, settings, workloads, about in VARIANTS]
    program = session.programs["bench-reference"]
    return listed + [
        {"name": "bench_reference", "about": "our bare socket", "cmd": [program, "{workload}"],
         "workloads": ["W1", "W2", "W2_75", "W2_275", "W3", "W5"]},
        {"name": "bench_reference_shm", "about": "our shared region", "cmd": [program, "{workload}", "transport=shm"],
         "workloads": BULK},
    ]


def compare(session, workload, runs):
    """A table: every contender's median, and how many times faster than it each of ours is."""
    metric, is_time = WORKLOADS[workload]
    figures = {}
    for run in runs:
        if run.get("ok"):
            figures.setdefault(run["contender"], {})[run["round"]] = run["metrics"][metric]
    ours = [name for name, *_ in VARIANTS if name in figures]
    print(f"\n### {workload}: times faster than the peer; below 1 it is the faster one\n")
    print(f"| peer | {metric} | " + " | ".join(ours) + " |\n| --- | ---: |" + " ---: |" * len(ours))
    for peer in sorted(figures, key=lambda name: statistics.median(figures[name].values()), reverse=not is_time):
        cells = [f"{statistics.median(faster):.2f}" if (faster := times_faster(figures[name], figures[peer], is_time))
                 else "-" for name in ours]
        print(f"| {peer} | {spread(figures[peer].values(), '', 2)} | " + " | ".join(cells) + " |")
    print(flush=True)
    for run in runs:
        if not run.get("ok"):
            session.skip(f"{workload}: {run['contender']}: {run.get('error')}")
    behind = [peer for peer in figures if ours and not peer.startswith(("ipcframe", "bench_reference"))
              and all(statistics.median(times_faster(figures[name], figures[peer], is_time) or [0]) < 1
                      for name in ours)]
    if ours:
        session.tell(f"{workload}: " + (f"behind {', '.join(behind)}" if behind else "ahead of every peer"))
        session.judgements.append({"row": session.row, "key": f"peers {workload}", "what": f"{workload} ahead of all",
                                   "behind": behind, "kept": not behind})


def times_faster(mine, theirs, is_time):
    """Round by round, where both have one."""
    rounds = [number for number in mine if number in theirs]
    return [theirs[number] / mine[number] if is_time else mine[number] / theirs[number] for number in rounds]
