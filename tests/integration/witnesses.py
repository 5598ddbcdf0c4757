"""The witnesses of one run agree to the last event: LTTng (the PAL log made from its trace), bpftrace on the probes,
Prometheus (the program's own counters and histograms, scraped), and the log that the process writes itself.

bpftrace attaches and detaches probe by probe, so it is there before the program starts and after it ended; the session
is active before the program starts, because `paltrace record` is its parent. When its work is finished the program says
so and goes on serving; it is scraped, and asked to end.
"""

import bisect
import collections
import json
import os
import re
import signal
import subprocess
import urllib.request

from catalogue_kit import Catalogue, bpf_header
from kit import Bpftrace, checked, end_process, need_bpftrace, private_copy, program

PALTRACE = program("paltrace")
DEADLINE = 300


def read_log(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def scrape(url):
    """{("name", (("label", "value"), ...)): value as text}, labels sorted"""
    with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
        text = answer.read().decode()
    series = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        series[name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels or "")))] = value
    return series, text


class Demo:
    """The demo under `paltrace record`, until it was scraped."""

    def __init__(self, demo, directory, transitions):
        self.process = subprocess.Popen(
            [str(part) for part in (PALTRACE, "record", "-o", directory / "run", "--convert", "--", demo)]
            + ["--transitions", str(transitions), "--report", str(directory / "own.json")]
            + ["--metrics-port", "0", "--stay"],
            # a ring for a busy machine: nothing lost comes first
            env=dict(os.environ, TIFFANY_PAL=str(directory / "own.pal"), TIFFANY_PAL_RING="64M"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def scraped(self):
        url = None
        while url is None:
            line = self.process.stderr.readline()
            assert line, "the demo ended before it served metrics"
            found = re.search(r"metrics on (http://\S+)", line)
            url = found and found.group(1)
        assert "transitions" in self.process.stdout.readline(), "it says when its work is finished"
        return scrape(url)

    def end(self, pid):
        os.kill(pid, signal.SIGTERM)
        _, errors = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == 0, errors


# ---- histograms, made from the log by other means than the program's ----


class Histogram:
    def __init__(self, bounds_ns):
        self.bounds = bounds_ns
        self.buckets = [0] * (len(bounds_ns) + 1)
        self.sum = 0

    def observe(self, value):
        self.buckets[bisect.bisect_left(self.bounds, value)] += 1  # a bound is closed above
        self.sum += value


MS = 1_000_000
LATENCY = [1 * MS, 5 * MS, 10 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS, 2000 * MS]
DELAY = [1_000, 10_000, 100_000, *LATENCY]
REASONS = ["sleep", "join", "iowait", "throttled", "dependency", "wait"]


def histograms_of(records):
    """{("task_run_latency_seconds", group): Histogram, ("task_wait_time_seconds", group, reason): ...}"""
    groups = {0: ""} | {record["group"]: record["name"] for record in records if record["event"] == "Group"}
    of_task = {record["tid"]: groups[record["group"]] for record in records if record["event"] == "Spawned"}
    made = {}
    for group in groups.values():
        made["task_run_latency_seconds", group] = Histogram(LATENCY)
        made["task_ready_delay_seconds", group] = Histogram(DELAY)
        for reason in REASONS:
            made["task_wait_time_seconds", group, reason] = Histogram(LATENCY)
    for record in records:
        if "step" not in record or record["event"] == "State":
            continue
        group = of_task[record["tid"]]
        if "run_ns" in record:
            made["task_run_latency_seconds", group].observe(record["run_ns"])
        if "ready_ns" in record:
            made["task_ready_delay_seconds", group].observe(record["ready_ns"])
        if "wait_ns" in record:
            made["task_wait_time_seconds", group, record["waited"]].observe(record["wait_ns"])
    return made


def seconds_text(bound_ns):
    return f"{bound_ns / 1e9:g}" if bound_ns >= 100_000 else {1_000: "1e-06", 10_000: "1e-05"}[bound_ns]


def compare_histograms(series, made):
    for (name, group, *reason), histogram in made.items():
        labels = {"scheduler": "demo", "group": group} | ({"reason": reason[0]} if reason else {})
        key = lambda suffix, more={}: (name + suffix, tuple(sorted((labels | more).items())))
        cumulative = 0
        for bound, in_bucket in zip([*map(seconds_text, histogram.bounds), "+Inf"], histogram.buckets):
            cumulative += in_bucket
            where = key("_bucket", {"le": bound})
            assert where in series, (where, [k for k in series if k[0] == name + "_bucket"][:3])
            assert int(series[where]) == cumulative, where
        assert int(series[key("_count")]) == cumulative
        assert round(float(series[key("_sum")]) * 1e9) == histogram.sum, key("_sum")


def notes_of(records):
    """{"tid,value": how often}; the demo's clients number their requests, so each note is told apart."""
    return dict(collections.Counter(f"{note['tid']},{note['value']}" for note in records if note["event"] == "Note"))


def compare_notes(by_lttng, by_bpftrace, by_itself):
    """Notes are in no counter: three witnesses, and what the demo is known to do."""
    told = notes_of(by_lttng)
    assert told == by_bpftrace == notes_of(by_itself)
    assert {note["key"] for note in by_lttng if note["event"] == "Note"} == {"request"}
    names = {record["tid"]: record["name"] for record in by_lttng if record["event"] == "Spawned"}
    requests = collections.defaultdict(list)
    for record in by_lttng:
        if record["event"] == "Note":
            assert names[record["tid"]] == "echo client"
            client, request = map(int, record["value"].split("-"))
            requests[client].append(request)
    assert sorted(requests) == list(range(50)), "half of the demo's 100 tasks are clients"
    assert all(numbers == list(range(len(numbers))) for numbers in requests.values()), "each request once, in order"
    assert len(told) == sum(map(len, requests.values())) > 50


def test_the_four_witnesses_of_one_run_agree(tmp_path):
    need_bpftrace()
    transitions = [event for event in Catalogue().events if event["transition"]]
    names = [event["name"] for event in transitions]
    demo = private_copy(program("tiffany-demo"), tmp_path)
    private_copy(program("libtiffany-lttng.so"), tmp_path)  # looked for beside the program

    # arg4 is a transition's first own number: a duration, for those that begin or end a run
    script = "".join(
        f"usdt:{demo}:{Catalogue.probe(event)} {{ @count[\"{event['name']}\"] = count();"
        f" @first[\"{event['name']}\"] = sum(arg4); }}\n"
        for event in transitions
    )
    script += f"usdt:{demo}:tiffany:note {{ @notes[arg1, str(arg5 + TIFFANY_AT_NOTE_VALUE)] = count(); }}\n"
    with Bpftrace(script, include=[bpf_header()], env={"BPFTRACE_MAP_KEYS_MAX": "65536"}) as tracer:
        running = Demo(demo, tmp_path, 100_000)
        try:
            series, text = running.scraped()
            own = json.loads((tmp_path / "own.json").read_text())
            running.end(own["pid"])
        finally:
            end_process(running.process)
        by_bpftrace = tracer.stop().maps

    records = read_log(tmp_path / "run" / "tiffany.pal")
    end = records[-1]
    assert end["event"] == "End" and end["lost"] == 0, "nothing lost comes first: else the counts prove nothing"

    # event by event
    in_log = dict(collections.Counter(record["event"] for record in records if record["event"] in names))
    by_prometheus = {
        event: int(series["task_transitions_total", (("event", event), ("scheduler", "demo"))]) for event in names
    }
    assert all(count > 0 for count in in_log.values()) and len(in_log) == len(names), "the demo meets every transition"
    assert in_log == own["events"]
    assert by_prometheus == own["events"]
    assert dict(by_bpftrace["@count"]) == own["events"]
    itself = read_log(tmp_path / "own.pal")
    assert itself[-1]["event"] == "End" and itself[-1]["lost"] == 0
    assert dict(collections.Counter(record["event"] for record in itself if record["event"] in names)) == own["events"]

    compare_notes(records, by_bpftrace["@notes"], itself)

    # the sum of the counters is the sum of the workers' seq
    last_seq = {}
    for record in records:
        if "step" in record and record["event"] != "State":
            last_seq[record["worker"]] = max(last_seq.get(record["worker"], 0), record["seq"])
    assert sum(by_prometheus.values()) == sum(last_seq.values()) == own["transitions"] >= 100_000

    # after the work every gauge of tasks is 0
    for state in ("Ready", "Running", "Sleeping", "Waiting", "Throttled"):
        assert series["tasks_state", (("scheduler", "demo"), ("state", state))] == "0"
    assert series["scheduler_ready_queue_depth", (("scheduler", "demo"),)] == "0"
    for state, event in (("done", "Done"), ("failed", "Failed"), ("cancelled", "Cancelled")):
        assert int(series["tasks_running_total", (("scheduler", "demo"), ("state", state))]) == in_log[event]

    # not only as many: the same numbers. bpftrace summed what the probes carried,
    for event in transitions:
        first = event["fields"][4]
        if first["enumeration"] or first["type"] == "string":
            continue
        total = sum(record.get(first["name"], 0) for record in records if record["event"] == event["name"])
        assert by_bpftrace["@first"].get(event["name"], 0) == total, (event["name"], first["name"])
    # and the histograms are equal bucket by bucket, and sum by sum in whole nanoseconds
    compare_histograms(series, histograms_of(records))
    compare_histograms(series, histograms_of(itself))

    checked([PALTRACE, "check", tmp_path / "run" / "tiffany.pal"])
    checked([PALTRACE, "check", tmp_path / "own.pal"])

    # a note that two inputs both hold is given once, and is counted
    recording, log = tmp_path / "run", tmp_path / "own.pal"
    for twice in ([recording, recording / "tiffany.pal"], [log, log], [recording, log]):
        checked([PALTRACE, "convert", *twice, "-o", tmp_path / "both.pal"], timeout=DEADLINE)
        both = read_log(tmp_path / "both.pal")
        assert notes_of(both) == notes_of(records)
    stats = json.loads(checked([PALTRACE, "stats", "--json", tmp_path / "both.pal"]).stdout)
    assert stats["other_records"]["Note"] == len(notes_of(records))
    assert stats["coverage"]["unknown_events"] == {}

    # the scrape is what Prometheus accepts
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
