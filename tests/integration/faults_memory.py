"""Schedulers, workers and threads begin and end all the time while everything is recorded and scraped: memory stays, counts
are exact."""

import os
import pathlib
import re
import subprocess

from kit import DEADLINE, children, kill_with_all_below, program

SECONDS, PAUSE_MS = (600, 10) if os.environ.get("TIFFANY_PART") == "long" else (3, 0)
PARTS, QUARTER = 20, 5  # how often churn says what memory it has, and the number that the later ones are held against
MORE_MIB = 1  # that a process may have at the end, beside what it has after a quarter of the time
TOOLS = {"paltrace", "paltrace-keeper", "lttng-sessiond", "lttng-consumerd"}


def memory_of(pid):
    """(name, resident KiB); None if it is gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = re.search(r"^VmRSS:\s+(\d+)", status, re.M)
    return found and (re.search(r"^Name:\s+(\S+)", status).group(1), int(found[1]))


def tools_memory(recorder):
    """{(pid, name): resident KiB} of paltrace, its keepers and the daemons."""
    found = {pid: memory_of(pid) for pid in (recorder, *children(recorder))}
    return {(pid, told[0]): told[1] for pid, told in found.items() if told and told[0] in TOOLS}


def test_schedulers_that_come_and_go_keep_memory_flat_and_counts_exact(tmp_path):
    run = tmp_path / "run"
    command = [program("paltrace"), "record", "-o", run, "--buffers", "256kx8", "--", program("churn"), SECONDS, PAUSE_MS]
    recorder = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        resident, tools, counted = [], [], {}
        for line in recorder.stdout:
            name, number = line.split()
            if name == "resident":
                resident.append(int(number))
                tools.append(tools_memory(recorder.pid))
                recorder.stdin.write("\n")
                recorder.stdin.flush()
            else:
                counted[name] = int(number)
        errors = recorder.stderr.read()
        code = recorder.wait(SECONDS + 5 * DEADLINE)
    finally:
        if recorder.poll() is None:
            kill_with_all_below(recorder.pid)
    assert code in (0, 4), errors
    told = re.search(r"recorded \d+ records, (\d+) transitions", errors), re.search(r"lost (\d+) transitions", errors)
    recorded = int(told[0][1]) + (int(told[1][1]) if told[1] else 0)
    assert recorded == counted["transitions"] == counted["metrics"], (counted, errors)

    assert len(resident) == PARTS
    assert all({name for _, name in seen} == TOOLS and set(seen) == set(tools[0]) for seen in tools), tools
    print(f"KiB of the program: {resident}; of the tools: {tools[QUARTER - 1]}, {tools[-1]}")
    allowed = MORE_MIB * 1024
    assert max(resident[QUARTER:]) < resident[QUARTER - 1] + allowed, resident
    for who, before in tools[QUARTER - 1].items():
        later = [seen[who] for seen in tools[QUARTER:]]
        assert max(later) < before + allowed, (who, "KiB after a quarter, and later", before, later)
