"""Five million transitions in one go: recorded, converted and checked, none lost, in bounded memory. And a million tasks
at a time, with the buffers that `paltrace record` takes by itself."""

import json
import os
import re
import signal
import subprocess

from kit import end_process, program

TRANSITIONS = 5_000_000
BOUND_MIB = 128  # of a process that reads; the log is near a gigabyte

PALTRACE = program("paltrace")


def peak_mib(command):
    """Runs a command and returns the most memory that it, or a process it waited for, had at once."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"exit {process.returncode}\n{output}\n{errors}"
    return usage.ru_maxrss / 1024


def test_five_million_transitions(tmp_path):
    report = tmp_path / "own.json"
    demo = [program("tiffany-demo"), "--transitions", TRANSITIONS, "--report", report]
    recorded = peak_mib([PALTRACE, "record", "-o", tmp_path / "run", "--", *demo])
    counted = json.loads(report.read_text())["transitions"]
    assert counted >= TRANSITIONS
    summary = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (summary["transitions"], summary["lost"]) == (counted, 0)

    log = tmp_path / "log.pal"
    converted = peak_mib([PALTRACE, "convert", tmp_path / "run", "-o", log])
    checked = peak_mib([PALTRACE, "check", log])
    print(f"{counted} transitions; peak MiB: convert {converted:.0f}, check {checked:.0f}, record {recorded:.0f}")
    assert max(converted, checked) < BOUND_MIB


def test_a_million_tasks_at_a_time(tmp_path):
    demo = [program("tiffany-demo"), "--crowd", "1000000"]
    command = [str(part) for part in (PALTRACE, "record", "-o", tmp_path / "run", "--", *demo)]
    recorder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert recorder.stdout.readline() == "1000000 tasks stand\n", recorder.stderr.read()
        recorder.send_signal(signal.SIGINT)  # it passes that on
        _, errors = recorder.communicate(timeout=1800)
    finally:
        end_process(recorder)
    assert recorder.returncode == 0 and "paltrace: lost no transition\n" in errors, errors
    summary = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (summary["lost"], summary["lost_others"], summary["not_traced"]) == (0, 0, 0)
    assert summary["transitions"] >= 2_000_000, "each task was spawned and cancelled"
    done = subprocess.run([PALTRACE, "check", tmp_path / "run"], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 and done.stdout.endswith("\ngood\n"), done
    tasks, cancelled = map(int, re.search(r"tasks: (\d+) \(.*cancelled (\d+), end not seen 0\)", done.stdout).groups())
    assert tasks >= 1_000_000 and cancelled >= tasks - 2, "the one that waits for signals ended by itself"
