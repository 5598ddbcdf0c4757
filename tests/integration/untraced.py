"""What was not traced is no loss: a session that is stopped and started again, and a selection, on the real daemons."""

import json
import os
import re
import signal
import subprocess
import time

from kit import DEADLINE, PrivateLttng, children, poll, program

# small sub-buffers, so that records come soon, and many, so that none is lost while the disk stands still
ROOM = ["--buffers-pid", "--subbuf-size=256k", "--num-subbuf=64"]


def convert(trace, log, *options):
    done = subprocess.run([program("paltrace"), "convert", trace, "-o", log, *options], capture_output=True, text=True,
                          timeout=DEADLINE)
    return done, [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def size(directory):
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def test_a_session_that_was_off_lost_nothing(tmp_path):
    trace = tmp_path / "trace"
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={trace}")
        lttng.lttng("enable-channel", "-u", *ROOM, "all")
        lttng.lttng("enable-event", "-u", "-c", "all", "tiffany:*")
        lttng.lttng("start")
        running = tmp_path / "running"
        spin = [program("spin_transitions"), "0", "--gently", "--announce", running]
        spin = lttng.popen(spin, stdout=subprocess.PIPE, text=True)
        try:
            poll(running.exists, "1,000 transitions")
            lttng.lttng("stop")
            time.sleep(0.1)  # transitions that nobody traces
            before = size(trace)
            lttng.lttng("start")
            poll(lambda: size(trace) > before + 1_000_000, "records of the second part")
        finally:
            for pid in [spin.pid, *children(spin.pid)]:
                try:
                    os.kill(pid, signal.SIGINT)
                except ProcessLookupError:
                    pass
            said = spin.communicate(timeout=DEADLINE)[0]
        lttng.lttng("destroy", "run")
    made = int(re.search(r"transitions (\d+)", said).group(1))
    done, entries = convert(trace, tmp_path / "run.pal", "--strict")
    assert done.returncode == 0, done.stderr
    gaps = [entry for entry in entries if entry["event"] == "Gap"]
    assert gaps and all(gap["lost"] == 0 for gap in gaps), gaps
    untraced = sum(gap["to_seq"] - gap["from_seq"] + 1 for gap in gaps)
    recorded = sum("step" in entry and "seq" in entry for entry in entries)
    assert recorded + untraced == made
    assert f"{untraced} transitions were not traced" in done.stderr
    checked = subprocess.run([program("paltrace"), "check", tmp_path / "run.pal"], capture_output=True, text=True,
                             timeout=DEADLINE)
    assert checked.returncode == 0, checked


def test_a_selection_is_named_and_is_no_loss(tmp_path):
    trace = tmp_path / "trace"
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={trace}")
        lttng.lttng("enable-channel", "-u", *ROOM, "all")
        lttng.lttng("enable-event", "-u", "-c", "all", "tiffany:task_yield")
        lttng.lttng("start")
        lttng.run([program("spin_transitions"), "1000"])
        lttng.lttng("destroy", "run")
    done, entries = convert(trace, tmp_path / "run.pal", "--strict")
    assert done.returncode == 0, done.stderr
    assert "selection" in done.stderr and "task_yield" in done.stderr
    assert entries[0]["events"] == ["task_yield"]
    assert {entry["event"] for entry in entries} == {"Begin", "Yield", "End"}
    assert entries[-1]["lost"] == 0
