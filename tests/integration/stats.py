"""`paltrace stats`: a small log whose numbers were computed by hand, a recorded demo against the program's own report
and against the log counted by other means, and the exit codes."""

import collections
import json
import subprocess

import pytest

from kit import checked, program
from witnesses import Demo

PALTRACE = program("paltrace")
GOOD, BAD_CONTENT, USAGE, SYSTEM, LOST = range(5)
MS = 1_000_000


def stats(*arguments, stdin=None):
    return subprocess.run([PALTRACE, "stats", *map(str, arguments)], capture_output=True, text=True, timeout=60, input=stdin)


def document(*arguments, code=GOOD, stdin=None):
    result = stats("--json", *arguments, stdin=stdin)
    assert result.returncode == code, result
    return json.loads(result.stdout)


class Log:
    """Lines of a log, one worker, written by hand."""

    def __init__(self, instance="5f3a9c1e07b2"):
        self.lines = [{"event": "Begin", "tool": "hand", "trace": "hand", "clock": "monotonic", "catalogue": 1}]
        self.instance = instance
        self.seq = 0
        self.steps = collections.Counter()

    def _add(self, **fields):
        self.lines.append({"instance": self.instance, "worker": 1, **fields})

    def worker(self, scheduler):
        self._add(event="Worker", kind="started", scheduler=scheduler, pid=12, thread=12, catalogue=1, seq=self.seq)

    def group(self, number, name):
        self._add(event="Group", group=number, name=name)

    def step(self, tid, event, **fields):
        self.seq += 1
        self.steps[tid] += 1
        self._add(seq=self.seq, tid=tid, step=self.steps[tid], event=event, **fields)

    def spawned(self, tid, name, group=0):
        self.step(tid, "Spawned", state="Ready", name=name, site="a.cpp:1", priority=0, group=group, parent=0)

    def gap(self, lost):
        first = self.seq + 1
        self.seq += lost
        self._add(event="Gap", from_seq=first, to_seq=self.seq, lost=lost, explained=True)

    def text(self, lost=0, end=True):
        lines = list(self.lines)
        if end:
            records = sum(line["event"] not in ("Begin", "Gap") for line in lines)
            lines.append({"event": "End", "records": records, "lost": lost})
        stamped = ({"v": 1, "ts": f"2026-11-23T15:43:08.{i:09}Z", **line} for i, line in enumerate(lines))
        return "".join(json.dumps(line) + "\n" for line in stamped)


def small_log():
    """Two tasks of group batch, one of the default group. Runs of `job`: 1 ms, 1 ms + 1 ns, 100 ns, and one unknown."""
    log = Log()
    log.worker("pool")
    log.group(2, "batch")
    log.spawned(1, "job", group=2)
    log.spawned(2, "job", group=2)
    log.spawned(3, "idle")
    log.step(1, "Running", ready_ns=1_000, waited="none")
    log.step(1, "Sleep", run_ns=MS, dur_ns=5)
    log.step(2, "Running", ready_ns=1_001, waited="none")
    log.step(2, "Yield", run_ns=MS + 1)
    log.step(1, "Ready", cause="timer", waker=0, late_ns=0)
    log.step(1, "Running", ready_ns=7, wait_ns=5 * MS, waited="sleep")
    log.step(1, "Done", run_ns=100)
    log.step(2, "Running", waited="none")  # ready_ns is not known
    log.step(2, "IoWait", io=4)  # run_ns is not known
    log.step(2, "Ready", cause="io", waker=0, late_ns=0)
    log.step(2, "Running", ready_ns=3 * 10**9, waited="iowait")  # wait_ns is not known
    log.step(2, "Failed", run_ns=2 * 10**9 + 1, error="no")
    log.step(3, "Cancelled", cause="asked", canceller=0, from_state="Ready")
    return log


def written(directory, log, **options):
    path = directory / "small.pal"
    path.write_text(log.text(**options))
    return path


