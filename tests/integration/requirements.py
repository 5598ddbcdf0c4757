"""What this project began with, as far as it needs a real trace: PAL receives what the tasks did, in order."""

import json
import re
import resource

import pytest
from kit import PrivateLttng, checked, program


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    """{a task's name: its transitions by rising step}, of the page's example, recorded by LTTng."""
    run = tmp_path_factory.mktemp("requirements") / "run"
    checked([program("paltrace"), "record", "--convert", "-o", run, "--", program("first_tasks")])
    tasks = {}
    for line in (run / "tiffany.pal").read_text().splitlines():
        record = json.loads(line)
        if record.get("tid") and "step" in record:
            tasks.setdefault(record["tid"], []).append(record)
    found = {}
    for transitions in tasks.values():
        transitions.sort(key=lambda record: record["step"])
        found[transitions[0]["name"]] = transitions
    assert sorted(found) == ["read book", "tell", "watch"]
    return found


def events(transitions):
    return [record["event"] for record in transitions]


def test_pal_receives_done_through_a_trace(lives):
    done = lives["tell"][-1]
    assert done["event"] == "Done" and done["run_ns"] > 0 and done["tid"] == lives["tell"][0]["tid"]


def test_pal_receives_a_panic_with_its_error(lives):
    assert lives["read book"][-1]["event"] == "Failed"
    assert lives["read book"][-1]["error"] == "page 3 is torn"


def test_the_captured_log_shows_the_events_in_order(lives):
    a_page = ["Sleep", "Ready", "Running"]
    assert events(lives["read book"]) == ["Spawned", "Running", *a_page * 3, "Failed"]
    assert events(lives["tell"]) == ["Spawned", "Running", "Join", "Ready", "Running", "Done"]
    assert events(lives["watch"]) == ["Spawned", "Running", "Wait", "Cancelled"]
    for transitions in lives.values():
        assert [record["step"] for record in transitions] == list(range(1, len(transitions) + 1))
        # one worker fired them all: its seq rises with the steps, and so does the time
        for before, after in zip(transitions, transitions[1:]):
            assert before["seq"] < after["seq"] and before["ts"] <= after["ts"]


def test_sleep_has_its_duration(lives):
    asked = [record["dur_ns"] for record in lives["read book"] if record["event"] == "Sleep"]
    assert asked == [1_000_000] * 3


def test_a_transition_that_lttng_records_costs_less_than_five_microseconds(tmp_path):
    transitions = 500_000
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "cost", f"--output={tmp_path / 'trace'}")
        # room for all of them, though the consumer should get no CPU
        lttng.lttng("enable-channel", "--userspace", "--buffers-pid", "--subbuf-size=4M", "--num-subbuf=16", "c")
        lttng.lttng("enable-event", "--userspace", "tiffany:task_*", "--channel=c")
        lttng.lttng("start")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = lttng.run([program("spin_transitions"), transitions])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        lttng.lttng("destroy", "cost")
    counted = int(done.stdout.split()[1])
    assert counted >= transitions
    counter = ["-c", "sink.utils.counter", "--params=step=+0"]  # one table, at the end
    messages = checked(["babeltrace2", tmp_path / "trace", *counter]).stdout
    assert re.search(r"(\d+) Event message", messages).group(1) == str(counted), f"each was recorded\n{messages}"
    assert re.search(r"(\d+) Discarded event message", messages).group(1) == "0", messages
    # CPU time, with the program's start and end; metrics are on as well
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent / transitions < 5e-6
