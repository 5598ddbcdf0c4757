#!/usr/bin/env python3
"""What it takes to read a trace, against babeltrace2 throwing it away: reader_bench.py TRACE [PAIRS]

Each round runs `babeltrace2 TRACE -c sink.utils.dummy`, then one of ours, then babeltrace2 again for the next: so each time of
ours has one beside it. Printed are medians of the ratios and their median absolute deviation: wall time, and CPU time of all
processes. The outputs of both readers are compared first. Environment: TIFFANY_BIN, where the programs are.
"""

import hashlib
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(os.environ.get("TIFFANY_BIN", "build/release/bin")).resolve()


def seconds(command):
    """(wall, CPU of it and its children)"""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([str(part) for part in command], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def digest(trace, reader, command):
    done = subprocess.run([BIN / "paltrace", command, "--reader", reader, trace], capture_output=True, check=False)
    return hashlib.sha256(done.stdout).hexdigest()


def spread(values):
    middle = statistics.median(values)
    return f"{middle:.2f} (MAD {statistics.median([abs(value - middle) for value in values]):.2f})"


def main(trace, pairs=7):
    for command in ("convert", "check", "stats"):
        assert digest(trace, "native", command) == digest(trace, "babeltrace2", command), command
    dummy = ["babeltrace2", trace, "-c", "sink.utils.dummy"]
    plugin = ["babeltrace2", f"--plugin-path={BIN}", trace, "-c", "sink.tiffany.pal"]
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory) / "log.pal"
        ours = {"plugin to /dev/null": [*plugin, '--params=path="/dev/null"'], "plugin to a file": [*plugin, f'--params=path="{log}"']}
        for reader in ("native", "babeltrace2"):
            paltrace = lambda command, *more: [BIN / "paltrace", command, "--reader", reader, trace, *more]
            ours |= {f"{reader}: convert to /dev/null": paltrace("convert", "-o", "/dev/null"),
                     f"{reader}: convert to a file": paltrace("convert", "-o", log),
                     f"{reader}: stats": paltrace("stats"), f"{reader}: check": paltrace("check")}
        seconds(dummy)  # the trace is in memory now
        for name, command in ours.items():
            wall, cpu = [], []
            for _ in range(int(pairs)):
                log.unlink(missing_ok=True)
                without, ours_now = seconds(dummy), seconds(command)
                wall.append(ours_now[0] / without[0])
                cpu.append(ours_now[1] / without[1])
            print(f"Trace: {name} / sink.utils.dummy = wall {spread(wall)}, CPU {spread(cpu)}, {pairs} pairs; "
                  "flattered by: the trace in memory, a core for each process", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
