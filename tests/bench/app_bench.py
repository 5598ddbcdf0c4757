#!/usr/bin/env python3
"""What a program feels: CPU time a request of the demo's work, and of an echo server on Boost.Asio.

    tests/bench/app_bench.py                   some minutes
    tests/bench/app_bench.py --only echo       one of the two

Each way runs in a process of its own, by turns, in each round; ratios are taken within a round. Counted is the whole process with
every thread in it, after a fifth of the work was done: what its start takes is not in it. Nor are the echo server's clients, the
daemon that takes LTTng's events out of shared memory, and bpftrace.
  stripped     compiled without telemetry
  off          with hooks; nothing listens, metrics off
  metrics      with metrics, which nobody scrapes
  PAL file     metrics off; the process writes its own log, uncompressed
  LTTng        metrics off; all of it is recorded by `paltrace record`
  bpftrace     metrics off; bpftrace counts every transition (as root)
Each must have answered as many requests as it was asked, and whoever listens must have seen as many transitions as were fired.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import measure

INSIDE = "TIFFANY_APP_BENCH_RECORDED"  # in the environment: paltrace records us
FLATTERED = {
    "demo": "the clients are in the process; a task computes 1.4 ms in each 20, whoever listens",
    "echo": "1,000 connections at once, so that one epoll_wait returns many; one kind of request",
}
MORE = {
    "metrics": "; nobody scrapes",
    "LTTng": "; the daemon's time is not in it",
    "bpftrace": "; it only counts",
    "PAL file": "; no disk is waited for",
}


class App:
    """One program, each way."""

    def __init__(self, name, load, folder):
        self.name = name
        self._load = [str(part) for part in load]
        self._log = folder / f"{name}.pal"
        self._hooked = measure.need("app_case")
        self._stripped = measure.need("app_case_stripped")
        self.lost = self.fired = 0  # transitions, of the logs

    def _told(self, done):
        requests, cpu_ns, transitions = map(float, done.out.split())
        if self.name == "echo":  # so many were asked for
            wanted = int(self._load[1]) * int(self._load[2])
            assert requests == wanted, f"{wanted} requests, answered were {requests}"
        assert requests > 0
        return cpu_ns / requests, int(transitions)

    def stripped(self):
        return self._told(measure.run([self._stripped, *self._load]))[0]

    def off(self):
        return self._told(measure.run([self._hooked, *self._load], {"TIFFANY_LTTNG": "0"}))[0]

    def metrics(self):
        return self._told(measure.run([self._hooked, "--metrics", *self._load], {"TIFFANY_LTTNG": "0"}))[0]

    def pal_file(self):
        done = measure.run([self._hooked, *self._load], {"TIFFANY_LTTNG": "0", "TIFFANY_PAL": str(self._log)})
        ns, transitions = self._told(done)
        with open(self._log, "rb") as log:
            log.seek(-4096, os.SEEK_END)
            end = json.loads(log.read().splitlines()[-1])
        self._log.unlink()
        assert end["event"] == "End" and end["records"] + end["lost"] >= transitions, end
        self.lost += end["lost"]
        self.fired += transitions
        return ns

    def lttng(self):
        return self._told(measure.run([self._hooked, *self._load]))[0]

    def bpftrace(self):
        with measure.Counting(self._hooked, ["tiffany:task__*"]) as counting:
            done = measure.run([self._hooked, *self._load], {"TIFFANY_LTTNG": "0"})
            counted = counting.stop()
        ns, transitions = self._told(done)
        assert counted == transitions, f"{transitions} transitions, bpftrace counted {counted}"
        return ns


def ways_of(app):
    ways = {"stripped": app.stripped, "off": app.off, "metrics": app.metrics, "PAL file": app.pal_file}
    if INSIDE in os.environ:
        ways["LTTng"] = app.lttng
    if measure.can_attach():
        ways["bpftrace"] = app.bpftrace
    else:
        print("app_bench: left out: bpftrace, which needs root and tracefs", file=sys.stderr)
    return ways


def compare(arguments):
    rows = measure.Rows()
    loads = {"demo": ["demo", "1"], "echo": ["echo", "1000", "100"]}
    if arguments.quick:
        loads = {"demo": ["demo", "0.1"], "echo": ["echo", "20", "50"]}
    with tempfile.TemporaryDirectory() as folder:
        for name in loads:
            if arguments.only in (None, name):
                measure_app(App(name, loads[name], pathlib.Path(folder)), arguments, rows)
        if arguments.only != "echo":
            measure_start(arguments, pathlib.Path(folder), rows)
    if arguments.only != "demo" and not arguments.quick and shutil.which("valgrind"):
        count_instructions(rows)
    rows.write(arguments.json)


def measure_app(app, arguments, rows):
    seen = measure.by_turns(ways_of(app), arguments.rounds)
    stripped = seen.pop("stripped")
    for way, ns in seen.items():
        flattered = FLATTERED[app.name] + MORE.get(way, "")
        if way == "PAL file" and app.lost != 0:
            flattered += f"; the logs lost {app.lost:,} of {app.fired:,} transitions"
        rows.add(f"Request, {app.name}: {way} / stripped", ns, stripped, "ns", flattered)
    rows.add(f"Request, {app.name}: metrics / off", seen["metrics"], seen["off"], "ns", FLATTERED[app.name] + MORE["metrics"])


def measure_start(arguments, folder, rows):
    """What is not in the requests: a process that begins, does next to nothing, and ends."""
    log = folder / "start.pal"

    def cpu_ms(*command, **environment):
        return 1000 * measure.run([*command, "demo", "0.001"], environment).cpu_s

    hooked = measure.need("app_case")
    ways = {
        "stripped": lambda: cpu_ms(measure.need("app_case_stripped")),
        "off": lambda: cpu_ms(hooked, TIFFANY_LTTNG="0"),
        "PAL file": lambda: cpu_ms(hooked, TIFFANY_LTTNG="0", TIFFANY_PAL=str(log)),
    }
    if INSIDE in os.environ:
        ways["LTTng"] = lambda: cpu_ms(hooked)
    seen = measure.by_turns(ways, arguments.rounds)
    for way in list(ways)[1:]:
        rows.add(f"Start and end, demo: {way} / stripped", seen[way], seen["stripped"], "ms", "what is read from disk is in memory")


def count_instructions(rows):
    """Of the echo server alone: the demo does part of its work by the clock, and callgrind makes everything slower."""

    connections, requests = 50, 100

    def counted(*command):
        """Of a request: what a process's beginning and its end take is in both."""
        few, many = (
            measure.instructions([*command, "echo", str(connections), str(n)], {"TIFFANY_LTTNG": "0"})[0] for n in (requests, 2 * requests)
        )
        return (many - few) / (connections * requests * 1.2)  # a fifth of the work is done before

    hooked = measure.need("app_case")
    ways = {
        "stripped": lambda: counted(measure.need("app_case_stripped")),
        "off": lambda: counted(hooked),
        "metrics": lambda: counted(hooked, "--metrics"),
    }
    seen = measure.by_turns(ways, 3)
    for above, below in (("off", "stripped"), ("metrics", "off")):
        rows.add(
            f"Request, echo, instructions outside the kernel: {above} / {below}",
            seen[above],
            seen[below],
            "instructions",
            "nothing: the kernel's part, most of a request, is left out, the clients are in it",
        )


def recorded(arguments):
    """The same under `paltrace record`, which brings a daemon: the ways that are not recorded keep LTTng out."""
    paltrace = measure.need("paltrace")
    measure.need("libtiffany-lttng.so")
    with tempfile.TemporaryDirectory() as folder:
        command = [paltrace, "record", "-o", f"{folder}/run", "--", sys.executable, __file__, *sys.argv[1:]]
        done = subprocess.run([str(part) for part in command], env={**os.environ, INSIDE: "1"}, check=False)
    if done.returncode == 4 and arguments.json:
        path = pathlib.Path(arguments.json)
        rows = json.loads(path.read_text())
        for row in rows:
            if ": LTTng / " in row["name"]:
                row["flattered_by"] += "; some transitions were lost"
        path.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if done.returncode == 4 else done.returncode


def main():
    parser = measure.options(__doc__, rounds=9)
    parser.add_argument("--only", choices=["demo", "echo"], help="one program")
    arguments = parser.parse_args()
    if INSIDE in os.environ or not shutil.which("lttng-sessiond"):
        compare(arguments)
        return 0
    return recorded(arguments)


if __name__ == "__main__":
    sys.exit(main())