def test_the_numbers_of_a_small_log_are_those_computed_by_hand(tmp_path):
    seen = document("--histograms", written(tmp_path, small_log()))
    assert seen["records"] == 18 and seen["transitions"] == 16
    assert {event: count for event, count in seen["events"].items() if count} == {
        "Spawned": 3, "Ready": 2, "Running": 5, "Yield": 1, "Sleep": 1, "IoWait": 1, "Done": 1, "Failed": 1, "Cancelled": 1,
    }
    assert seen["other_records"]["WorkerStarted"] == 1 and seen["other_records"]["Group"] == 1
    assert seen["tasks"] == {"seen": 3, "done": 1, "failed": 1, "cancelled": 1, "live": 0}
    coverage = seen["coverage"]
    assert coverage["complete"] and coverage["lost"] == 0 and coverage["tasks_start_not_seen"] == 0
    assert coverage["unknown_durations"] == {"run": 1, "ready": 1, "wait": 1}

    idle, job = seen["tasks_by_name"]
    assert (idle["scheduler"], idle["group"], idle["name"]) == ("pool", "", "idle")
    assert idle["ended"]["cancelled"] == 1 and idle["run"]["count"] == 0 and idle["run"]["unknown"] == 0
    assert idle["run"]["max_ns"] is None
    assert (job["scheduler"], job["group"], job["name"]) == ("pool", "batch", "job")
    assert job["spawned"] == 2 and job["ended"] == {"done": 1, "failed": 1, "cancelled": 0}
    run = job["run"]
    assert (run["count"], run["unknown"]) == (4, 1)
    assert run["sum_ns"] == MS + MS + 1 + 100 + 2 * 10**9 + 1
    assert run["max_ns"] == run["p90_ns"] == run["p99_9_ns"] == 2 * 10**9 + 1
    assert abs(run["p50_ns"] - MS) <= MS / 128  # the second of four: 100, 1 ms, 1 ms + 1, 2 s + 1
    assert (job["ready"]["count"], job["ready"]["unknown"], job["ready"]["sum_ns"]) == (4, 1, 1_000 + 1_001 + 7 + 3 * 10**9)
    assert set(job["wait"]) == {"sleep", "iowait"}
    assert (job["wait"]["sleep"]["count"], job["wait"]["sleep"]["p50_ns"]) == (1, 5 * MS)
    assert (job["wait"]["iowait"]["count"], job["wait"]["iowait"]["unknown"]) == (0, 1)

    buckets = {
        (one["group"], one["kind"], one.get("reason")): [bucket["count"] for bucket in one["buckets"]]
        for one in seen["histograms"]
    }
    assert buckets["batch", "run", None] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]  # 1 ms is in the bucket <= 1 ms
    assert buckets["batch", "wait", "sleep"] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert buckets["batch", "wait", "iowait"] == [0] * 10
    assert buckets["batch", "ready", None] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert sum(buckets["", "run", None]) == 0


def test_the_tables_say_the_same(tmp_path):
    result = stats(written(tmp_path, small_log()))
    assert result.returncode == GOOD and result.stderr == ""
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["pool", "batch", "job", "2", "1", "1", "0"] in rows
    assert "durations not known: run 1, ready 1, wait 1" in result.stdout
    waits = [row for row in rows if row[:5] == ["pool", "batch", "job", "wait:", "sleep"]]
    assert waits == [["pool", "batch", "job", "wait:", "sleep", "1"] + ["5.00", "ms"] * 6 + ["0"]]


def test_what_was_not_selected_is_not_told_as_zero(tmp_path):
    log = small_log()
    kept = {"Worker", "Group", "Spawned", "Running", "Sleep"}
    log.lines = [line for line in log.lines if line["event"] in kept | {"Begin"}]
    begin = next(line for line in log.lines if line["event"] == "Begin")
    begin["events"] = ["task_spawned", "task_running", "task_sleep"]
    result = stats(written(tmp_path, log))
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["Sleep", "1", "1"] in rows and ["Done", "-", "-"] in rows and ["Yield", "-", "-"] in rows
    assert "tasks: 3\n" in result.stdout and "how tasks ended" not in result.stdout
    assert "selection: only these events were recorded: task_spawned task_running task_sleep" in result.stdout


def test_a_task_whose_end_is_not_there_is_not_called_live(tmp_path):
    log = small_log()
    log.lines = [line for line in log.lines if line["event"] != "Cancelled"]
    assert "tasks: 3 (done 1, failed 1, cancelled 0, end not seen 1)" in stats(written(tmp_path, log)).stdout


def test_a_log_on_stdin_is_read():
    assert document("-", stdin=small_log().text())["transitions"] == 16


def test_a_log_with_one_line_for_each_end_is_empty(tmp_path):
    seen = document(written(tmp_path, Log()))
    assert seen["records"] == 0 and seen["schedulers"] == [] and seen["tasks_by_name"] == []


def test_lost_events_are_told_and_exit_4(tmp_path):
    log = small_log()
    log.gap(5)
    log.step(9, "Done", run_ns=10)  # a task that began in the gap
    path = written(tmp_path, log, lost=5)
    seen = document(path, code=LOST)
    assert (seen["coverage"]["lost"], seen["coverage"]["gaps"]) == (5, 1)
    assert (seen["coverage"]["tasks_start_not_seen"], seen["coverage"]["tasks_name_unknown"]) == (1, 1)
    assert [one["name"] for one in seen["tasks_by_name"]] == ["(unknown)", "idle", "job"]
    assert "lost: 5 transitions" in stats(path).stdout


def test_a_cut_log_is_counted_as_far_as_it_goes_and_exits_1(tmp_path):
    path = written(tmp_path, small_log(), end=False)
    seen = document(path, code=BAD_CONTENT)
    assert seen["transitions"] == 16 and not seen["coverage"]["complete"]
    assert str(path) in stats(path).stderr


