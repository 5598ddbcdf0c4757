#!/usr/bin/env python3
"""What a probe that a tracer counts takes outside the kernel, in instructions: the hooks' beside one that is written by hand.

    tests/bench/probe_bench.py

Nobody is attached: the semaphore is raised, so that the hooks do all that they do for a tracer. A loop runs with N transitions and
with 2 N: the difference is what N take.
"""

import sys

import measure

TRANSITIONS = 30_000
ROUNDS = 3
WAYS = {"hooks": "raised-probe", "a bare probe": "bare-probe", "a bare probe whose time is measured": "measured-probe"}


def each(way):
    """Instructions of one transition, the loop around it included."""
    bench = measure.need("transition_bench")
    once, twice = (measure.instructions([bench, "--way", way, str(n * TRANSITIONS)])[0] for n in (1, 2))
    return (twice - once) / TRANSITIONS


def main():
    options = measure.options(__doc__, rounds=ROUNDS).parse_args()
    measure.need_command("valgrind")
    rows = measure.Rows()
    seen = measure.by_turns({name: lambda way=way: each(way) for name, way in WAYS.items()}, options.rounds)
    for name, below in list(seen.items())[1:]:
        rows.add(f"A probe, instructions outside the kernel: hooks / {name}", seen["hooks"], below, "instructions",
                 "nothing; the kernel's part, nearly all of the time, is left out")
    rows.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
