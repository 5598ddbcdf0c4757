"""What the benchmarks in Python share: programs measured from outside, by turns, and what is said of many rounds.

CPU time is user and system time of a child and of the children that it waited for (wait4), so that being descheduled costs
nothing. The rows are those of rounds.hpp's `--json`.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from end_bpftrace import end_bpftrace  # noqa: E402

SOURCE = pathlib.Path(os.environ.get("TIFFANY_SOURCE", pathlib.Path(__file__).parent.parent.parent)).resolve()
BIN = pathlib.Path(os.environ.get("TIFFANY_BIN", SOURCE / "build" / "release" / "bin")).resolve()
DEADLINE = 600  # seconds, for one measurement: only so that nothing hangs
CANNOT = 77  # exit status: what it needs is not there


def cannot(why):
    """Ends the program: nothing is wrong, but it cannot be measured here."""
    print(f"{pathlib.Path(sys.argv[0]).name}: left out: {why}", file=sys.stderr)
    sys.exit(CANNOT)


def need(name):
    """The path of a program that was built."""
    if not (BIN / name).exists():
        cannot(f"{name} was not built")
    return BIN / name


def need_command(name):
    """Ends the program unless the system has this command."""
    if shutil.which(name) is None:
        cannot(f"{name} is not installed")


class Done:
    """How a program ended: `cpu_s`, CPU seconds; `wall_s`, seconds from its start to its end; `out`, what it printed."""

    def __init__(self, command, cpu_s, wall_s, out):
        self.command = command
        self.cpu_s = cpu_s
        self.wall_s = wall_s
        self.out = out


def run(command, env=None, good=(0,), keep=True, deadline=DEADLINE):
    """Runs a program to its end; ends this one with its errors unless its exit status is a `good` one.
    Without `keep` what it prints goes to /dev/null."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        child = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                 stdout=out if keep else subprocess.DEVNULL, stderr=errors)
        signal.signal(signal.SIGALRM, lambda *_: child.kill())
        signal.alarm(deadline)
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.monotonic() - begin
        signal.alarm(0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if child.returncode not in good:
            text = errors.read().decode(errors="replace")
            sys.exit(f"{' '.join(command)}: exit {child.returncode}\n{text}")
        return Done(command, used.ru_utime + used.ru_stime, wall_s, out.read().decode())


def can_attach():
    return bool(shutil.which("bpftrace")) and os.geteuid() == 0 and pathlib.Path("/sys/kernel/tracing/trace").exists()


class Counting:
    """bpftrace, which counts how often the probes of a program are met; attached when `with` is entered, OSError if it cannot be."""

    _ATTACHED = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

    def __init__(self, program, probes):
        self._script = ", ".join(f"usdt:{program}:{probe}" for probe in probes) + " { @ = count(); }"

    def __enter__(self):
        environment = {**os.environ, self._ATTACHED: "1"}
        self._tracer = subprocess.Popen(
            ["bpftrace", "-e", self._script], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        watch = threading.Timer(DEADLINE, self._tracer.kill)
        watch.start()
        said = line = ""
        for line in self._tracer.stderr:
            if line.startswith(self._ATTACHED):
                break
            said = line
        watch.cancel()
        if not line.startswith(self._ATTACHED):
            self._tracer.communicate()
            print(said.strip(), file=sys.stderr)  # it names paths of this machine
            raise OSError("bpftrace cannot attach to these probes")
        return self

    def stop(self):
        """Ends it; how many it counted."""
        end_bpftrace(self._tracer, DEADLINE)
        out, _ = self._tracer.communicate(timeout=DEADLINE)
        found = re.search(r"^@: (\d+)$", out, re.M)
        return int(found.group(1)) if found else 0

    def __exit__(self, *_):
        if self._tracer.poll() is None:
            self._tracer.kill()
            self._tracer.communicate()


# valgrind shows a program AVX2 only where the machine has it; libc then takes other functions for memchr and the like. Without it
# libc is counted the same on all machines.
TUNABLES = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load"


def callgrind(counted, inside=None):
    """The words before a command whose instructions are to be written into the file `counted`: those of the command's own process, all
    of its threads, not of the processes that it runs; of what is `inside` a function alone, if one is named. Wants TUNABLES."""
    only = [f"--toggle-collect={inside}"] if inside else []
    return ["valgrind", "--tool=callgrind", "--fair-sched=try", f"--callgrind-out-file={counted}", *only, "--"]


def counted_in(path):
    """What callgrind wrote into a file: instructions outside the kernel."""
    return int(re.search(r"^totals: (\d+)", pathlib.Path(path).read_text(), re.M).group(1))


def counted_by_object(path):
    """The same: {program or library: instructions}."""
    names, found, inclusive = {}, {}, False
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(("ob=", "cob=")):
            number, _, name = line.partition("=")[2].partition(" ")
            names.setdefault(number, name)  # its name is told where it is first met
            if line.startswith("ob="):
                here = names[number]
        elif line.startswith("calls="):
            inclusive = True  # the next line is what was called
        elif re.match(r"[-+*\d]", line):
            if not inclusive:
                found[here] = found.get(here, 0) + int(line.split()[1])
            inclusive = False
    return found


def instructions(command, env=None, inside=None):
    """Runs a command under callgrind; returns its instructions and what it printed. See `callgrind`."""
    need_command("valgrind")
    with tempfile.TemporaryDirectory() as folder:
        counted = pathlib.Path(folder) / "out"
        done = run([*callgrind(counted, inside), *command], {**(env or {}), "GLIBC_TUNABLES": TUNABLES})
        return counted_in(counted), done.out


def deviation(values):
    """The median of the distances from the median."""
    middle = statistics.median(values)
    return statistics.median([abs(value - middle) for value in values])


def by_turns(ways, rounds):
    """{name: [what ways[name]() returned, by round]}. Each round begins with another one, so that none always comes first."""
    names = list(ways)
    seen = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            seen[name].append(ways[name]())
    return seen


class Rows:
    """The comparisons that a benchmark tells, printed and written as JSON."""

    def __init__(self):
        self._rows = []

    def add(self, name, above, below, unit, flattered_by):
        """`above` and `below`: what was measured, round by round, in `unit`."""
        ratios = [a / b for a, b in zip(above, below, strict=True)]
        row = {
            "name": name,
            "ratio": round(statistics.median(ratios), 4),
            "mad": round(deviation(ratios), 4),
            "pairs": len(ratios),
            "flattered_by": flattered_by,
            "a": round(statistics.median(above), 4),
            "b": round(statistics.median(below), 4),
            "unit": unit,
            "a_mad": round(deviation(above), 4),
            "difference_mad": round(deviation([a - b for a, b in zip(above, below)]), 4),
        }
        self._rows.append(row)
        best = min(above) / min(below)
        print(
            f"{name} = {row['ratio']:.3f} (MAD {row['mad']:.3f}, {row['pairs']} pairs; best to best {best:.3f}), "
            f"{row['a']:.4g} {unit} / {row['b']:.4g} {unit}; flattered by: {flattered_by}",
            flush=True,
        )

    def count(self, name, values, unit, flattered_by):
        """What is held against nothing: `values`, round by round."""
        row = {
            "name": name,
            "ratio": None,
            "mad": None,
            "pairs": len(values),
            "flattered_by": flattered_by,
            "a": round(statistics.median(values), 4),
            "b": None,
            "unit": unit,
            "a_mad": round(deviation(values), 4),
            "difference_mad": None,
        }
        self._rows.append(row)
        print(f"{name} = {row['a']:,.6g} {unit} (MAD {row['a_mad']:.3g}, {len(values)} times); flattered by: {flattered_by}", flush=True)

    def write(self, path):
        if path:
            pathlib.Path(path).write_text(json.dumps(self._rows, indent=1) + "\n")


def options(text, rounds):
    """The command line that all share: --rounds, --json, --quick."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"pairs for each ratio (default {rounds})")
    parser.add_argument("--json", metavar="FILE", help="write the ratios there, too")
    parser.add_argument("--quick", action="store_true", help="little work: only to see that it runs")
    return parser
