#!/usr/bin/python3
"""How fast LTTng records two threads for long, with the buffers that `paltrace record` makes, and what that takes on disk.

    tests/bench/sustained.py [--transitions N] [--rounds N] [--json FILE] [--bin DIR] FOLDER

Each round records the hooks, the hooks with one stamp for the end of a run and the beginning of the next, and a bare
LTTng tracepoint, one after the other, each in a recording of its own, which
lies in FOLDER (5 GB at most) until it is read. Rates are by the clock on the wall, from the first event to the last.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import measure

BAR = round(1 / 0.95, 3)  # the hooks reach 0.95 of the rate
CLOCKS = {"wall": "", "cpu": ", by the CPU time of its threads"}
WRITERS = {"hooks": "the hooks", "stamps": "the hooks with one stamp a cycle", "bare": "a bare tracepoint"}
WAYS = {"hooks": "the hooks'", "stamps": "the hooks' with one stamp a cycle"}
FLATTERED_BY = ("one task a worker, two kinds of event, durations that hardly differ; "
                "a bare tracepoint is what LTTng's macros make, which write each field by a call")


def record(options, way):
    """One recording: its rate, what was lost, bytes an event, and the same after zstd -1."""
    run = Path(options.folder) / f"sustained-{way}"
    command = [f"{options.bin}/paltrace", "record", "-o", run, "--", f"{options.bin}/record_bench", "--rate", way,
               str(options.transitions)]
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=1800)
        if done.returncode not in (0, 4):  # 4: something was lost
            sys.exit(f"sustained.py: paltrace record: exit {done.returncode}\n{done.stderr}")
        found = json.loads((run / "record.json").read_text())
        streams = [path for path in run.rglob("transitions_*") if path.is_file()]
        raw = sum(path.stat().st_size for path in streams)
        packed = sum(packed_bytes(path) for path in streams)
    finally:
        shutil.rmtree(run, ignore_errors=True)
    recorded = found["transitions"]
    lost = max(found["lost"], options.transitions - recorded)  # of a bare tracepoint nobody tells the last seq
    wall, cpu = map(float, done.stdout.split())
    return {"wall": wall, "cpu": cpu, "lost": lost, "bytes": raw / recorded, "zstd": packed / recorded}


def packed_bytes(path):
    zstd = subprocess.Popen(["zstd", "-1", "-q", "-c", path], stdout=subprocess.PIPE)
    size = sum(len(part) for part in iter(lambda: zstd.stdout.read(1 << 20), b""))
    if zstd.wait() != 0:
        sys.exit("sustained.py: zstd failed")
    return size


def median_deviation(values):
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def of(seen, way, what):
    return [run[what] for run in seen[way]]


def compared(options, seen, way, clock):
    hooks, bare = of(seen, way, clock), of(seen, "bare", clock)
    ratios = [above / below for above, below in zip(bare, hooks)]
    return {"name": f"Sustained, two threads{CLOCKS[clock]}: a bare tracepoint's rate / {WAYS[way]}", "ratio": statistics.median(ratios),
            "mad": median_deviation(ratios), "pairs": options.rounds, "bar": BAR, "flattered_by": FLATTERED_BY,
            "a": statistics.median(bare), "b": statistics.median(hooks), "unit": "M/s"}


def what_was_lost(options, seen, way):
    lost = of(seen, way, "lost")
    return {"name": f"Sustained, two threads: lost of {options.transitions:,} transitions, {WRITERS[way]}", "ratio": None, "mad": None,
            "pairs": options.rounds, "bar": None, "flattered_by": f"at most {max(lost):,} in a recording",
            "a": statistics.median(lost), "b": None, "unit": "transitions"}


def size(options, seen):
    raw, packed = of(seen, "hooks", "bytes"), of(seen, "hooks", "zstd")
    ratios = [above / below for above, below in zip(raw, packed)]
    return {"name": "Sustained, two threads: an event on disk, raw / after zstd -1", "ratio": statistics.median(ratios),
            "mad": median_deviation(ratios), "pairs": options.rounds, "bar": None, "flattered_by": FLATTERED_BY,
            "a": statistics.median(raw), "b": statistics.median(packed), "unit": "bytes"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--transitions", type=int, default=50_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    parser.add_argument("--bin", default=str(Path(__file__).resolve().parents[2] / "build/release/bin"))
    options = parser.parse_args()
    measure.need_command("zstd")
    for built in ("paltrace", "record_bench"):
        if not (Path(options.bin) / built).exists():
            measure.cannot(f"{built} was not built")
    seen = {way: [] for way in WRITERS}
    for _ in range(options.rounds):
        for way, runs in seen.items():
            runs.append(record(options, way))
    results = [compared(options, seen, way, clock) for way in WAYS for clock in CLOCKS]
    for result in results:
        print(f"{result['name']} = {result['ratio']:.3f} (MAD {result['mad']:.3f}, {options.rounds} pairs), "
              f"{result['a']:.2f} M/s / {result['b']:.2f} M/s; flattered by: {FLATTERED_BY}")
    print(f"Lost of {options.transitions}: hooks {' '.join(map(str, of(seen, 'hooks', 'lost')))}; "
          f"with stamps {' '.join(map(str, of(seen, 'stamps', 'lost')))}; bare {' '.join(map(str, of(seen, 'bare', 'lost')))}")
    print(f"Bytes an event: {statistics.median(of(seen, 'hooks', 'bytes')):.1f}; "
          f"after zstd -1: {statistics.median(of(seen, 'hooks', 'zstd')):.1f}")
    if options.json:
        results += [*(what_was_lost(options, seen, way) for way in WRITERS), size(options, seen)]
        Path(options.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
