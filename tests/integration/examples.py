"""The demo and the examples, run, recorded and checked; and the page docs/scheduler.md against its example."""

import collections
import json
import re
import signal
import subprocess
import time

import pytest

import kit


def transitions_printed(output):
    """N of the line "...: N transitions", the last that a program prints."""
    return int(re.fullmatch(r"(?:\w+: )?(\d+) transitions", output.strip().splitlines()[-1]).group(1))


def recorded(tmp_path, *command):
    """The transitions of a PAL log that was recorded, converted and checked; and what the command printed."""
    paltrace = kit.program("paltrace")
    out = tmp_path / "run"
    done = kit.checked([paltrace, "record", "-o", out, "--convert", "--", *command])
    logs = sorted(out.rglob("*.jsonl")) + sorted(out.rglob("*.pal"))
    assert len(logs) == 1, f"one PAL log is expected in {out}: {logs}\n{done.stderr}"
    kit.checked([paltrace, "check", logs[0]])
    with open(logs[0], encoding="utf-8") as log:
        entries = [json.loads(line) for line in log]
    return [entry for entry in entries if "step" in entry and entry["event"] != "State"], done.stdout


def record(tmp_path, *command):
    """How many transitions of each event; and what the command printed."""
    transitions, output = recorded(tmp_path, *command)
    return collections.Counter(entry["event"] for entry in transitions), output


@pytest.mark.parametrize("name", ["callback_queue", "shared_queue", "first_tasks"])
def test_an_example_is_recorded_whole_and_passes_the_check(tmp_path, name):
    counts, output = record(tmp_path, kit.program(name))
    assert sum(counts.values()) == transitions_printed(output)


def test_the_shared_queue_is_several_workers_and_a_foreign_thread_that_wakes(tmp_path):
    transitions, _ = recorded(tmp_path, kit.program("shared_queue"))
    runners = {entry["worker"] for entry in transitions if entry["event"] == "Running"}
    assert len(runners) == 4, "each thread of the pool runs jobs"
    names = {entry["tid"]: entry["name"] for entry in transitions if entry["event"] == "Spawned"}
    waited = [entry["tid"] for entry in transitions if entry["event"] == "Wait"]
    wakes = [entry for entry in transitions if entry["event"] == "Ready"]
    assert sorted(waited) == sorted(tid for tid, name in names.items() if name == "wait"), "each waits, and once"
    assert sorted(entry["tid"] for entry in wakes) == sorted(waited)
    assert {entry["cause"] for entry in wakes} == {"external"}
    wakers = {entry["worker"] for entry in wakes}
    assert len(wakers) == 1 and not wakers & runners, "by a thread that runs no job"


def test_the_demo_is_recorded_whole_and_passes_the_check(tmp_path):
    report = tmp_path / "report.json"
    counts, _ = record(tmp_path, kit.program("tiffany-demo"), "--seconds", "1", "--report", report)
    assert counts == json.loads(report.read_text())["events"]


def demo(*options, **settings):
    return subprocess.run(
        [str(kit.program("tiffany-demo")), *options], text=True, capture_output=True, timeout=kit.DEADLINE, **settings
    )


def test_the_demo_meets_every_transition():
    done = demo("--tasks", "10", "--seconds", "0.1", "--report", "-")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["events"]) == 12
    assert all(count > 0 for count in report["events"].values()), report
    assert sum(report["events"].values()) == report["transitions"]


def test_the_demo_reaches_the_transitions_it_is_asked_for():
    done = demo("--transitions", "50000", "--report", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["transitions"] >= 50_000


def test_the_demo_says_when_the_time_was_too_short_for_the_transitions():
    done = demo("--transitions", "1000000000", "--seconds", "0.05")
    assert done.returncode == 1
    assert re.fullmatch(
        r"tiffany-demo: expected 1000000000 transitions, found \d+ when the time was over\n", done.stderr
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_demo_ends_early_and_cleanly_by_a_signal(tmp_path, number):
    report = tmp_path / "report.json"
    running = subprocess.Popen(
        [str(kit.program("tiffany-demo")), "--seconds", "600", "--report", str(report)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        # it has blocked the signals when it has read its options; what comes before that would end it at once
        kit.poll(lambda: blocks(running.pid, number), "the demo blocks the signal")
        time.sleep(0.1)
        running.send_signal(number)
        output, errors = running.communicate(timeout=kit.DEADLINE)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, errors
    told = json.loads(report.read_text())
    assert transitions_printed(output) == told["transitions"]
    events = told["events"]
    assert events["Spawned"] == events["Done"] + events["Failed"] + events["Cancelled"], "it let no task fall"


def blocks(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        mask = re.search(r"SigBlk:\s*([0-9a-f]+)", status.read()).group(1)
    return int(mask, 16) >> (number - 1) & 1


@pytest.mark.parametrize(
    "options", [["--tasks", "0"], ["--tasks", "many"], ["--seconds", "-1"], ["--no-such-option"], ["surplus"]]
)
def test_the_demo_refuses_wrong_usage(options):
    done = demo(*options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("tiffany-demo: ")


def test_the_demo_says_that_its_report_cannot_be_written(tmp_path):
    path = tmp_path / "missing" / "report.json"
    done = demo("--tasks", "1", "--seconds", "0.01", "--report", str(path))
    assert done.returncode == 1
    assert done.stderr == f"tiffany-demo: cannot write {path}: No such file or directory\n"


def test_the_page_shows_the_example_as_it_is():
    example = (kit.SOURCE / "examples" / "first_tasks.cpp").read_text().split("// [docs/scheduler.md]\n")[1]
    page = (kit.SOURCE / "docs" / "scheduler.md").read_text()
    assert page.split("```cpp\n")[1].split("```")[0] == example
    done = kit.checked([kit.program("first_tasks")])
    assert done.stdout.splitlines()[:3] == ["page 1: 100 words", "page 2: 200 words", "the book: page 3 is torn"]
    marked = (kit.SOURCE / "tests" / "unit" / "scheduler" / "page_test.cpp").read_text().split("// [docs/scheduler.md]\n")
    shown = [block.split("```")[0] for block in page.split("```cpp\n")[2:]]
    assert shown == [marked[3], marked[1]]  # that unit test runs them


def test_the_page_of_the_sink_shows_its_example_as_it_is():
    example = (kit.SOURCE / "examples" / "watch_failures.cpp").read_text().split("// [docs/sink.md]\n")[1]
    page = (kit.SOURCE / "docs" / "sink.md").read_text()
    assert page.split("```cpp\n")[1].split("```")[0] == example
    done = kit.checked([kit.program("watch_failures")], env={"TIFFANY_LTTNG": "0"})
    assert re.fullmatch(r"task \d+: page 2 is torn\n2 done, 1 failed, 0 lost\n", done.stdout)


def test_the_page_on_instrumenting_shows_code_that_is_compiled_and_run():
    """Each of its blocks stands in an example or in its driver, which unit tests run; only the indentation differs."""
    sources = [*sorted((kit.SOURCE / "examples").glob("*.hpp")), kit.SOURCE / "tests/unit/testing/example_drivers.hpp"]
    code = [[line.strip() for line in source.read_text().splitlines()] for source in sources]
    page = (kit.SOURCE / "docs" / "instrumenting.md").read_text()
    blocks = re.findall(r"```cpp\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 10
    for block in blocks:
        lines = [line.strip() for line in block.splitlines()]
        assert any(
            source[at : at + len(lines)] == lines for source in code for at in range(len(source) - len(lines) + 1)
        ), f"this is in no example:\n{block}"
