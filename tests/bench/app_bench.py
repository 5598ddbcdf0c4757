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
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

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
        if end["lost"]:
            print(f"{self.name}: the log lost {end['lost']} of {transitions} transitions", file=sys.stderr)
        return ns

    def lttng(self):
        return self._told(measure.run([self._hooked, *self._load]))[0]

    def bpftrace(self):
        with Counting(self._hooked) as counting:
            done = measure.run([self._hooked, *self._load], {"TIFFANY_LTTNG": "0"})
            counted = counting.stop()
        ns, transitions = self._told(done)
        assert counted == transitions, f"{transitions} transitions, bpftrace counted {counted}"
        return ns

    def count_instructions(self):
        """{way: instructions outside the kernel, a request}, once each: they hardly differ between runs."""
        load = {"demo": ["demo", "3"], "echo": ["echo", "50", "100"]}[self.name]
        quiet = {"TIFFANY_LTTNG": "0"}
        commands = {"stripped": [self._stripped], "off": [self._hooked], "metrics": [self._hooked, "--metrics"]}
        seen = {}
        for way, command in commands.items():
            count, out = measure.instructions([*command, *load], quiet)
            seen[way] = count / float(out.split()[0])
        return seen


class Counting:
    """bpftrace, which counts the transitions of a program; attached when `with` is entered."""

    _ATTACHED = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

    def __init__(self, program):
        self._script = f"usdt:{program}:tiffany:task__* {{ @ = count(); }}"

    def __enter__(self):
        environment = {**os.environ, self._ATTACHED: "1"}
        self._tracer = subprocess.Popen(
            ["bpftrace", "-e", self._script], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        watch = threading.Timer(measure.DEADLINE, self._tracer.kill)
        watch.start()
        for line in self._tracer.stderr:
            if line.startswith(self._ATTACHED):
                break
        else:
            sys.exit("app_bench: bpftrace did not attach")
        watch.cancel()
        return self

    def stop(self):
        self._tracer.send_signal(signal.SIGINT)
        out, _ = self._tracer.communicate(timeout=measure.DEADLINE)
        found = re.search(r"^@: (\d+)$", out, re.M)
        return int(found.group(1)) if found else 0

    def __exit__(self, *_):
        if self._tracer.poll() is None:
            self._tracer.kill()
            self._tracer.communicate()


def ways_of(app):
    ways = {"stripped": app.stripped, "off": app.off, "metrics": app.metrics, "PAL file": app.pal_file}
    if INSIDE in os.environ:
        ways["LTTng"] = app.lttng
    if shutil.which("bpftrace") and os.geteuid() == 0 and pathlib.Path("/sys/kernel/tracing/trace").exists():
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
    rows.write(arguments.json)


def measure_app(app, arguments, rows):
    seen = measure.by_turns(ways_of(app), arguments.rounds)
    stripped = seen.pop("stripped")
    for way, ns in seen.items():
        rows.add(f"Request, {app.name}: {way} / stripped", ns, stripped, "ns", FLATTERED[app.name] + MORE.get(way, ""))
    if arguments.quick or not shutil.which("valgrind"):
        return
    counted = app.count_instructions()
    for way in ("off", "metrics"):
        rows.add(
            f"Request, {app.name}, instructions outside the kernel: {way} / stripped",
            [counted[way]],
            [counted["stripped"]],
            "instructions",
            "the kernel's part, which is most of a request, is not in it: this makes it look worse, not better",
        )


def recorded(arguments):
    """The same under `paltrace record`, which brings a daemon: the ways that are not recorded keep LTTng out."""
    paltrace = measure.need("paltrace")
    measure.need("libtiffany-lttng.so")
    with tempfile.TemporaryDirectory() as folder:
        command = [paltrace, "record", "-o", f"{folder}/run", "--", sys.executable, __file__, *sys.argv[1:]]
        done = subprocess.run([str(part) for part in command], env={**os.environ, INSIDE: "1"}, check=False)
    if done.returncode == 4:
        print("app_bench: the recording lost transitions; the LTTng rows are flattered by what it did not write", file=sys.stderr)
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
