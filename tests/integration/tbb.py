"""examples/tbb_sort: threads that TBB made, told of by LTTng, by bpftrace on the probes and by the program's own metrics,
which agree; and the log passes the check."""

import collections
import json
import os
import re
import subprocess

import pytest
from catalogue_kit import Catalogue, bpf_header
from kit import BIN, DEADLINE, Bpftrace, checked, end_process, need_bpftrace, private_copy, program
from witnesses import scrape

NAMES = [event["name"] for event in Catalogue().events if event["transition"]]

pytestmark = pytest.mark.skipif(not (BIN / "tbb_sort").exists(), reason="oneTBB is missing (libtbb-dev)")


def entries_of(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


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


def test_lttng_bpftrace_and_the_metrics_agree_on_a_sort(tmp_path):
    need_bpftrace()
    sort = private_copy(program("tbb_sort"), tmp_path)
    private_copy(program("libtiffany-lttng.so"), tmp_path)  # looked for beside the program
    transitions = [event for event in Catalogue().events if event["transition"]]
    script = "".join(
        f"usdt:{sort}:{Catalogue.probe(event)} {{ @count[\"{event['name']}\"] = count(); }}\n" for event in transitions
    )
    with Bpftrace(script, include=[bpf_header()]) as tracer:
        running = subprocess.Popen(
            [str(part) for part in (program("paltrace"), "record", "-o", tmp_path / "run", "--convert", "--", sort)],
            env=dict(os.environ, TIFFANY_METRICS="127.0.0.1:0"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            url = None
            while url is None:
                line = running.stderr.readline()
                assert line, "the program ended before it served metrics"
                url = re.search(r"metrics on (http://\S+)", line)
            said = running.stdout.readline()
            series, _ = scrape(url.group(1))
            _, errors = running.communicate("\n", timeout=DEADLINE)
            assert running.returncode == 0, errors
        finally:
            end_process(running)
        by_bpftrace = tracer.stop().maps

    log = tmp_path / "run" / "tiffany.pal"
    checked([program("paltrace"), "check", log])
    entries = entries_of(log)
    assert entries[-1]["event"] == "End" and entries[-1]["lost"] == 0
    told = [entry for entry in entries if entry["event"] in NAMES]
    counts = dict(collections.Counter(entry["event"] for entry in told))
    assert sum(counts.values()) == int(re.fullmatch(r"tbb_sort: (\d+) transitions\n", said).group(1))
    assert dict(by_bpftrace["@count"]) == counts
    by_metrics = {
        name: int(series["task_transitions_total", (("event", name), ("scheduler", "sort"))]) for name in counts
    }
    assert by_metrics == counts
    expect_a_sort(told)


def test_it_refuses_what_is_no_number():
    done = subprocess.run([program("tbb_sort"), "many"], text=True, capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (2, "tbb_sort: expected how many numbers, found many\n")


def test_it_sorts_nothing():
    assert checked([program("tbb_sort"), "0"]).stdout == "tbb_sort: 3 transitions\n"
