# SPDX-License-Identifier: Apache-2.0
"""Light requests to a web server while it has heavy work: none, in-process, through a pool of one worker."""
import json
import subprocess

NEEDS = ("heavy-service", "heavy-worker", "latency-bench")
# Times the p99 of a server without heavy work, or milliseconds above it.
MOST = (1.5, 3.0)
SCENARIOS = ("idle", "heavy in-process", "heavy through the pool")


def measure(session):
    done = subprocess.run([session.programs["latency-bench"], "--rounds", str(session.rounds), "--json"],
                          stdout=subprocess.PIPE, check=True)
    results = json.loads(done.stdout)
    session.runs.append({"row": session.row, "contender": "latency-bench", "results": results})
    columns = [f"{name} {part}" for name in ("light", "loop", "handlers") for part in ("median", "p95", "p99")]
    session.tell("milliseconds; 300 light requests/s, each timed from when it was due\n")
    print("| | " + " | ".join(columns) + " | heavy calls/s |")
    print("| --- |" + " ---: |" * (len(columns) + 1))
    for scenario in SCENARIOS:
        result = results[scenario]
        parts = (result["light"], result["delays"]["loop"], result["delays"]["handlers"])
        figures = [f"{part[name]:.2f}" for part in parts for name in ("median", "p95", "p99")]
        print(f"| {scenario} | " + " | ".join(figures) + f" | {result['heavyPerSecond']:.1f} |")
    print()
    idle, blocked, pooled = (results[scenario]["light"]["p99"] for scenario in SCENARIOS)
    session.judge("light p99 through the pool", [pooled], "ms", 2, most=round(max(idle * MOST[0], idle + MOST[1]), 2),
                  key="latency", beside=f"; idle {idle:.2f} ms, in-process {blocked:.2f} ms")