def test_a_missing_input_exits_3_and_prints_nothing_else(tmp_path):
    result = stats(tmp_path / "missing.pal")
    assert result.returncode == SYSTEM and result.stdout == ""
    assert "missing.pal" in result.stderr and len(result.stderr.splitlines()) == 1


def test_wrong_usage_exits_2():
    assert stats().returncode == USAGE
    assert stats("--no-such-option", "x").returncode == USAGE


def test_the_help_states_the_error_of_percentiles():
    assert "1/128" in checked([PALTRACE, "stats", "--help"]).stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    directory = tmp_path_factory.mktemp("recorded")
    checked([PALTRACE, "record", "-o", directory / "run", "--convert", "--", program("tiffany-demo"),
             "--transitions", "20000", "--report", directory / "own.json"])
    return directory


def test_counts_of_a_recorded_demo_equal_its_own_report(recorded):
    own = json.loads((recorded / "own.json").read_text())
    seen = document(recorded / "run" / "tiffany.pal")
    assert seen["coverage"]["lost"] == 0
    assert seen["events"] == own["events"]
    assert seen["transitions"] == own["transitions"] == sum(own["events"].values())
    assert seen["tasks"] == {"seen": own["events"]["Spawned"], "done": own["events"]["Done"],
                             "failed": own["events"]["Failed"], "cancelled": own["events"]["Cancelled"], "live": 0}
    (scheduler,) = seen["schedulers"]
    assert scheduler["events"] == own["events"]
    assert seen["coverage"]["tasks_start_not_seen"] == seen["coverage"]["workers_scheduler_unknown"] == 0


def test_the_trace_and_the_log_made_from_it_give_the_same(recorded):
    assert document("--histograms", recorded / "run") == document("--histograms", recorded / "run" / "tiffany.pal")


def test_times_of_a_recorded_demo_equal_those_counted_from_its_lines(recorded):
    path = recorded / "run" / "tiffany.pal"
    names, lengths = {}, collections.defaultdict(list)
    for line in map(json.loads, path.read_text().splitlines()):
        task = line.get("tid")
        if line["event"] == "Spawned":
            names[task] = line["name"]
        elif line["event"] == "Running":
            lengths[names[task], "ready"].append(line["ready_ns"])
            if line["waited"] != "none":
                lengths[names[task], line["waited"]].append(line["wait_ns"])
        elif line["event"] not in ("Stalled", "Tick") and "run_ns" in line:
            lengths[names[task], "run"].append(line["run_ns"])
    seen = {}
    for one in document(path)["tasks_by_name"]:
        for kind, times in {"run": one["run"], "ready": one["ready"], **one["wait"]}.items():
            if times["count"]:
                seen[one["name"], kind] = times
    assert seen.keys() == lengths.keys()
    for key, values in lengths.items():
        times = seen[key]
        values.sort()
        assert (times["count"], times["sum_ns"], times["max_ns"]) == (len(values), sum(values), values[-1]), key
        for name, per_mille in (("p50_ns", 500), ("p90_ns", 900), ("p99_ns", 990), ("p99_9_ns", 999)):
            exact = values[-(-per_mille * len(values) // 1000) - 1]
            assert abs(times[name] - exact) <= exact / 128, (key, name)


def test_histograms_equal_the_programs_own_bucket_by_bucket(tmp_path):
    demo = Demo(program("tiffany-demo"), tmp_path, 5_000)
    try:
        series, _ = demo.scraped()
        demo.end(json.loads((tmp_path / "own.json").read_text())["pid"])
    finally:
        demo.process.kill()
    names = {"run": "task_run_latency_seconds", "ready": "task_ready_delay_seconds", "wait": "task_wait_time_seconds"}
    compared = set()
    for one in document("--histograms", tmp_path / "run" / "tiffany.pal")["histograms"]:
        labels = {"scheduler": one["scheduler"], "group": one["group"]}
        if "reason" in one:
            labels["reason"] = one["reason"]
        name = names[one["kind"]]
        key = tuple(sorted(labels.items()))
        scraped = {dict(at)["le"]: int(value) for (of, at), value in series.items()
                   if of == name + "_bucket" and tuple(pair for pair in at if pair[0] != "le") == key}
        bounds = {"+Inf" if le == "+Inf" else round(float(le) * 10**9): count for le, count in scraped.items()}
        ours = {"+Inf" if at["le_ns"] is None else at["le_ns"]: at["cumulative"] for at in one["buckets"]}
        assert ours == bounds, (name, labels)
        assert one["sum_ns"] == round(float(series[name + "_sum", key]) * 10**9), (name, labels)
        compared.add((name, key))
    told = {(of.removesuffix("_count"), at) for (of, at), value in series.items()
            if of.removesuffix("_count") in names.values() and float(value) != 0}
    assert told and told <= compared
