"""A run that does not end, told while it lasts: by LTTng, by bpftrace, by the process's own log, by the ready script; the
commands of docs/stalls.md."""

import json
import os
import pathlib
import re
import shlex
import subprocess

from bpftrace_scripts import SCRIPTS, Script, WaitingDemo
from kit import BIN, DEADLINE, SOURCE, Bpftrace, checked, need_bpftrace, need_files_of, poll, private_copy, program, set_uid_copy

PALTRACE = program("paltrace")
MS = 1_000_000
BOUND_MS, STALL_MS = 250, 1500


def records_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def stalls_of(records):
    """[(worker of the trace, tid, run_ns)], by time."""
    return [
        (int(record["instance"], 16) << 16 | record["worker"], record["tid"], record["run_ns"])
        for record in records
        if record["event"] == "Stalled"
    ]


def test_three_witnesses_see_the_stall_of_the_demos_task_once(tmp_path):
    need_bpftrace()
    demo = private_copy(program("tiffany-demo"), tmp_path)
    private_copy(program("libtiffany-lttng.so"), tmp_path)
    script = f"usdt:{demo}:tiffany:stalled {{ @stalls[arg0, arg1, arg2] = count(); }}"
    with Bpftrace(script) as tracer:
        checked(
            [PALTRACE, "record", "-o", tmp_path / "run", "--convert", "--", demo, "--seconds", 1, "--stall", STALL_MS],
            # a ring for all that the demo tells while the log's thread has no CPU
            env={
                **os.environ,
                "TIFFANY_STALL": f"{BOUND_MS}ms",
                "TIFFANY_PAL": str(tmp_path / "own.pal"),
                "TIFFANY_PAL_RING": "64M",
            },
            timeout=DEADLINE,
        )
        by_bpftrace = tracer.stop().maps.get("@stalls", {})
    by_lttng = records_of(tmp_path / "run" / "tiffany.pal")
    stalls = stalls_of(by_lttng)
    assert stalls == stalls_of(records_of(tmp_path / "own.pal"))
    # bpftrace prints keys as signed numbers
    assert {tuple(int(part) % 2**64 for part in key.split(",")): count for key, count in by_bpftrace.items()} == {
        stall: 1 for stall in stalls
    }

    # a busy machine may hold up other runs; this one stood by itself, and is told of once
    (task,) = [record["tid"] for record in by_lttng if record["event"] == "Spawned" and record["name"] == "stall"]
    ((worker, _, run_ns),) = [stall for stall in stalls if stall[1] == task]
    (running,) = [record for record in by_lttng if record["event"] == "Running" and record["tid"] == task]
    (done,) = [record for record in by_lttng if record["event"] == "Done" and record["tid"] == task]
    assert worker == int(running["instance"], 16) << 16 | running["worker"], "the worker that runs it, not who told"
    assert BOUND_MS * MS < run_ns <= done["run_ns"]
    assert done["run_ns"] >= STALL_MS * MS
    (at,) = [i for i, record in enumerate(by_lttng) if record["event"] == "Stalled" and record["tid"] == task]
    assert by_lttng.index(running) < at < by_lttng.index(done), "while it lasts"

    # what reads logs takes it as what it is
    for log in (tmp_path / "run" / "tiffany.pal", tmp_path / "own.pal"):
        assert checked([PALTRACE, "check", log]).stdout.endswith("good\n")
        stats = json.loads(checked([PALTRACE, "stats", "--json", log]).stdout)
        (kind,) = [kind for kind in stats["tasks_by_name"] if kind["name"] == "stall"]
        assert kind["stalled"] == {"count": 1, "longest_ns": done["run_ns"]}
        assert stats["other_records"]["Stalled"] == len(stalls)
        assert sum(kind["stalled"]["count"] for kind in stats["tasks_by_name"]) == len(stalls)
        assert stats["schedulers"][0]["stalled"]["count"] == len(stalls)
        text = checked([PALTRACE, "stats", log]).stdout
        assert re.search(r"^runs that stalled\n.*\n(.*\n)*?  demo +- +stall +1 +1\.\d+ s$", text, re.M), text
    checked([PALTRACE, "convert", tmp_path / "own.pal", tmp_path / "own.pal", "-o", tmp_path / "twice.pal"])
    assert stalls_of(records_of(tmp_path / "twice.pal")) == stalls


