"""bpftrace comes, goes and is killed, again and again, also two at once: the program is unharmed, its semaphore is 0 in the
end, and what is counted is right."""

import os
import pathlib
import re
import signal
import subprocess

from kit import Bpftrace, checked, end_process, need_bpftrace, poll, private_copy, program, semaphore_of, set_semaphore

TIMES = 100 if os.environ.get("TIFFANY_PART") == "long" else 4


def counting(copy):
    """Says when it counts: bpftrace misses a SIGINT that comes before it has begun to look at what it counted."""
    runs = f'usdt:{copy}:tiffany:task__running {{ @runs = count(); if (@said == 0) {{ @said = 1; printf("it counts\\n"); }} }}'
    return f"{runs} usdt:{copy}:tiffany:task__yield {{ @yields = count(); }}"


def start(copy, *arguments):
    command = [str(part) for part in (copy, *arguments)]
    process = subprocess.Popen(
        command, env={**os.environ, "TIFFANY_LTTNG": "0"}, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    return process


def transitions(process):
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == 0
    return int(re.search(r"^transitions (\d+)$", said, re.M)[1])


def test_it_is_attached_and_ended_or_killed_many_times(tmp_path):
    need_bpftrace()
    copy = private_copy(program("steady"), tmp_path)
    process = start(copy, 0, 200)
    try:
        seen = 0
        for time in range(TIMES):
            with Bpftrace(counting(copy)) as tracer:
                assert semaphore_of(process.pid, copy, "task__running") > 0
                if time % 2 == 0:
                    tracer.process.kill()
                    tracer.process.wait()
                else:
                    tracer.wait_for_printed(1)
                    seen += tracer.stop().maps.get("@runs", 0)
            poll(lambda: semaphore_of(process.pid, copy, "task__running") == 0, "the semaphore is 0 again")
        # two at once, each counts every run from its start to its end
        with Bpftrace(counting(copy)) as first, Bpftrace(counting(copy)) as second:
            known = checked([copy, 1000], env={**os.environ, "TIFFANY_LTTNG": "0"})
            assert "transitions 1001" in known.stdout
            second.process.kill()
            second.process.wait()
            assert semaphore_of(process.pid, copy, "task__running") > 0, "the first one is still there"
            first.wait_for_printed(1)
            assert first.stop().maps["@runs"] > 500
        poll(lambda: semaphore_of(process.pid, copy, "task__running") == 0, "the semaphore is 0 again")
        made = transitions(process)
        assert made > 2 * seen
    finally:
        end_process(process)


def test_two_at_once_count_the_same(tmp_path):
    need_bpftrace()
    copy = private_copy(program("steady"), tmp_path)
    with Bpftrace(counting(copy)) as first, Bpftrace(counting(copy)) as second:
        said = checked([copy, 2000], env={**os.environ, "TIFFANY_LTTNG": "0"}).stdout
        for tracer in (first, second):
            tracer.wait_for_printed(1)
        counts = [tracer.stop().maps for tracer in (first, second)]
    made = int(re.search(r"^transitions (\d+)$", said, re.M)[1])
    assert counts[0] == counts[1]
    # spawned and done are not counted
    assert counts[0]["@runs"] + counts[0]["@yields"] == made - 2


def test_a_semaphore_that_stays_up_changes_no_count(tmp_path):
    """As older kernels leave it when a tracer is killed."""
    need_bpftrace()
    copy = private_copy(program("steady"), tmp_path)
    log = tmp_path / "own.pal"
    process = subprocess.Popen(
        [copy, "0", "1000"], env={**os.environ, "TIFFANY_LTTNG": "0", "TIFFANY_PAL": str(log)}, stdout=subprocess.PIPE, text=True
    )
    try:
        process.stdout.readline()
        set_semaphore(process.pid, copy, "task__running", 1)
        before = log.stat().st_size if log.exists() else 0
        poll(lambda: log.exists() and log.stat().st_size > before + 100_000, "it goes on")
        made = transitions(process)
    finally:
        end_process(process)
    told = sum('"step":' in line and '"seq":' in line for line in pathlib.Path(log).read_text().splitlines())
    assert told == made, "the process's own log has each once"
    assert checked([program("paltrace"), "check", log]).stdout.endswith("good\n")
