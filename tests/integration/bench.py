"""The benchmarks run to their end and print their ratios. How large they are is for people to judge, not for a test."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from ctf_writer import Trace, catalogue, life
from kit import BIN, SOURCE, checked, need_built, need_program, program

DEADLINE = 600  # seconds: it takes about 10 on a machine that has nothing else to do

NUMBER = r"-?\d+\.\d\d"
RATIO = re.compile(rf"Transition: (.+) = {NUMBER} \(MAD {NUMBER}, 2 pairs\), [+-]\d+\.\d\d ns "
                   rf"\({NUMBER} - {NUMBER}\); flattered by: .+")


RATIOS = [
    "hooks off / no hooks",
    "metrics / hooks off",
    "metrics / a clock read",
    "metrics, one stamp a cycle / a clock read",
    "metrics, Running-Sleep-Ready / a clock read",
    "metrics, Running-Sleep-Ready with two stamps / a clock read",
    "metrics, any bucket / a clock read",
    "metrics, Running-Sleep-Ready, any bucket / a clock read",
    "metrics, Running-Sleep-Ready with two stamps, any bucket / a clock read",
    "a switch among 1,000 tasks / of 1",
    "a switch among 1,000,000 tasks / of 1",
    "a switch among 1,000 tasks, fetched ahead / of 1",
    "a switch among 1,000,000 tasks, fetched ahead / of 1",
    "a sink / hooks off",
]


def told(output):
    ratios = [RATIO.fullmatch(line) for line in output.splitlines()]
    assert all(ratios), output
    return [ratio.group(1) for ratio in ratios]


KEYS = ["name", "ratio", "mad", "pairs", "flattered_by", "a", "b", "unit", "a_mad", "difference_mad"]


def compared(path, counts=()):
    """The names in what --json wrote, which holds what the page of all ratios is made of; `counts` are held against nothing."""
    rows = json.loads(path.read_text())
    for row in rows:
        assert list(row) == KEYS and row["flattered_by"] and row["unit"] and row["pairs"] >= 1 and row["a_mad"] >= 0, row
        if row["name"] in counts:
            assert row["ratio"] is None and row["b"] is None and row["a"] >= 0, row
            continue
        assert row["ratio"] > 0 and row["mad"] >= 0 and row["a"] > 0 and row["b"] > 0 and row["difference_mad"] >= 0, row
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(rows) and set(counts) <= set(names)
    path.unlink()
    return [name for name in names if name not in counts]


def test_the_transition_benchmark_prints_its_ratios(tmp_path):
    rows = tmp_path / "rows.json"
    bench = [program("transition_bench"), "--rounds", "2", "--json", rows]
    assert told(checked(bench, timeout=DEADLINE).stdout) == RATIOS
    assert compared(rows) == [f"Transition: {name}" for name in RATIOS]


def test_the_transition_benchmark_names_its_loops_and_wants_a_tracer_where_one_is_measured():
    def status_of(*arguments):
        done = subprocess.run([program("transition_bench"), *arguments], text=True, capture_output=True, timeout=DEADLINE)
        return done.returncode, done.stderr

    status, told_names = status_of("--way", "nonsense")
    assert status == 2 and {"off", "metrics", "spread-sleeps", "bare-probe"} <= set(told_names.split())
    status, complaint = status_of("--attached", "--rounds", "1")
    assert status == 3 and complaint.startswith("no tracer is attached to the probes\n")


def test_a_benchmark_that_cannot_write_its_ratios_says_so(tmp_path):
    done = subprocess.run([program("scheduler_bench"), "--quick", "--only", "nothing", "--json", tmp_path / "no" / "rows.json"],
                          text=True, capture_output=True, timeout=DEADLINE)
    assert done.returncode == 3
    assert done.stderr == f"cannot write {tmp_path}/no/rows.json\n"


def recorded(tmp_path, *command):
    """What a benchmark printed whose processes LTTng recorded."""
    run = tmp_path / "run"
    done = subprocess.run([program("paltrace"), "record", "-o", run, "--", *command], text=True, capture_output=True,
                          timeout=DEADLINE)
    shutil.rmtree(run, ignore_errors=True)  # some hundred MB
    return done, re.findall(r"^Recorded transition: (.+) = \d+\.\d{3} \(MAD \d+\.\d{3}, 1 pairs; best to best \d+\.\d{3}\), "
                            r"\d+\.\d ns / \d+\.\d ns; flattered by: .+$", done.stdout, re.M)


def test_the_benchmark_of_a_recording_prints_its_ratios_and_was_recorded(tmp_path):
    need_built("record_bench")
    rows = tmp_path / "rows.json"
    done, told = recorded(tmp_path, program("record_bench"), "--rounds", "1", "--json", rows)
    # 4: something was lost, because the machine was busy
    assert done.returncode in (0, 4), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert told == ["hooks / a bare tracepoint and a clock read", "metrics too / 1.05 of the same and 1.2 clock reads",
                    "hooks / a bare tracepoint", "hooks, one stamp a cycle / a bare tracepoint",
                    "a bare tracepoint and a clock read / a bare tracepoint"]
    assert compared(rows) == [f"Recorded transition: {name}" for name in told]
    # two bare processes, and three with hooks, which spawn their task first
    transitions = int(re.search(r"recorded \d+ records, (\d+) transitions", done.stderr).group(1))
    lost = re.search(r"lost (?:at most )?(\d+) transitions", done.stderr)
    fired = int(re.search(r"^Fired: (\d+)$", done.stdout, re.M).group(1))
    assert transitions + (int(lost.group(1)) if lost else 0) == fired == 2 * 400_000 + 2 * 400_001 + 400_000


def test_the_benchmark_of_a_recording_says_when_nobody_records_it():
    need_built("record_bench")
    done = subprocess.run([program("record_bench"), "--rounds", "1"], text=True, capture_output=True, timeout=DEADLINE,
                          env={**os.environ, "LTTNG_UST_REGISTER_TIMEOUT": "0"})
    assert (done.returncode, done.stdout) == (3, "")
    assert "record_bench: LTTng does not record this program" in done.stderr


def test_the_benchmark_of_clocks_prints_its_ratios(tmp_path):
    need_built("record_bench")
    _, told = recorded(tmp_path, program("record_bench"), "--clocks", "--rounds", "1")
    assert told == [f"a bare tracepoint, {clock} clock / LTTng's clock" for clock in ("ordered", "unordered", "free")]


def test_the_benchmark_of_sustained_recording_prints_its_ratios_and_leaves_nothing(tmp_path):
    need_built("record_bench")
    need_program("zstd")
    rows = tmp_path / "rows.json"
    script = SOURCE / "tests" / "bench" / "sustained.py"
    command = [sys.executable, script, "--bin", BIN, "--transitions", "200000", "--rounds", "1", "--json", rows, tmp_path]
    lines = checked(command, timeout=DEADLINE).stdout.splitlines()
    names = [f"Sustained, two threads{clock}: a bare tracepoint's rate / the hooks'{stamps}"
             for stamps in ("", " with one stamp a cycle") for clock in ("", ", by the CPU time of its threads")]
    writers = ("the hooks", "the hooks with one stamp a cycle", "a bare tracepoint")
    counts = [f"Sustained, two threads: lost of 200,000 transitions, {writer}" for writer in writers]
    on_disk = "Sustained, two threads: an event on disk, raw / after zstd -1"
    assert [line.partition(" = ")[0] for line in lines] == [*names, *counts, on_disk]
    written = {row["name"]: row for row in json.loads(rows.read_text())}
    assert compared(rows, counts) == [*names, on_disk]
    # how many depends on the machine: they fit into the buffers where /dev/shm has room for these
    assert max(written[name]["a"] for name in counts) < 200_000
    # the two events' fields and LTTng's header for each, 50.5 bytes a pair; and what the last sub-buffers are not full of
    assert 50.5 <= written[on_disk]["a"] < 60 and 0 < written[on_disk]["b"] < written[on_disk]["a"]
    alone = [*command[:-1], "--hooks-alone", tmp_path]
    assert [line.partition(" = ")[0] for line in checked(alone, timeout=DEADLINE).stdout.splitlines()] == [counts[0], on_disk]
    rows.unlink()
    assert list(tmp_path.iterdir()) == []


def test_stamps_that_wait_for_the_loads_before_them_are_in_order():
    clock = pathlib.Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    if clock.read_text() != "tsc\n":
        pytest.skip("the kernel does not trust this machine's TSC")
    lines = checked([program("clock_order"), "2000000"], timeout=DEADLINE).stdout.splitlines()
    backwards = dict(re.fullmatch(r"Order, two threads: (.+): (\d+) of 2000000 stamps .+", line).groups() for line in lines)
    assert list(backwards)[-1] == "CLOCK_MONOTONIC"
    assert {count for name, count in backwards.items() if name != "rdtsc"} == {"0"}


def test_the_benchmark_of_the_own_log_prints_its_ratios_and_leaves_nothing(tmp_path):
    rows = tmp_path / "rows.json"
    lines = checked([program("pal_bench"), "--rounds", "1", "--json", rows, tmp_path], timeout=DEADLINE).stdout.splitlines()
    ratio = re.compile(rf"(.+) = {NUMBER} \(MAD {NUMBER}, 1 pairs; best to best {NUMBER}\), "
                       r"\d+\.\d ns / \d+\.\d ns; flattered by: .+")
    found = [ratio.fullmatch(line).group(1) for line in lines if not line.startswith(("Rate", "(round"))]
    assert found == [
        "Transition: the log's ring / a clock read",
        "Event: whole process with a log / a plain write of the same bytes",
        "Event: whole process with a log / the same compressed",
    ]
    assert re.fullmatch(r"Rate: lossless, one worker = \d million transitions a second \(MAD \d, 1 rounds; highest tried 8\)", lines[-1])
    assert compared(rows) == found
    assert list(tmp_path.iterdir()) == []


def test_the_scheduler_benchmark_prints_its_ratios_and_the_bytes_of_a_sleeper(tmp_path):
    rows = tmp_path / "rows.json"
    lines = checked([program("scheduler_bench"), "--quick", "--rounds", "1", "--json", rows], timeout=DEADLINE).stdout.splitlines()
    ratio = re.compile(rf"(.+): (.+) / (.+) = {NUMBER} \(MAD {NUMBER}, 1 pairs\), .+; flattered by: .+")
    bytes_each = re.compile(r"Asleep, \d+ tasks: (.+) = \d+ bytes resident, \d+ allocated; flattered by: .+")
    ratios = [found.groups() for found in map(ratio.fullmatch, lines) if found]
    sleepers = [found.group(1) for found in map(bytes_each.fullmatch, lines) if found]
    left_out = [line for line in lines if line.startswith("Asio: left out")]
    assert len(ratios) + len(sleepers) + len(left_out) == len(lines), lines
    wanted = [("Yield, 64 tasks", "stripped", "a bare coroutine"), ("Yield in random order, 1000 tasks", "metrics", "stripped"),
              ("Spawn and finish, 16 tasks", "metrics", "stripped"),
              ("Sleep and wake, 1000 tasks", "hooks off", "stripped"), ("Pool of 2, yield, 64 tasks", "metrics", "stripped")]
    assert set(wanted) <= set(ratios)
    assert sleepers[:3] == ["stripped", "hooks off", "metrics"]
    assert left_out or "Asio" in sleepers
    assert compared(rows) == [f"{what}: {above} / {below}" for what, above, below in ratios] + [
        f"Asleep, 10000 tasks: {who} / stripped" for who in sleepers[1:]
    ]


def test_the_benchmark_of_the_asio_adapter_prints_its_ratios(tmp_path):
    need_built("asio_bench")
    few = ["--connections", "20", "--requests", "50", "--rounds", "2"]
    ratio = re.compile(r"Request: (.+) / stripped = \d+\.\d{3} \(MAD \d\.\d{3}, 2 pairs; best to best \d+\.\d{3}\), "
                       r"\d+ ns / \d+ ns; flattered by: .+")

    def ways(output):
        return [ratio.fullmatch(line).group(1) for line in output.splitlines()]

    rows = tmp_path / "rows.json"
    told_ways = ways(checked([program("asio_bench"), *few, "--json", rows], timeout=DEADLINE).stdout)
    assert told_ways == ["off, context.run()", "off", "metrics"]
    assert compared(rows) == [f"Request: {way} / stripped" for way in told_ways]
    run = tmp_path / "run"
    done = checked([program("paltrace"), "record", "-o", run, "--convert", "--", program("asio_bench"), "--recording", *few],
                   timeout=DEADLINE)
    assert ways(done.stdout) == ["off", "recorded"]
    logs = "".join(path.read_text() for path in run.rglob("*.pal"))
    assert logs.count('"event":"Begin"') >= 1 and logs.count('"event":"Spawned"') == 2 * (20 + 1)


def test_the_benchmark_of_the_tbb_adapter_prints_its_ratios(tmp_path):
    need_built("tbb_bench")
    rows = tmp_path / "rows.json"
    run = tmp_path / "run"
    few = ["--trees", "2", "--rounds", "2", "--json", rows]
    loads = ("empty", "of some microseconds")

    def names(ways):
        return [f"Task, {load}: {way} / stripped" for load in loads for way in ways]

    done = checked([program("tbb_bench"), *few], timeout=DEADLINE)
    assert list(compared(rows)) == names(["off", "metrics"])
    ratio = re.compile(r"(Task, .+) = \d+\.\d{3} \(MAD \d+\.\d{3}, 2 pairs; best to best \d+\.\d{3}\), .+; flattered by: .+")
    assert [ratio.fullmatch(line).group(1) for line in done.stdout.splitlines()] == names(["off", "metrics"])
    checked([program("paltrace"), "record", "-o", run, "--convert", "--", program("tbb_bench"), "--recording", *few], timeout=DEADLINE)
    assert list(compared(rows)) == names(["off", "metrics", "LTTng"])
    # a root, and one tree before those that are measured
    tasks = [2 * (1 + trees * 2046) for trees in (3, 2)]
    assert "".join(path.read_text() for path in run.rglob("*.pal")).count('"event":"Spawned"') == sum(tasks)


def test_the_benchmark_of_the_metrics_prints_its_ratios(tmp_path):
    rows = tmp_path / "rows.json"
    lines = checked([program("metrics_bench"), "--quick", "--json", rows], timeout=DEADLINE).stdout.splitlines()
    ratio = re.compile(r"(.+?)(?: = \d+\.\d{3} \(MAD \d+\.\d{3}, [1-3] pairs; best to best \d+\.\d{3}\), .+; flattered by: .+"
                       r"|: left out, the threads were never given a CPU each)")
    told_ratios = [found for found in map(ratio.fullmatch, lines) if found]
    assert compared(rows) == [found.group(1) for found in told_ratios if "left out" not in found.group(0)]
    assert [found.group(1) for found in told_ratios] == [
        "Transition, one thread: prometheus-cpp / here",
        "Transition, one thread: prometheus-cpp, no more than here / here",
        "Transition, two threads: prometheus-cpp, one series / here",
        "Transition, two threads: prometheus-cpp, one series, no more than here / here",
        "Transition, here: beside a second thread / alone",
        "Transition, a clock read: beside a second thread / alone",
        "Pace: scraped 20 times a second / not scraped",
        "Pace: 1,000 broken clients / none",
    ]
    scrape = re.compile(r"Scrape, schedulers x workers = (.+): \d+\.\d\d ms \(MAD .+")
    assert [found.group(1) for found in map(scrape.fullmatch, lines) if found] == ["1 x 1", "1 x 64", "1 x 1024", "100 x 1"]
    assert re.fullmatch(
        r"Pace: a good scrape beside 1,000 broken clients = \d+\.\d ms, at most \d+\.\d ms \(\d+ scrapes\); "
        r"memory: at most \d+\.\d MiB more",
        lines[9],
    )
    assert re.fullmatch(r"Transition, two threads: a cache line to the other CPU and back = \d+ ns \(MAD \d+\)", lines[4])


def test_the_benchmark_of_reading_compares_equal_answers_and_tells_its_ratios(tmp_path):
    results = tmp_path / "results.json"
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = checked([SOURCE / "tests" / "bench" / "log_bench.py", "--bin", BIN, "--size", "2", "--rounds", "2", "--dir", logs, "--json", results],
                    timeout=DEADLINE).stdout.splitlines()
    told = json.loads(results.read_text())
    assert [result["name"].removesuffix(", wall") for result in told if result["name"].endswith(", wall")] == [
        "Reading: Python's json / check",
        "Reading: Python's json / stats",
        "Reading: check / cat",
        "Reading: stats / cat",
        "Reading .zst: check / zstd -dc",
        "Reading .zst: stats / zstd -dc",
        "First byte: paltrace --version / true",
    ]
    ratio = re.compile(r"(.+) = \d+\.\d{3} \(MAD \d+\.\d{3}, [12] pairs; best to best \d+\.\d{3}\), .+; flattered by: .+")
    assert [found.group(1) for found in map(ratio.fullmatch, lines) if found] == [r["name"] for r in told if r["unit"] in ("s", "ms")]
    memory = [result["name"] for result in told if result["unit"] == "MiB"]
    assert len(memory) == 4 and len(compared(results, memory)) == len(told) - 4
    assert lines[0].startswith("Log: ") and list(logs.iterdir()) == []


def test_the_benchmark_of_reading_refuses_answers_that_differ(tmp_path):
    for name in ("tiffany-demo", "paltrace"):
        shutil.copy2(program(name), tmp_path / name)
    wrapped = tmp_path / "paltrace-itself"
    (tmp_path / "paltrace").rename(wrapped)
    (tmp_path / "paltrace").write_text(f"#!/bin/sh\n{wrapped} \"$@\" | sed 's/\"Sleep\": /\"Sleep\": 1/'\n")
    (tmp_path / "paltrace").chmod(0o755)
    done = subprocess.run([SOURCE / "tests" / "bench" / "log_bench.py", "--bin", tmp_path, "--size", "1", "--rounds", "1"],
                          text=True, capture_output=True, timeout=DEADLINE)
    assert done.returncode != 0 and "the answers differ" in done.stderr, f"{done.stdout}\n{done.stderr}"


def trace_bench(*arguments):
    return subprocess.run([sys.executable, SOURCE / "tests" / "bench" / "trace_bench.py", *arguments], text=True, capture_output=True,
                          env={**os.environ, "TIFFANY_BIN": str(BIN)}, timeout=DEADLINE)


@pytest.mark.parametrize("lost", [0, 3])
def test_the_benchmark_of_reading_a_trace_takes_one_that_is_there_and_none_that_is_not(lost, tmp_path):
    for built in ("babeltrace-plugin-tiffany.so", "paltrace"):
        need_built(built)
    trace = Trace(catalogue())
    stream = trace.channel().stream()
    stream.packet(life(1, 1, 1, 1, 2000))
    stream.packet(life(1, 2, 7 + lost, 1, 3000), discarded=lost)
    rows = tmp_path / "rows.json"
    done = trace_bench("--trace", trace.write(tmp_path / "trace"), "--rounds", "1", "--json", rows)
    assert done.returncode == 0, done.stderr
    said = {row["flattered_by"].endswith("; some events were lost") for row in json.loads(rows.read_text())}
    assert said == {lost > 0}
    assert len(compared(rows)) == len(done.stdout.splitlines()) == 2 * 11
    done = trace_bench("--trace", tmp_path / "none", "--rounds", "1")
    assert (done.returncode, done.stdout) == (1, "") and "none" in done.stderr


def test_a_benchmark_whose_counts_are_the_same_on_every_machine_tells_them(tmp_path):
    need_program("valgrind")
    need_built("app_case")
    rows = tmp_path / "rows.json"
    script = SOURCE / "tests" / "bench" / "count_bench.py"
    checked([sys.executable, script, "--rounds", "1", "--json", rows], timeout=DEADLINE, env={**os.environ, "TIFFANY_BIN": str(BIN)})
    a_request = {row["name"]: row["a"] for row in json.loads(rows.read_text()) if row["ratio"] is None}
    names = compared(rows, a_request)
    pairs = [("off", "stripped"), ("metrics", "stripped"), ("metrics", "off")]
    apps = ("demo", "echo") if (BIN / "asio_bench").exists() else ("demo",)
    requests = [f"Request, {app}, instructions outside the kernel: {above} / {below}" for app in apps for above, below in pairs]
    assert [name for name in names if name.startswith("Request")] == requests and len(names) == 4 + len(requests)
    # how many of them a program brings does not depend on how fast it is, but for what waits for timers
    assert list(a_request) == [f"Request, {app}: transitions" for app in apps]
    assert all(3 < transitions < 60 for transitions in a_request.values())


def test_a_tracer_that_counted_other_than_was_fired_is_told_of(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(SOURCE / "tests" / "bench"))
    import attached_bench
    import measure

    class Counting:
        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def stop(self):
            return counted

    monkeypatch.setattr(measure, "Counting", Counting)
    monkeypatch.setattr(measure, "need", lambda name: name)
    monkeypatch.setattr(measure, "can_attach", lambda: True)
    monkeypatch.setattr(measure, "run", lambda *_: measure.Done([], 0, 0, "Fired: 7\n"))
    monkeypatch.setattr(sys, "argv", ["attached_bench.py"])
    counted = 7
    attached_bench.main()
    counted = 6
    with pytest.raises(SystemExit, match="fired were 7, bpftrace counted 6"):
        attached_bench.main()


def test_each_round_begins_with_another_way(monkeypatch):
    monkeypatch.syspath_prepend(str(SOURCE / "tests" / "bench"))
    import measure

    order = []
    measure.by_turns({name: lambda name=name: order.append(name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"


def test_answers_that_are_empty_are_not_the_same(monkeypatch):
    monkeypatch.syspath_prepend(str(SOURCE / "tests" / "bench"))
    import trace_bench as bench

    bench.same("some", "some", "these")
    for one, other, why in (("", "", "are empty"), ("some", "", "differ"), ("some", "another", "differ")):
        with pytest.raises(SystemExit, match=f"these {why}"):
            bench.same(one, other, "these")
