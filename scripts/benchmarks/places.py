# SPDX-License-Identifier: Apache-2.0
"""Where the programs are that are measured, and how they are built."""
import csv
import gzip
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCHMARKS, EXAMPLES, SAMPLES = (os.path.join(ROOT, name) for name in ("Benchmarks", "Examples", "Samples"))
# The sources of the programs in C, and the libraries that they are linked with.
C_PROGRAMS = {"bench-reference": ("Reference", ()), "bench-codecs": ("Codecs", ("-lz",))}
# A program's package, and how it is built: workers as those that are shipped.
PROGRAMS = {
    "ipc-parent": (ROOT, "release"), "ipc-child": (ROOT, "release"),
    "ipc-bench": (BENCHMARKS, "release"), "bench-reference": (BENCHMARKS, "cc"), "bench-codecs": (BENCHMARKS, "cc"),
    "heavy-service": (EXAMPLES, "swift"), "heavy-worker": (EXAMPLES, "swift"), "latency-bench": (EXAMPLES, "swift"),
}


class Programs:
    """Paths of built programs; `directory` has them all, or else each is in its package's build directory."""

    def __init__(self, directory=None):
        self.directory = directory
        self.directories = {}

    def __getitem__(self, name):
        return os.path.join(self.directory or self._directory(PROGRAMS[name][0]), name)

    def _directory(self, package):
        if package not in self.directories:
            self.directories[package] = subprocess.check_output(
                ["swift", "build", "--package-path", package, "-c", "release", "--show-bin-path"], text=True).strip()
        return self.directories[package]

    def build(self, names):
        for name in names:
            package, how = PROGRAMS[name]
            if how == "cc":
                directory, libraries = C_PROGRAMS[name]
                sources = os.path.join(package, directory)
                files = [os.path.join(sources, file) for file in sorted(os.listdir(sources)) if file.endswith(".c")]
                command = ["cc", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-o", self[name], *files, *libraries]
            elif how == "release":
                command = [os.path.join(ROOT, "scripts", "build-release"), "--package-path", package, name]
            else:
                command = ["swift", "build", "--package-path", package, "-c", "release", "--product", name]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                sys.exit(done.stdout.decode())


def write_station_lines(path, most=12_500_000):
    """The sample's stations as lines of JSON, as many as `most` bytes hold."""
    keys = ("id", "name", "slug", "country", "latitude", "longitude")
    with gzip.open(os.path.join(SAMPLES, "stations.csv.gz"), "rt", encoding="utf-8", newline="") as rows, \
            open(path, "wb") as lines:
        size = 0
        for row in csv.DictReader(rows):
            line = json.dumps({key: row[key] for key in keys}, ensure_ascii=False, separators=(",", ":")) + "\n"
            size += len(line.encode())
            if size > most:
                break
            lines.write(line.encode())


def write_station_table(path):
    with gzip.open(os.path.join(SAMPLES, "stations.csv.gz"), "rb") as packed, open(path, "wb") as table:
        shutil.copyfileobj(packed, table)
