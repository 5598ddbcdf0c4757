#!/usr/bin/python3
"""How fast `paltrace` reads a log: against Python's json, against `zstd -dc`, and against reading the file alone.

    tests/bench/log_bench.py                        # a log of 250 MB that tiffany-demo writes; two minutes
    tests/bench/log_bench.py --gigabyte             # the first byte of a log of 1 GB, too
    tests/bench/log_bench.py --json results.json    # the ratios as a list of objects

Equal answers come first: Python counts the transitions of each event as `stats` does, and the compressed log gives the same. Then every
round runs each side once, by turns, so that all meet the same moods of the machine; a ratio is the median of the rounds' ratios.
Wall times and CPU times (of all threads) are told apart: a side that has a second thread gains only in the first.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import measure

BYTES_OF_A_RECORD = 210  # of the demo's log; how many transitions make a log of a size
RING = "64M"  # so that the log has no gaps also where the writer's thread waits for a CPU

PYTHON_COUNTS = """
import json, sys
loads, counts = json.loads, {}
for line in open(sys.argv[1], encoding="utf-8"):
    event = loads(line)["event"]
    counts[event] = counts.get(event, 0) + 1
json.dump(counts, sys.stdout)
"""


def peak_mib(command):
    """The most that a command has resident, looked at again and again: its rusage would tell of this process before the exec, too."""
    peak = 0
    with open(os.devnull, "r+b") as nothing:
        while not peak:  # else it ended before the first look
            child = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
            while child.poll() is None:
                told = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{child.pid}/status").read_text())
                peak = max(peak, int(told.group(1)) / 1024 if told else 0)
                time.sleep(0.001)
    return peak


def make_log(binaries, path, megabytes):
    """The log of a real program, written by itself: an echo server, timers, joins, failures."""
    environment = {"TIFFANY_PAL": str(path), "TIFFANY_PAL_MAX": "16G", "TIFFANY_PAL_RING": RING, "TIFFANY_LTTNG": "0"}
    transitions = max(1_000, megabytes * 1_000_000 // BYTES_OF_A_RECORD)
    measure.run([binaries / "tiffany-demo", "--tasks", "1000", "--seconds", "0", "--transitions", transitions], environment, keep=False)


def need_equal_answers(paltrace, log):
    """Returns how many records the log has."""
    counted = json.loads(measure.run([sys.executable, "-c", PYTHON_COUNTS, log]).out)
    told = json.loads(measure.run([paltrace, "stats", "--json", log]).out)
    theirs = {event: count for event, count in counted.items() if event in told["events"]}
    ours = {event: count for event, count in told["events"].items() if count}
    if theirs != ours:
        sys.exit(f"log_bench: the answers differ: Python {theirs}, stats {ours}")
    checked = measure.run([paltrace, "check", log]).out
    records = f"records: {told['records']}, of them transitions: {sum(theirs.values())}\n"
    if not checked.startswith(records):
        sys.exit(f"log_bench: the answers differ: expected of check {records!r}, found {checked!r}")
    return told["records"]


def need_equal_log(paltrace, log, packed):
    for command in ("check", "stats"):
        one, other = (measure.run([paltrace, command, path]).out for path in (log, packed))
        if one != other:
            sys.exit(f"log_bench: the answers differ: {command} of {log.name} and of {packed.name}")


class Bench:
    def __init__(self, rounds):
        self.rounds = rounds
        self.rows = measure.Rows()

    def compare(self, name, above, below, flattered_by, unit="s"):
        """Tells `above / below` of two lists of runs, by the clock on the wall and by CPU time."""
        scale = {"s": 1, "ms": 1000}[unit]
        for kind, attribute in (("wall", "wall_s"), ("cpu", "cpu_s")):
            pairs = [(scale * getattr(a, attribute), scale * getattr(b, attribute)) for a, b in zip(above, below)]
            pairs = [pair for pair in pairs if pair[1] > 0]  # else less than the kernel's clock of CPU times can tell
            if pairs:
                self.rows.add(f"{name}, {kind}", *map(list, zip(*pairs)), unit, flattered_by)

    def tell_memory(self, what, command):
        self.rows.count(f"Memory: {what}, peak", [peak_mib(command)], "MiB", "looked at once a millisecond")

    def by_turns(self, commands):
        """Runs each command once a round; returns the lists of their runs. Each ran once before: what is measured is warm."""
        for command in commands:
            measure.run(command, keep=False)
        seen = measure.by_turns({i: lambda command=command: measure.run(command, keep=False) for i, command in enumerate(commands)}, self.rounds)
        return list(seen.values())


def read_logs(bench, paltrace, directory, binaries, megabytes):
    log, packed, as_zstd = directory / "run.pal", directory / "run.pal.zst", directory / "run.zstd-1.zst"
    make_log(binaries, log, megabytes)
    records = need_equal_answers(paltrace, log)
    size = log.stat().st_size
    measure.run([paltrace, "convert", log, "-o", packed])
    need_equal_log(paltrace, log, packed)
    measure.run(["zstd", "-q", "-1", log, "-o", as_zstd])
    print(f"Log: {records} records, {size / 1e6:.1f} MB; by convert as .zst {packed.stat().st_size / 1e6:.1f} MB, "
          f"by zstd -1 {as_zstd.stat().st_size / 1e6:.1f} MB", flush=True)

    python = [sys.executable, "-c", PYTHON_COUNTS, log]
    count, check, stats, copy = bench.by_turns(
        [python, [paltrace, "check", log], [paltrace, "stats", log], ["cat", log]])
    flatter = "a warm cache; lines that our own writer wrote, of one worker; Python counts events and no more"
    bench.compare("Reading: Python's json / check", count, check, flatter)
    bench.compare("Reading: Python's json / stats", count, stats, flatter)
    bench.compare("Reading: check / cat", check, copy, flatter)
    bench.compare("Reading: stats / cat", stats, copy, flatter)

    unpack, check_packed, stats_packed = bench.by_turns(
        [["zstd", "-qdc", packed], [paltrace, "check", packed], [paltrace, "stats", packed]])
    flatter = "a second CPU: zstd's part is in a thread of its own; a warm cache"
    bench.compare("Reading .zst: check / zstd -dc", check_packed, unpack, flatter)
    bench.compare("Reading .zst: stats / zstd -dc", stats_packed, unpack, flatter)
    for what, form, path in [("check", "", log), ("stats", "", log), ("check", " as .zst", packed), ("stats", " as .zst", packed)]:
        bench.tell_memory(f"{what} of {size / 1e6:.0f} MB{form}", [paltrace, what, path])
    for path in (log, packed, as_zstd):
        path.unlink()


def read_gigabyte(bench, paltrace, directory, binaries):
    log = directory / "gigabyte.pal"
    make_log(binaries, log, 1_000)
    size = log.stat().st_size
    stats, check, copy = bench.by_turns([[paltrace, "stats", log], [paltrace, "check", log], ["cat", log]])
    flatter = "a warm cache; cat copies to nowhere"
    bench.compare(f"First byte: stats of {size / 1e9:.2f} GB / cat", stats, copy, flatter)
    bench.compare(f"First byte: check of {size / 1e9:.2f} GB / cat", check, copy, flatter)
    for what in ("stats", "check"):
        bench.tell_memory(f"{what} of {size / 1e6:.0f} MB", [paltrace, what, log])
    log.unlink()


def start(bench, paltrace):
    version, nothing = bench.by_turns([[paltrace, "--version"], ["/bin/true"]])
    bench.compare("First byte: paltrace --version / true", version, nothing, "a warm cache", "ms")


def main():
    here = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=here / "build" / "release" / "bin", help="where paltrace and tiffany-demo are")
    parser.add_argument("--size", type=int, default=250, metavar="MB", help="about how long the log is (default 250)")
    parser.add_argument("--rounds", type=int, default=9, help="pairs of each ratio (default 9)")
    parser.add_argument("--gigabyte", action="store_true", help="with a log of 1 GB, too")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there")
    parser.add_argument("--dir", type=pathlib.Path, help="for the logs; needs five times their size (default: the system's for temporary files)")
    options = parser.parse_args()
    paltrace = options.bin / "paltrace"
    measure.need_command("zstd")
    for built in ("paltrace", "tiffany-demo"):
        if not (options.bin / built).exists():
            measure.cannot(f"{built} was not built")
    bench = Bench(options.rounds)
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        read_logs(bench, paltrace, pathlib.Path(directory), options.bin, options.size)
        if options.gigabyte:
            read_gigabyte(bench, paltrace, pathlib.Path(directory), options.bin)
    start(bench, paltrace)
    bench.rows.write(options.json)


if __name__ == "__main__":
    main()
