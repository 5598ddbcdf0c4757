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

INSIDE = "TIFFANY_APP_BENCH_RECORDED"  # in the environment: paltrace records us; a file for how many transitions it has to see
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
        requests, cpu_ns, _, _, transitions = map(float, done.out.split())
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
        ns, transitions = self._told(measure.run([self._hooked, *self._load]))
        recorded(transitions)
        return ns

    def bpftrace(self):
        with measure.Counting(self._hooked, ["tiffany:task__*"]) as counting:
            done = measure.run([self._hooked, *self._load], {"TIFFANY_LTTNG": "0"})
            counted = counting.stop()
        ns, transitions = self._told(done)
        assert counted == transitions, f"{transitions} transitions, bpftrace counted {counted}"
        return ns


def recorded(transitions):
    """Notes that so many more must be in the recording."""
    with open(os.environ[INSIDE], "a", encoding="utf-8") as file:
        print(transitions, file=file)


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
        done = measure.run([*command, "demo", "0.001"], environment)
        if command == (hooked,) and "TIFFANY_LTTNG" not in environment:
            recorded(int(done.out.split()[-1]))
        return 1000 * done.cpu_s

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


def run_recorded(arguments):
    """The same under `paltrace record`, which brings a daemon: the ways that are not recorded keep LTTng out."""
    paltrace = measure.need("paltrace")
    measure.need("libtiffany-lttng.so")
    with tempfile.TemporaryDirectory() as folder:
        fired = pathlib.Path(folder) / "fired"
        command = [paltrace, "record", "-o", f"{folder}/run", "--", sys.executable, __file__, *sys.argv[1:]]
        done = subprocess.run([str(part) for part in command], env={**os.environ, INSIDE: str(fired)}, check=False)
        if done.returncode in (0, 4):
            seen = json.loads((pathlib.Path(folder) / "run" / "record.json").read_text())
            wanted = sum(map(int, fired.read_text().split()))
            if seen["transitions"] + seen["lost"] != wanted:
                sys.exit(f"app_bench: fired were {wanted} transitions, recorded {seen['transitions']}, lost {seen['lost']}")
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
    return run_recorded(arguments)


if __name__ == "__main__":
    sys.exit(main())