def test_who_is_not_asked_watches_nothing_and_a_bad_bound_stops_nothing(tmp_path):
    def run(bound):
        environment = {key: value for key, value in os.environ.items() if key != "TIFFANY_STALL"}
        environment.update(TIFFANY_LTTNG="0", TIFFANY_PAL=str(tmp_path / "own.pal"))
        if bound is not None:
            environment["TIFFANY_STALL"] = bound
        done = subprocess.run(
            [program("tiffany-demo"), "--tasks", "4", "--seconds", "0.2", "--stall", "300"],
            env=environment,
            text=True,
            capture_output=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stderr
        return len(stalls_of(records_of(tmp_path / "own.pal"))), done.stderr

    assert run(None) == run("") == run("0s") == (0, "")
    told = "tiffany-demo: nobody watches for runs that do not end: bad_bound\n"
    for bad in ("1", "fast", "-1s", "1.5s"):
        assert run(bad) == (0, told)  # the demo asks, and says so: the library prints nothing
    assert run("1min") == (0, "")
    assert run("50ms")[0] >= 1


def test_a_set_uid_program_does_not_trust_its_environment(tmp_path):
    demo = set_uid_copy(program("tiffany-demo"), tmp_path)
    done = subprocess.run(
        [demo, "--tasks", "4", "--seconds", "0.2"],
        env={**os.environ, "TIFFANY_LTTNG": "0", "TIFFANY_STALL": "bad"},
        text=True,
        capture_output=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, ""), "a bad bound that was looked at is told"


def test_the_script_prints_each_stall_with_the_tasks_name(monkeypatch):
    need_bpftrace()
    monkeypatch.setenv("TIFFANY_STALL", f"{BOUND_MS}ms")
    with WaitingDemo("--seconds", 1, "--stall", STALL_MS) as demo:
        need_files_of(demo.pid)
        with Script([SCRIPTS / "stalls", demo.pid]) as script:
            demo.go()
            script.wait_for(1, r"^\d\d:\d\d:\d\d  stall \(task \d+\) runs for ")
            text = script.ended()
    ((run_us, worker),) = re.findall(r"^\d\d:\d\d:\d\d  stall \(task \d+\) runs for (\d+) us on worker (\d+)$", text, re.M)
    assert BOUND_MS * 1000 < int(run_us) <= STALL_MS * 1000 * 2 and int(worker) == 0
    assert "@stalls[stall]: 1\n" in text


def test_the_script_says_so_where_nobody_watches(monkeypatch):
    need_bpftrace()
    for bound, watched in (("1min", True), (None, False), ("0s", False)):
        if bound is None:
            monkeypatch.delenv("TIFFANY_STALL", raising=False)
        else:
            monkeypatch.setenv("TIFFANY_STALL", bound)
        with WaitingDemo("--seconds", 0) as demo:
            need_files_of(demo.pid)
            demo.go()
            poll(lambda: not watched or "tiffany-stall" in threads_of(demo.pid), "its watch has begun")
            with Script([SCRIPTS / "stalls", demo.pid]) as script:
                said = [f"stalls: nobody watches process {demo.pid} yet, and nothing is told until it has a scheduler and "
                        "TIFFANY_STALL=1s, or watch()\n"]
                assert script.warned == ([] if watched else said), bound
                script.stop()


def threads_of(pid):
    return [thread.joinpath("comm").read_text().strip() for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()]


def computed_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


def test_a_bpftrace_that_comes_while_everything_stands_is_told(monkeypatch):
    need_bpftrace()
    monkeypatch.setenv("TIFFANY_STALL", f"{BOUND_MS}ms")
    monkeypatch.setenv("TIFFANY_LTTNG", "0")
    with WaitingDemo("--seconds", 1, "--stall", 60_000) as demo:  # ended by the end of this block
        need_files_of(demo.pid)
        demo.go()
        poll(lambda: computed_s(demo.pid) > 0.5, "the demo computes without end")
        with Script([SCRIPTS / "stalls", demo.pid]) as script:
            script.wait_for(1, r"^\d\d:\d\d:\d\d  \(before\) \(task \d+\) runs for ")
            script.stop()
        demo.process.kill()  # what stands still does not come to see that it is asked to end


def test_every_command_of_the_page_works(tmp_path):
    commands = re.findall(r"^    (\S.*)$", (SOURCE / "docs/stalls.md").read_text(), re.M)
    tried = set()
    for line in commands:
        line = line.replace("build/release/bin", str(BIN))
        if line.startswith("{"):
            assert json.loads(line)["event"] == "Stalled"
            continue
        if line.startswith("tools/bpftrace/"):
            assert line == "tools/bpftrace/stalls PID"  # above
            continue
        # a ring for all that the demo tells while the log's thread has no CPU
        done = checked(["bash", "-ec", line], cwd=tmp_path, timeout=DEADLINE, env=os.environ | {"TIFFANY_PAL_RING": "64M"})
        words = shlex.split(line)
        tried.update(word.rpartition("/")[2] for word in words)
        if "stats" in words:
            assert "runs that stalled" in done.stdout and re.search(r"^  demo +- +stall +1 ", done.stdout, re.M)
        elif "grep" in words:
            assert len(done.stdout.splitlines()) >= 1
    assert {"tiffany-demo", "stats", "grep"} <= tried
