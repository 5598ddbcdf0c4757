"""The scheduler's tick: a span of its own around each iteration of the loop, seen by LTTng and by bpftrace, and not
turned on by `tiffany:*`."""

import json
import subprocess

from catalogue_kit import Catalogue
from kit import Bpftrace, PrivateLttng, checked, end_process, need_bpftrace, poll, private_copy, program, semaphore_of

PALTRACE = program("paltrace")
RUN_ENDS = {"Yield", "Sleep", "IoWait", "Join", "Wait", "Throttled", "Done", "Failed", "Cancelled"}
STATE_AFTER = {
    **{"Yield": "Ready", "Sleep": "Sleeping", "IoWait": "Waiting", "Join": "Waiting", "Wait": "Waiting"},
    **{"Done": "Finished", "Failed": "Failed", "Cancelled": "Cancelled"},
}


def read_log(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def test_one_pair_an_iteration_nested_around_its_transitions(tmp_path):
    checked(
        [PALTRACE, "record", "-o", tmp_path / "run", "--ticks", "--convert", "--", program("tiffany-demo")]
        + ["--transitions", 20_000],
        timeout=300,
    )
    runs, tick, running = 0, None, None
    demo = None
    for record in read_log(tmp_path / "run" / "tiffany.pal"):
        if record["event"] == "Worker" and record.get("scheduler") == "demo" and demo is None:
            demo = record["worker"]  # the scheduler's own worker comes first
        if record.get("worker") != demo:
            continue
        if record["event"] == "Tick" and record["kind"] == "begin":
            assert tick is None, "a tick begins inside another"
            assert record["state"] == "Ready", "it tells the task that is about to run"
            tick = record
        elif record["event"] == "Tick":
            assert tick is not None and record["tid"] == tick["tid"]
            ended = running
            assert ended is not None and ended["tid"] == tick["tid"], "a tick runs its task"
            if ended["event"] == "Throttled":
                expected = "Throttled" if ended["park_ns"] else "Ready"
            else:
                expected = STATE_AFTER[ended["event"]]
            assert record["state"] == expected
            assert record.get("run_ns") == ended.get("run_ns")
            tick, running = None, None
            runs += 1
        elif record["event"] == "Running":
            assert tick is not None and record["tid"] == tick["tid"], "a run outside its tick"
        elif record["event"] in RUN_ENDS and tick is not None and record["tid"] == tick["tid"]:
            running = record
    assert runs > 1000 and tick is None

    # without ticks it says how many it left out, with them nothing
    without = checked([PALTRACE, "convert", tmp_path / "run", "-o", tmp_path / "without.pal"])
    told = [record["event"] for record in read_log(tmp_path / "run" / "tiffany.pal")]
    assert f"paltrace: {told.count('Tick')} records of ticks left out (--ticks keeps them)\n" in without.stderr
    assert "Tick" not in [record["event"] for record in read_log(tmp_path / "without.pal")]
    with_ticks = checked([PALTRACE, "convert", "--ticks", tmp_path / "run", "-o", tmp_path / "with.pal"])
    assert "left out" not in with_ticks.stderr
    assert [record["event"] for record in read_log(tmp_path / "with.pal")].count("Tick") == told.count("Tick")


def test_bpftrace_sees_a_pair_for_each_run_and_its_probes_turn_on_no_others(tmp_path):
    need_bpftrace()
    demo = private_copy(program("tiffany-demo"), tmp_path)
    private_copy(program("libtiffany-lttng.so"), tmp_path)
    probe = f"usdt:{demo}:tiffany_tick"
    # arg0, arg1, arg2: worker, tid, state
    script = f"""
        {probe}:begin {{ if (@task[arg0] != 0 || arg1 == 0) {{ @wrong = count(); }} @task[arg0] = arg1; @begin[arg2] = count(); }}
        {probe}:end {{ if (@task[arg0] != arg1) {{ @wrong = count(); }} @task[arg0] = 0; @end[arg2] = count(); }}
    """
    with Bpftrace(script) as tracer:
        running = subprocess.Popen([demo, "--seconds", "2", "--report", "-"], stdout=subprocess.PIPE, text=True)
        try:
            poll(lambda: semaphore_of(running.pid, demo, "begin"), "the ticks' semaphore is up")
            others = semaphore_of(running.pid, demo, "task__running")
            output, _ = running.communicate(timeout=300)
        finally:
            end_process(running)
        maps = tracer.stop().maps
    events = json.loads(output)["events"]
    assert others == 0, "so no other probe is fired"
    assert maps.get("@wrong", 0) == 0, "a tick begins when the one before has ended, and ends with its task"
    states = {label: str(number) for label, number in Catalogue().sets["task_state"].items()}
    assert maps["@begin"] == {states["Ready"]: events["Running"]}, "each is about to run a task that is ready"
    ended = maps["@end"]
    assert sum(ended.values()) == events["Running"]
    for state, event in (("Sleeping", "Sleep"), ("Finished", "Done"), ("Failed", "Failed")):
        assert ended[states[state]] == events[event], state
    assert ended[states["Waiting"]] == events["IoWait"] + events["Join"] + events["Wait"]


def test_bpftrace_sees_the_transitions_of_a_run_within_its_tick(tmp_path):
    need_bpftrace()
    demo = private_copy(program("tiffany-demo"), tmp_path)
    private_copy(program("libtiffany-lttng.so"), tmp_path)
    script = f"""
        usdt:{demo}:tiffany_tick:begin {{ @task[arg0] = arg1; }}
        usdt:{demo}:tiffany_tick:end {{ @task[arg0] = 0; }}
        usdt:{demo}:tiffany:task__running {{ @running[@task[arg0] == arg1] = count(); }}
        usdt:{demo}:tiffany:task__done {{ @done[@task[arg0] == arg1] = count(); }}
    """
    with Bpftrace(script) as tracer:
        done = checked([demo, "--transitions", "5000", "--report", "-"], timeout=300)
        maps = tracer.stop().maps
    events = json.loads(done.stdout)["events"]
    assert maps["@running"] == {"1": events["Running"]} and maps["@done"] == {"1": events["Done"]}


def test_a_session_on_the_transitions_gets_no_tick(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path / 'trace'}")
        lttng.lttng("enable-event", "-u", "tiffany:*")
        lttng.lttng("start")
        lttng.run([program("tiffany-demo"), "--transitions", "2000"])
        lttng.lttng("destroy", "run")
    text = checked(["babeltrace2", tmp_path / "trace"]).stdout
    assert " tiffany:task_running:" in text
    assert "tiffany_tick" not in text
