"""What the hot hooks and the readers take, in instructions: the one measure of speed that is the same on a busy machine.

Each program runs twice under callgrind, with N operations and with 2 N: the difference is what N take, without what
beginning and ending does. The limits are in tests/bench/instructions.json, for g++ 12, glibc 2.36 and the release preset.
"""

import json
import os
import re
import sys

import pytest
from ctf_writer import Trace, catalogue, life
from kit import BIN, SOURCE, checked, lacking, need_built, need_program, program

sys.path.insert(0, str(SOURCE / "tests" / "bench"))
import measure  # noqa: E402

DEADLINE = 300  # seconds, for one program under callgrind: it takes a few on a machine that has nothing else to do

PLUGIN = BIN / "babeltrace-plugin-tiffany.so"
LIMITS = json.loads((SOURCE / "tests" / "bench" / "instructions.json").read_text())
RECORDS = 6  # of a life
LIVES = 500


@pytest.fixture(scope="module", autouse=True)
def what_the_limits_are_for():
    need_program("valgrind")
    if "CMAKE_BUILD_TYPE:STRING=Release\n" not in (BIN.parent / "CMakeCache.txt").read_text():
        lacking("the limits are for the release preset")
    compilers = checked(["readelf", "--string-dump=.comment", program("paltrace")]).stdout
    if not re.search(r"GCC: \(.*\) 12\.", compilers) or "clang" in compilers:
        lacking("the limits are for g++ 12")
    libc = os.confstr("CS_GNU_LIBC_VERSION")
    if libc != "glibc 2.36":
        lacking(f"the limits are for glibc 2.36, this is {libc}: its part of what the readers take is another")


def instructions(directory, command, inside=None, before=(), without=None, **environment):
    """See measure.callgrind. `before`: the words that start it; `without`: a library whose instructions are not ours to judge."""
    counted = directory / "callgrind.out"
    checked([*before, *measure.callgrind(counted, inside), *command], timeout=DEADLINE,
            env={**os.environ, "GLIBC_TUNABLES": measure.TUNABLES, **environment})
    by_object = measure.counted_by_object(counted) if without else {}
    left_out = [name for name in by_object if without in name]
    assert not without or left_out, f"{without} was not used"
    return measure.counted_in(counted) - sum(by_object[name] for name in left_out)


def each(directory, operations, command, inside=None, **how):
    """Instructions of one operation; `command(n)` is one that does n times `operations`."""
    once, twice = (instructions(directory, command(n), inside, **how) for n in (1, 2))
    return (twice - once) / operations


