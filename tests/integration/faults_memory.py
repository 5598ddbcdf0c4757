"""Schedulers, workers and threads begin and end all the time while everything is recorded: memory stays, counts are exact."""

import os
import pathlib
import re
import subprocess

from kit import DEADLINE, children, program

SECONDS, PAUSE_MS = (600, 10) if os.environ.get("TIFFANY_PART") == "long" else (3, 0)
MORE_MIB = 8  # that a process may have at the end, beside what it has after a quarter of the time


def resident_kb(pid):
    try:
        found = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found[1]) if found else None


def test_schedulers_that_come_and_go_keep_memory_flat_and_counts_exact(tmp_path):
    run = tmp_path / "run"
    command = [program("paltrace"), "record", "-o", run, "--buffers", "256kx8", "--", program("churn"), SECONDS, PAUSE_MS]
    recorder = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        resident, quarter, last, transitions = [], {}, {}, None
        for line in recorder.stdout:
            name, number = line.split()
            if name == "transitions":
                transitions = int(number)
                continue
            resident.append(int(number))
            last = {pid: kb for pid in (recorder.pid, *children(recorder.pid)) if (kb := resident_kb(pid))}
            if len(resident) == 5:
                quarter = last
        errors = recorder.stderr.read()
        code = recorder.wait(SECONDS + 5 * DEADLINE)
    finally:
        recorder.kill()
    assert code in (0, 4), errors
    told = re.search(r"recorded \d+ records, (\d+) transitions", errors), re.search(r"lost (\d+) transitions", errors)
    assert int(told[0][1]) + (int(told[1][1]) if told[1] else 0) == transitions, errors
    assert resident[-1] < resident[4] + MORE_MIB * 1024, resident
    grown = {pid: (quarter[pid], kb) for pid, kb in last.items() if kb > quarter.get(pid, kb) + MORE_MIB * 1024}
    assert not grown, "KiB of paltrace and the daemons after a quarter, and at the end"
