"""The scheduler's tick: a span of its own around each iteration of the loop, seen by LTTng and by bpftrace, and not
turned on by `tiffany:*`."""

import json

from kit import Bpftrace, PrivateLttng, checked, need_bpftrace, private_copy, program

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


def test_bpftrace_sees_a_pair_for_each_run_and_its_probes_turn_on_no_others(tmp_path):
    need_bpftrace()
    demo = private_copy(program("tiffany-demo"), tmp_path)
    private_copy(program("libtiffany-lttng.so"), tmp_path)
    script = (
        f"usdt:{demo}:tiffany_tick:begin {{ @begin = count(); if (arg1 == 0) {{ @no_task = count(); }} @[arg2] = count(); }}"
        f" usdt:{demo}:tiffany_tick:end {{ @end = count(); }}"
    )
    with Bpftrace(script) as tracer:
        done = checked([demo, "--transitions", "20000", "--report", "-"], timeout=300)
        maps = tracer.stop().maps
    events = json.loads(done.stdout)["events"]
    assert maps["@begin"] == maps["@end"] == events["Running"]
    assert maps.get("@no_task", 0) == 0
    assert maps["@"] == {"1": events["Running"]}, "each is about to run a task that is ready"


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
