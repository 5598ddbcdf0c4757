#!/usr/bin/env python3
"""A probe that bpftrace counts: the hooks' beside one that is written by hand (transition_bench --attached). As root.

    tests/bench/attached_bench.py

bpftrace must have counted as often as was fired, or nothing is told.
"""

import re
import sys

import measure

PROBES = ["tiffany:task__*", "tiffany_bench:bare"]


def main():
    options = measure.options(__doc__, rounds=15).parse_args()
    bench = measure.need("transition_bench")
    if not measure.can_attach():
        measure.cannot("bpftrace needs root and tracefs")
    json = ["--json", options.json] if options.json else []
    try:
        with measure.Counting(bench, PROBES) as counting:
            done = measure.run([bench, "--attached", "--rounds", 2 if options.quick else options.rounds, *json])
            counted = counting.stop()
    except OSError as error:
        measure.cannot(error)
    fired = int(re.search(r"^Fired: (\d+)$", done.out, re.M).group(1))
    if counted != fired:
        sys.exit(f"attached_bench: fired were {fired}, bpftrace counted {counted}")
    print(done.out, end="")


if __name__ == "__main__":
    main()
