#!/usr/bin/python3
"""How fast LTTng records two threads for long, with the buffers that `paltrace record` makes, and what that takes on disk.

    tests/bench/sustained.py [--transitions N] [--rounds N] [--json FILE] [--bin DIR] [--hooks-alone] FOLDER

Each round records the hooks, the hooks with one stamp for the end of a run and the beginning of the next, and a bare
LTTng tracepoint, by turns, each in a recording of its own, which lies in FOLDER (5 GB at most) until it is read; what was fired and
is not in it was lost. Rates are by the clock on the wall, from the first event to the last.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import measure

LOST = 4  # exit status of paltrace record: something was lost
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
        done = measure.run(command, good=(0, LOST), deadline=1800)
        found = json.loads((run / "record.json").read_text())
        streams = [path for path in run.rglob("transitions_*") if path.is_file()]
        raw = sum(path.stat().st_size for path in streams)
        packed = sum(packed_bytes(path) for path in streams)
    finally:
        shutil.rmtree(run, ignore_errors=True)
    recorded = found["transitions"]
    lost = max(found["lost"], options.transitions - recorded)  # of a bare tracepoint nobody tells the last seq
    wall, cpu = map(float, done.out.split())
    return {"wall": wall, "cpu": cpu, "lost": lost, "bytes": raw / recorded, "zstd": packed / recorded}


def packed_bytes(path):
    zstd = subprocess.Popen(["zstd", "-1", "-q", "-c", path], stdout=subprocess.PIPE)
    size = sum(len(part) for part in iter(lambda: zstd.stdout.read(1 << 20), b""))
    if zstd.wait() != 0:
        sys.exit("sustained.py: zstd failed")
    return size


def tell(rows, seen, transitions):
    def of(way, what):
        return [run[what] for run in seen[way]]

    for way, whose in WAYS.items() if "bare" in seen else ():
        for clock, said in CLOCKS.items():
            rows.add(f"Sustained, two threads{said}: a bare tracepoint's rate / {whose}", of("bare", clock), of(way, clock), "M/s", FLATTERED_BY)
    for way in seen:
        lost = of(way, "lost")
        rows.count(f"Sustained, two threads: lost of {transitions:,} transitions, {WRITERS[way]}", lost, "transitions",
                   f"at most {max(lost):,} in a recording")
    rows.add("Sustained, two threads: an event on disk, raw / after zstd -1", of("hooks", "bytes"), of("hooks", "zstd"), "bytes", FLATTERED_BY)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--transitions", type=int, default=50_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hooks-alone", action="store_true", help="compare with nothing: what is lost, and the bytes")
    parser.add_argument("--json")
    parser.add_argument("--bin", default=str(Path(__file__).resolve().parents[2] / "build/release/bin"))
    options = parser.parse_args()
    measure.need_command("zstd")
    for built in ("paltrace", "record_bench"):
        if not (Path(options.bin) / built).exists():
            measure.cannot(f"{built} was not built")
    seen = measure.by_turns({way: lambda way=way: record(options, way) for way in (["hooks"] if options.hooks_alone else WRITERS)}, options.rounds)
    rows = measure.Rows()
    tell(rows, seen, options.transitions)
    rows.write(options.json)


if __name__ == "__main__":
    main()
