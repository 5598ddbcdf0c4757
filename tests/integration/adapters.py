"""The adapters' examples, each seen by LTTng, bpftrace and a scrape at once: the same counts, and a log that passes the check."""

import collections
import json
import os
import re
import subprocess

import pytest

from catalogue_kit import Bpftrace, Catalogue, bpf_header
from kit import SOURCE, checked, end_process, need_bpftrace, need_built, private_copy, program, taken_port
from witnesses import DEADLINE, read_log, scrape

TRANSITIONS = [event for event in Catalogue().events if event["transition"]]
EXAMPLES = {"asio_echo": ("echo", ["20", "10"]), "tbb_sort": ("sort", [])}  # its scheduler and its arguments


class Seen:
    """One run of an example: what each witness saw."""

    def __init__(self, name, directory):
        need_bpftrace()
        scheduler, arguments = EXAMPLES[name]
        copy = private_copy(need_built(name), directory)
        private_copy(program("libtiffany-lttng.so"), directory)  # looked for beside the program
        script = "".join(
            f"usdt:{copy}:{Catalogue.probe(event)} {{ @count[\"{event['name']}\"] = count(); }}\n"
            for event in TRANSITIONS
        )
        with Bpftrace(script, include=[bpf_header()]) as tracer:
            running = subprocess.Popen(
                [program("paltrace"), "record", "-o", directory / "run", "--convert", "--", copy, *arguments],
                env={**os.environ, "TIFFANY_METRICS": "127.0.0.1:0"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                url = None
                while url is None:
                    line = running.stderr.readline()
                    assert line, "it ended before it served metrics"
                    url = re.search(r"metrics on (http://\S+)", line)
                self.output = []
                while not self.output or not re.search(r"\d+ transitions$", self.output[-1]):
                    self.output.append(running.stdout.readline())
                    assert self.output[-1], "it ended before its work was finished"
                series, _ = scrape(url.group(1))
                _, errors = running.communicate("\n", timeout=DEADLINE)
                assert running.returncode == 0, errors
            finally:
                end_process(running)
            self.by_bpftrace = dict(tracer.stop().maps["@count"])
        self.log = directory / "run" / "tiffany.pal"
        self.records = read_log(self.log)
        names = {event["name"] for event in TRANSITIONS}
        self.transitions = [record for record in self.records if record["event"] in names]
        self.by_lttng = dict(collections.Counter(record["event"] for record in self.transitions))
        by_metrics = {
            name: int(series["task_transitions_total", (("event", name), ("scheduler", scheduler))]) for name in names
        }
        self.by_metrics = {name: count for name, count in by_metrics.items() if count != 0}


@pytest.fixture(scope="module", params=list(EXAMPLES))
def seen(request, tmp_path_factory):
    return Seen(request.param, tmp_path_factory.mktemp(request.param))


def test_all_witnesses_agree_and_the_log_is_good(seen):
    assert seen.records[-1]["event"] == "End" and seen.records[-1]["lost"] == 0
    assert seen.by_lttng == seen.by_bpftrace == seen.by_metrics
    assert sum(seen.by_lttng.values()) == int(re.search(r"(\d+) transitions$", seen.output[-1]).group(1))
    checked([program("paltrace"), "check", seen.log])


@pytest.mark.parametrize("adapter", ["asio", "tbb"])
def test_the_page_says_how_far_the_conformance_suite_reaches(adapter, tmp_path):
    page = (SOURCE / "docs" / f"{adapter}.md").read_text()
    (said,) = re.findall(r"(\d+) of its (\d+) programs", page)
    report = tmp_path / "report.json"
    checked([need_built(f"{adapter}_conformance_test"), f"--gtest_output=json:{report}"], timeout=DEADLINE)
    suites = json.loads(report.read_text())["testsuites"]
    tests = [test for suite in suites for test in suite["testsuite"]]  # a suite for each driver
    played = {test["name"] for test in tests if test["result"] == "COMPLETED"}
    assert (str(len(played)), str(len({test["name"] for test in tests}))) == said


def test_the_echo_server_is_told_as_what_it_does(tmp_path):
    scheduler, (connections, requests) = EXAMPLES["asio_echo"]
    run = tmp_path / "run"
    done = checked([program("paltrace"), "record", "-o", run, "--convert", "--", need_built("asio_echo"), connections, requests])
    assert done.stdout.splitlines()[0] == f"{int(connections) * int(requests)} answers"
    records = read_log(run / "tiffany.pal")
    spawned = {record["tid"]: record for record in records if record["event"] == "Spawned"}
    names = collections.Counter(record["name"] for record in spawned.values())
    assert names == {"listener": 1, "load": 1, "first client": 1, "client": int(connections) - 1, "connection": int(connections)}
    assert all(re.fullmatch(r"asio_echo\.[ch]pp:\d+", record["site"]) for record in spawned.values())
    (join,) = [record for record in records if record["event"] == "Join"]
    assert spawned[join["tid"]]["name"] == "load"
    assert spawned[join["target"]]["name"] == "first client"
    waits = [record for record in records if record["event"] == "IoWait"]
    assert {spawned[record["tid"]]["name"] for record in waits} == {"listener", "first client", "client", "connection"}
    by_connection = collections.defaultdict(set)
    for record in waits:
        if spawned[record["tid"]]["name"] == "connection":
            by_connection[record["tid"]].add(record["io"])
    assert all(len(descriptors) == 1 for descriptors in by_connection.values()), "each waits for its own socket"
    assert all(record["event"] != "Failed" for record in records)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_whose_metrics_port_is_taken_says_so(example):
    with taken_port() as port:
        environment = {**os.environ, "TIFFANY_METRICS": f"127.0.0.1:{port}"}
        command = [need_built(example), *EXAMPLES[example][1]]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (1, f"{example}: cannot serve metrics on 127.0.0.1:{port}: Address already in use\n")


def test_an_example_refuses_wrong_usage():
    for arguments, found in ((["0"], "0"), (["many"], "many"), (["1", "-1"], "-1")):
        done = subprocess.run([need_built("asio_echo"), *arguments], text=True, capture_output=True, timeout=DEADLINE)
        assert done.returncode == 2 and done.stderr.startswith("asio_echo: expected a number from 1 to ")
        assert done.stderr.endswith(f"found {found}\n")


def expect_a_sort(entries):
    """Each task runs on one worker from its begin to its end, and waits for what it spawned."""
    lives = collections.defaultdict(list)
    for entry in entries:
        lives[entry["tid"]].append(entry)
    spawned = {tid: life[0] for tid, life in lives.items()}
    names = collections.Counter(entry["name"] for entry in spawned.values())
    assert set(names) == {"sort all", "sort left", "sort right", "merge low", "merge high"}
    assert names["sort left"] == names["sort right"] and names["merge low"] == names["merge high"]
    for tid, life in lives.items():
        events = [entry["event"] for entry in life]
        assert events[:2] == ["Spawned", "Running"] and events[-1] == "Done", events
        runners = {entry["worker"] for entry in life if entry["event"] == "Running"}
        assert len(runners) == 1, "a task of TBB stays on its thread"
        parent = spawned[tid]["parent"]
        assert (parent == 0) == (spawned[tid]["name"] == "sort all")
        for at, entry in enumerate(life):
            if entry["event"] == "Join":
                assert spawned[entry["target"]]["parent"] == tid
                assert (life[at + 1]["event"], life[at + 1]["cause"]) == ("Ready", "join")
                assert spawned[life[at + 1]["waker"]]["parent"] == tid
    assert any(entry["event"] == "Join" for entry in entries)


def test_a_sort_is_told_as_what_it_does(tmp_path):
    run = tmp_path / "run"
    checked([program("paltrace"), "record", "-o", run, "--convert", "--", need_built("tbb_sort")])
    names = {event["name"] for event in TRANSITIONS}
    expect_a_sort([record for record in read_log(run / "tiffany.pal") if record["event"] in names])


def test_the_sort_refuses_what_is_no_number():
    done = subprocess.run([need_built("tbb_sort"), "many"], text=True, capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (2, "tbb_sort: expected how many numbers, found many\n")


def test_the_sort_of_nothing_is_a_sort():
    assert checked([need_built("tbb_sort"), "0"]).stdout == "tbb_sort: 3 transitions\n"
