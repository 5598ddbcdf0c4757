"""The adapters' examples, each seen by LTTng, bpftrace and a scrape at once: the same counts, and a log that passes the check."""

import collections
import os
import re
import subprocess

import pytest

from catalogue_kit import Bpftrace, Catalogue, bpf_header
from kit import checked, end_process, need_bpftrace, need_built, private_copy, program
from witnesses import DEADLINE, read_log, scrape

TRANSITIONS = [event for event in Catalogue().events if event["transition"]]
EXAMPLES = {"asio_echo": ("echo", ["20", "10"])}  # its scheduler and its arguments


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
                while not self.output or not self.output[-1].endswith(" transitions\n"):
                    self.output.append(running.stdout.readline())
                    assert self.output[-1], "it ended before its work was finished"
                series, _ = scrape(url.group(1))
                _, errors = running.communicate(input="", timeout=DEADLINE)
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
    assert sum(seen.by_lttng.values()) == int(seen.output[-1].split()[0])
    checked([program("paltrace"), "check", seen.log])


def test_the_echo_server_is_told_as_what_it_does(tmp_path):
    scheduler, (connections, requests) = EXAMPLES["asio_echo"]
    run = tmp_path / "run"
    done = checked([program("paltrace"), "record", "-o", run, "--convert", "--", need_built("asio_echo"), connections, requests])
    assert done.stdout.splitlines()[0] == f"{int(connections) * int(requests)} answers"
    records = read_log(run / "tiffany.pal")
    spawned = {record["tid"]: record for record in records if record["event"] == "Spawned"}
    names = collections.Counter(record["name"] for record in spawned.values())
    assert names == {"listener": 1, "load": 1, "first client": 1, "client": int(connections) - 1, "connection": int(connections)}
    assert all(re.fullmatch(r"asio_echo\.cpp:\d+", record["site"]) for record in spawned.values())
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


def test_an_example_refuses_wrong_usage():
    for arguments, found in ((["0"], "0"), (["many"], "many"), (["1", "-1"], "-1")):
        done = subprocess.run([need_built("asio_echo"), *arguments], text=True, capture_output=True, timeout=DEADLINE)
        assert done.returncode == 2 and done.stderr.startswith("asio_echo: expected a number from 1 to ")
        assert done.stderr.endswith(f"found {found}\n")
