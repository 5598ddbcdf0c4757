#!/usr/bin/env python3
"""What can be counted, and is the same on a busy machine: instructions outside the kernel, by callgrind, of a probe, of a yield and
of a request; and how many transitions a request has.

    tests/bench/count_bench.py

Of a probe and of a yield a loop runs with N operations and with 2 N: the difference is what N take. To a probe nobody is attached: the
semaphore is raised, so that the hooks do all that they do for a tracer. Requests are those of app_bench.py, each program from its start
to its end, clients included.
"""

import measure

TRANSITIONS = 30_000
PROBES = {"hooks": "raised-probe", "a bare probe": "bare-probe", "a bare probe whose time is measured": "measured-probe"}
YIELDS = {"stripped": 1, "hooks off": 2, "metrics": 3}  # as scheduler_bench numbers them
TASKS, TIMES = 64, 50  # as in its --quick; how often each yields
LOADS = {"demo": ["demo", "2"], "echo": ["echo", "50", "100"]}
SERVERS = {"stripped": ["app_case_stripped"], "off": ["app_case"], "metrics": ["app_case", "--metrics"]}
QUIET = {"TIFFANY_LTTNG": "0"}
NO_KERNEL = "nothing; the kernel's part, nearly all of the time, is left out"
WHOLE = {
    "echo": "nothing: the kernel's part, most of a request, is left out, the clients and the start are in it",
    "demo": "much of it waits for timers, of which callgrind makes more a request; the clients and the start are in it",
}


def probe(way):
    bench = measure.need("transition_bench")
    once, twice = (measure.instructions([bench, "--way", way, n * TRANSITIONS])[0] for n in (1, 2))
    return (twice - once) / TRANSITIONS


def a_yield(system):
    """Of one of its two transitions."""
    bench = measure.need("scheduler_bench")
    once, twice = (
        measure.instructions([bench, "--row", "0", system, "1", n * TIMES], inside="*Scheduler::run()")[0] for n in (1, 2)
    )
    return (twice - once) / (2 * TASKS * TIMES)


def request(app, server):
    program, *more = SERVERS[server]
    count, out = measure.instructions([measure.need(program), *more, *LOADS[app]], QUIET)
    return count / float(out.split()[3])


def transitions(app):
    """Of a request, the programs as they are."""
    requests, _, fired, *_ = map(float, measure.run([measure.need("app_case"), *LOADS[app]], QUIET).out.split())
    return fired / requests


def main():
    options = measure.options(__doc__, rounds=7).parse_args()
    measure.need_command("valgrind")
    rows = measure.Rows()
    rounds = options.rounds

    def by_turns(ways, count):
        return measure.by_turns({name: lambda way=way: count(way) for name, way in ways.items()}, rounds)

    seen = by_turns(PROBES, probe)
    for name in list(PROBES)[1:]:
        rows.add(f"A probe, instructions outside the kernel: hooks / {name}", seen["hooks"], seen[name], "instructions", NO_KERNEL)
    seen = by_turns(YIELDS, a_yield)
    for above, below in (("hooks off", "stripped"), ("metrics", "stripped")):
        rows.add(f"A transition of a yield, instructions: {above} / {below}", seen[above], seen[below], "instructions",
                 "nothing; half of what the scheduler's loop does is counted to each of the two")
    for app in LOADS:
        if app == "echo" and not (measure.BIN / "asio_bench").exists():
            continue  # built without the adapter
        seen = by_turns({server: server for server in SERVERS}, lambda server, app=app: request(app, server))
        for above, below in (("off", "stripped"), ("metrics", "stripped"), ("metrics", "off")):
            rows.add(f"Request, {app}, instructions outside the kernel: {above} / {below}", seen[above], seen[below], "instructions",
                     WHOLE[app])
        rows.count(f"Request, {app}: transitions", by_turns({app: app}, transitions)[app], "transitions a request", "nothing")
    rows.write(options.json)


if __name__ == "__main__":
    main()
