# SPDX-License-Identifier: Apache-2.0
"""One run of scripts/bench: runs contenders in turns, compares them round by round, keeps and tells the results."""
import json
import os
import platform
import statistics
import subprocess
import sys
import time

LONGEST_RUN = 300


class Contender:
    """A command that takes `WORKLOAD KEY=VALUE ...` and prints a line of JSON."""

    def __init__(self, name, command, **settings):
        self.name, self.command, self.settings = name, command, settings


class Session:
    def __init__(self, rounds, programs, stations):
        self.rounds, self.programs, self.stations = rounds, programs, stations
        self.row = None
        self.runs, self.judgements, self.skipped = [], [], []

    # MARK: Measuring

    def compare(self, contenders, workload, cpus=None, turns=None, **settings):
        """Turns of one run each (A B A B ...): {name: [result of each round]}, without those that were skipped.

        `settings`, `rounds` of W2 among them, go to the contenders; without `turns` there are as many as asked for."""
        results = {}
        left = list(contenders)
        for number in range(turns or self.rounds):
            for contender in list(left):
                result = self.run(contender, workload, cpus, number, settings)
                if result is None:
                    left.remove(contender)
                else:
                    results.setdefault(contender.name, []).append(result)
        return results

    def run(self, contender, workload, cpus=None, number=0, settings=None):
        """One run; None when the contender has not this workload or setting."""
        merged = {**(settings or {}), **contender.settings}
        command = [*contender.command, workload, *(f"{key}={value}" for key, value in merged.items())]
        if cpus:
            command = ["taskset", "-c", cpus, *command]
        load = os.getloadavg()[0]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=LONGEST_RUN)
            result = json.loads(done.stdout.splitlines()[-1])
        except (subprocess.TimeoutExpired, OSError, IndexError, ValueError) as error:
            sys.exit(f"bench: {contender.name}: {workload}: {error}")
        if result.get("skip"):
            self.skip(f"{contender.name}: {result['error']}")
            return None
        if not result.get("ok"):
            sys.exit(f"bench: {contender.name}: {workload}: {result.get('error')}")
        kept = {key: value for key, value in merged.items() if key != "data"}
        self.runs.append({"row": self.row, "contender": contender.name, "workload": workload, "settings": kept,
                          "cpus": cpus, "round": number, "load_before": load, "metrics": result["metrics"],
                          "rss_parent_mib": result.get("rss_parent_mib"), "rss_child_mib": result.get("rss_child_mib")})
        return self.runs[-1]

    # MARK: Telling

    def skip(self, why):
        skipped = {"row": self.row, "why": why}
        if skipped not in self.skipped:
            self.skipped.append(skipped)
            self.tell(f"skipped: {why}")

    def tell(self, text):
        print(f"{self.row:9} {text}", flush=True)

    def judge(self, what, values, unit="x", digits=2, most=None, least=None, beside="", key=None):
        """The median of `values` against a promise; one without a promise is only told. None when there are none.

        `what` and `beside` are said before and behind it; `key` is what it is found by in the results."""
        if not values:
            return None
        middle = statistics.median(values)
        kept, promise = None, ""
        if most is not None or least is not None:
            kept = (most is None or middle <= most) and (least is None or middle >= least)
            bound = f"at most {most:g}" if most is not None else f"at least {least:g}"
            promise = f"; promised: {bound} {unit}" + ("" if kept else " - MISSED")
        self.judgements.append({"row": self.row, "key": key, "what": what, "median": middle, "low": min(values),
                                "high": max(values), "unit": unit, "rounds": len(values), "most": most, "least": least,
                                "kept": kept, "beside": beside.removeprefix("; ")})
        self.tell(f"{what}: {spread(values, unit, digits)}{beside}{promise}")
        return kept

    def results(self):
        return {"environment": environment(), "rounds": self.rounds, "runs": self.runs, "judgements": self.judgements,
                "skipped": self.skipped}


def values(results, metric):
    """A metric of each round."""
    return [result["metrics"][metric] for result in results or []]


def ratios(over, under):
    """Round by round."""
    return [above / below for above, below in zip(over, under)]


def spread(numbers, unit, digits):
    return (f"{statistics.median(numbers):,.{digits}f} {unit} "
            f"({min(numbers):,.{digits}f} to {max(numbers):,.{digits}f})")


def timed(command, **options):
    """Milliseconds."""
    start = time.monotonic()
    subprocess.run(command, check=True, **options)
    return (time.monotonic() - start) * 1000


def environment():
    with open("/proc/cpuinfo") as lines:
        models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        processor = next(models, platform.machine())
    return {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processor": processor,
            "cores": os.cpu_count(), "kernel": platform.release(),
            "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20}