def judge(name, measured):
    limit = LIMITS["limits"][name]["limit"]
    allowance = LIMITS["limits"][name].get("allowance", LIMITS["allowance"])
    print(f"{name}: {measured:.1f} instructions, limit {limit}")
    assert measured <= limit * (1 + allowance), (
        f"{name}: {measured:.1f} instructions, where at most {limit} are allowed, and {allowance:.0%} more. "
        f"Find what has become longer: callgrind_annotate names the functions"
    )
    assert measured >= limit * (1 - allowance), (
        f"{name}: {measured:.1f} instructions, below the limit of {limit}: lower it in tests/bench/instructions.json"
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
    "metrics, Running-IoWait-Ready": "iowaits",
    "metrics, Running-Join-Ready": "joins",
    "metrics, Running-Wait-Ready": "other-waits",
    "metrics, Running-Throttled-Ready": "throttles",
    "metrics, a park": "parks",
    "hooks off, Spawned-Running-Done": "lives-off",
    "metrics, Spawned-Running-Done": "lives",
    "metrics, Spawned-Running-Failed": "lives-failed",
    "metrics, Spawned-Running-Cancelled": "lives-cancelled",
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
    need_built("libtiffany-lttng.so")

    def recorded(n):
        run = tmp_path / f"run{n}"
        command = [need_built("record_bench"), "--way", RECORDED[name], str(n * TRANSITIONS)]
        counted = instructions(tmp_path, command, "*call_hooks*", before=[program("paltrace"), "record", "-o", run, "--"])
        assert json.loads((run / "record.json").read_text())["lost"] == 0
        return counted

    judge(name, (recorded(2) - recorded(1)) / TRANSITIONS)


# ---- the scheduler ----

TASKS, YIELDS = 64, 50  # as in scheduler_bench --quick; of each task
SYSTEMS = {"yield, stripped": 1, "yield, hooks off": 2, "yield, metrics": 3}


def a_yield(directory, system):
    return each(directory, TASKS * YIELDS,
                lambda n: [program("scheduler_bench"), "--row", "0", str(system), "1", str(n * YIELDS)], "*Scheduler::run()")


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_yield_takes_no_more_instructions_than_its_limit(name, tmp_path):
    judge(name, a_yield(tmp_path, SYSTEMS[name]))


UNHEARD = "yield, hooks off less stripped"


def test_hooks_of_a_scheduler_that_nobody_listens_to_take_no_more_instructions_than_their_limit(tmp_path):
    stripped, off = (a_yield(tmp_path, SYSTEMS[f"yield, {way}"]) for way in ("stripped", "hooks off"))
    judge(UNHEARD, (off - stripped) / 2)


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


COMPRESSED = "check of a .zst log"
PARENT = "convert, the process that writes"
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


def test_a_record_of_a_compressed_log_takes_no_more_instructions_than_its_limit(inputs, tmp_path):
    # libzstd chooses its code by what the CPU can do, and is not ours
    judge(COMPRESSED, each(tmp_path, LIVES * RECORDS, lambda n: [program("paltrace"), "check", packed(inputs[n * LIVES][1])],
                           without="libzstd"))


def packed(log):
    compressed = log.with_suffix(".pal.zst")
    checked([program("paltrace"), "convert", log, "-o", compressed])
    return compressed


def test_what_paltrace_does_with_what_its_decoder_made_takes_no_more_instructions_than_its_limit(inputs, tmp_path):
    judge(PARENT, each(tmp_path, LIVES * RECORDS, lambda n: [program("paltrace"), "convert", inputs[n * LIVES][0], "-o", "/dev/null"],
                       LD_PRELOAD=str(program("unconfined.so"))))


# ---- the adapter for Boost.Asio ----

CONNECTIONS, REQUESTS = 50, 100  # of each; many, since how many an epoll_wait returns differs from run to run
SERVERS = {
    "a request, stripped": ("app_case_stripped",),
    "a request, hooks off": ("app_case",),
    "a request, metrics": ("app_case", "--metrics"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_request_of_an_echo_server_takes_no_more_instructions_than_its_limit(name, tmp_path):
    need_built("asio_bench")
    server, *more = SERVERS[name]
    # it does a fifth before what it tells of
    judge(name, each(tmp_path, CONNECTIONS * REQUESTS * 6 // 5,
                     lambda n: [program(server), *more, "echo", str(CONNECTIONS), str(n * REQUESTS)], TIFFANY_LTTNG="0"))


def test_a_limit_is_held_from_both_sides(monkeypatch):
    monkeypatch.setitem(LIMITS["limits"], "some", {"limit": 100})
    assert LIMITS["allowance"] <= 0.03
    for measured in (98.1, 100, 101.9):
        judge("some", measured)
    for measured in (96.9, 103.1, 110):
        with pytest.raises(AssertionError, match="some"):
            judge("some", measured)


def test_a_request_takes_no_more_instructions_with_hooks_off_than_stripped_and_a_fiftieth(tmp_path):
    def request(server):
        return each(tmp_path, CONNECTIONS * REQUESTS * 6 // 5,
                    lambda n: [program(server), "echo", str(CONNECTIONS), str(n * REQUESTS)], TIFFANY_LTTNG="0")

    need_built("asio_bench")
    assert request("app_case") <= 1.02 * request("app_case_stripped")


def test_libc_takes_the_functions_that_every_machine_has(inputs, tmp_path):
    instructions(tmp_path, READERS["check"](*inputs[LIVES]))
    # none is found, either, where libc has no symbols
    assert re.findall(r"__(?:mem|str)\w+_(?:avx|evex)\w*", (tmp_path / "callgrind.out").read_text()) == []


def test_each_limit_is_for_something_that_is_counted():
    assert set(LIMITS["limits"]) == {*WAYS, *RECORDED, *SYSTEMS, UNHEARD, *READERS, COMPRESSED, PARENT, *SERVERS}


def test_a_tool_that_is_not_there_is_a_failure_where_all_were_installed(monkeypatch):
    monkeypatch.delenv("TIFFANY_NO_SKIP", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed"):
        need_program("no-such-tool")
    monkeypatch.setenv("TIFFANY_NO_SKIP", "1")
    for need in (need_program, need_built):
        with pytest.raises(pytest.fail.Exception, match="no-such-tool"):
            need("no-such-tool")
