"""What the hot hooks and the readers take, in instructions: the one measure of speed that is the same on a busy machine.

Each program runs twice under callgrind, with N operations and with 2 N: the difference is what N take, without what
beginning and ending does. The limits are in tests/bench/instructions.json, for g++ 12, glibc 2.36 and the release preset.
"""

import json
import os
import re

import pytest
from ctf_writer import Trace, catalogue, life
from kit import BIN, SOURCE, checked, need_built, need_program, program

DEADLINE = 300  # seconds, for one program under callgrind: it takes a few on a machine that has nothing else to do

PLUGIN = BIN / "babeltrace-plugin-tiffany.so"
LIMITS = json.loads((SOURCE / "tests" / "bench" / "instructions.json").read_text())
RECORDS = 6  # of a life
LIVES = 500


@pytest.fixture(scope="module", autouse=True)
def what_the_limits_are_for():
    need_program("valgrind")
    if "CMAKE_BUILD_TYPE:STRING=Release\n" not in (BIN.parent / "CMakeCache.txt").read_text():
        pytest.skip("the limits are for the release preset")
    compilers = checked(["readelf", "--string-dump=.comment", program("paltrace")]).stdout
    if not re.search(r"GCC: \(.*\) 12\.", compilers) or "clang" in compilers:
        pytest.skip("the limits are for g++ 12")
    libc = os.confstr("CS_GNU_LIBC_VERSION")
    if libc != "glibc 2.36":
        pytest.skip(f"the limits are for glibc 2.36, this is {libc}: its part of what the readers take is another")


# valgrind shows a program AVX2 only where the machine has it; libc then takes other functions for memchr and the like. Without it
# libc is counted the same on all machines.
TUNABLES = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load"


def instructions(directory, command, inside=None, under=()):
    """Of a command's own process, not of those that it starts; of what is `inside` a function alone, if one is named.
    `under`: a command that runs another one, if it is to run that."""
    only = [f"--toggle-collect={inside}"] if inside else []
    counted = directory / "callgrind.out"
    # --fair-sched: of several threads none runs alone for long
    valgrind = ["valgrind", "--tool=callgrind", "--fair-sched=try", f"--callgrind-out-file={counted}", *only, "--"]
    untraced = {} if under else {"TIFFANY_LTTNG": "0"}
    checked([*under, *valgrind, *command], timeout=DEADLINE,
            env={**os.environ, "GLIBC_TUNABLES": TUNABLES, **untraced})
    return int(re.search(r"^totals: (\d+)", counted.read_text(), re.MULTILINE).group(1))


def each(directory, operations, command, inside=None, under=lambda n: ()):
    """Instructions of one operation; `command(n)` is one that does n times `operations`, under `under(n)`."""
    once, twice = (instructions(directory, command(n), inside, under(n)) for n in (1, 2))
    return (twice - once) / operations


def judge(name, measured):
    limit = LIMITS["limits"][name]["limit"]
    allowance = LIMITS["allowance"]
    print(f"{name}: {measured:.1f} instructions, limit {limit}")
    assert measured <= limit * (1 + allowance), (
        f"{name}: {measured:.1f} instructions, where at most {limit} are allowed, and {allowance:.0%} more. "
        f"Find what has become longer: callgrind_annotate names the functions"
    )
    assert measured >= limit * (1 - 2 * allowance), (
        f"{name}: {measured:.1f} instructions, far below the limit of {limit}: lower it in tests/bench/instructions.json"
    )


# ---- the hooks ----

# by the limit's name: what transition_bench calls it
WAYS = {
    "hooks off": "off",
    "metrics": "metrics",
    "metrics, any bucket": "spread-metrics",
    "metrics, one stamp a cycle": "shared",
    "metrics, Running-Sleep-Ready": "sleeps",
    "metrics, Running-Sleep-Ready with two stamps": "shared-sleeps",
    "a sink": "sink",
    "a probe": "raised-probe",
}
TRANSITIONS = 30_000


def a_transition(directory, way):
    return each(directory, TRANSITIONS, lambda n: [program("transition_bench"), "--way", way, str(n * TRANSITIONS)],
                "*time_of*")


@pytest.mark.parametrize("name", WAYS)
def test_a_transition_takes_no_more_instructions_than_its_limit(name, tmp_path):
    judge(name, a_transition(tmp_path, WAYS[name]))


def test_hooks_that_nobody_listens_to_are_at_most_ten_instructions(tmp_path):
    assert a_transition(tmp_path, "off") - a_transition(tmp_path, "none") <= 10


