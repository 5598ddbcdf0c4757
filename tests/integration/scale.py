"""Five million transitions in one go: recorded, converted and checked, none lost, in bounded memory."""

import json
import os
import subprocess

from kit import program

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