RECORDED = {"recorded by LTTng": "hooks", "recorded by LTTng, with metrics": "metrics"}


@pytest.mark.parametrize("name", RECORDED)
def test_a_transition_that_lttng_records_takes_no_more_instructions_than_its_limit(name, tmp_path):
    need_program("lttng-sessiond")
    judge(name, each(tmp_path, TRANSITIONS,
                     lambda n: [program("record_bench"), "--way", RECORDED[name], str(n * TRANSITIONS)],
                     under=lambda n: [program("paltrace"), "record", "-o", tmp_path / f"run{n}", "--"]))


# ---- the scheduler ----

TASKS, YIELDS = 64, 50  # as in scheduler_bench --quick; of each task
SYSTEMS = {"yield, hooks off": 2, "yield, metrics": 3}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_yield_takes_no_more_instructions_than_its_limit(name, tmp_path):
    judge(name, each(tmp_path, TASKS * YIELDS,
                     lambda n: [program("scheduler_bench"), "--row", "0", str(SYSTEMS[name]), "1", str(n * YIELDS)],
                     "tiffany::Scheduler::run()"))


# ---- the adapter for Boost.Asio ----

CONNECTIONS, REQUESTS = 50, 100  # of each connection; a fifth of them once more before
SERVERS = {"echo, hooks off": [], "echo, metrics": ["--metrics"]}


@pytest.mark.parametrize("name", SERVERS)
def test_a_request_takes_no_more_instructions_than_its_limit(name, tmp_path):
    need_built("asio_bench")  # else the program has no echo server
    server = program("app_case")
    judge(name, each(tmp_path, CONNECTIONS * REQUESTS * 6 // 5,
                     lambda n: [server, *SERVERS[name], "echo", str(CONNECTIONS), str(n * REQUESTS)]))


def test_a_request_takes_no_more_instructions_with_hooks_off_than_stripped_and_a_fiftieth(tmp_path):
    def request(server):
        return each(tmp_path, CONNECTIONS * REQUESTS * 6 // 5,
                    lambda n: [program(server), "echo", str(CONNECTIONS), str(n * REQUESTS)])

    need_built("asio_bench")
    assert request("app_case") <= 1.02 * request("app_case_stripped")


# ---- the readers ----


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """By the number of lives: a trace, and the log that it becomes."""
    directory = tmp_path_factory.mktemp("inputs")
    made = {}
    for lives in (LIVES, 2 * LIVES):
        trace = Trace(catalogue())
        stream = trace.channel().stream()
        for first in range(0, lives, 100):
            events = []
            for i in range(first, first + 100):
                events += life(0x5F3A9C1E07B2, i + 1, 1 + RECORDS * i, 1, 2000 + 100 * i)
            stream.packet(events)
        folder = trace.write(directory / f"trace{lives}")
        log = directory / f"{lives}.pal"
        checked([program("paltrace"), "convert", folder, "-o", log])
        assert log.read_text().count('"event":"Done"') == lives
        made[lives] = folder, log
    return made


READERS = {
    "check": lambda trace, log: [program("paltrace"), "check", log],
    "stats": lambda trace, log: [program("paltrace"), "stats", log],
    "decode": lambda trace, log: [program("trace_decode"), trace],
    "check of a trace": lambda trace, log: [program("trace_decode"), trace, "check"],
    "stats of a trace": lambda trace, log: [program("trace_decode"), trace, "stats"],
    "convert": lambda trace, log: [program("trace_decode"), trace, "convert"],
    "the plugin": lambda trace, log: [
        "babeltrace2", f"--plugin-path={PLUGIN.parent}", trace, "-c", "sink.tiffany.pal", "-p", 'path="/dev/null"'
    ],
}


@pytest.mark.parametrize("name", READERS)
def test_a_record_takes_no_more_instructions_than_its_limit(name, inputs, tmp_path):
    judge(name, each(tmp_path, LIVES * RECORDS, lambda n: READERS[name](*inputs[n * LIVES])))


def test_libc_takes_the_functions_that_every_machine_has(inputs, tmp_path):
    instructions(tmp_path, READERS["check"](*inputs[LIVES]))
    # none is found, either, where libc has no symbols
    assert re.findall(r"__(?:mem|str)\w+_(?:avx|evex)\w*", (tmp_path / "callgrind.out").read_text()) == []


def test_each_limit_is_for_something_that_is_counted():
    assert set(LIMITS["limits"]) == {*WAYS, *RECORDED, *SYSTEMS, *SERVERS, *READERS}
