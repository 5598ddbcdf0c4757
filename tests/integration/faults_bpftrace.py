"""bpftrace comes, goes and is killed, again and again, also two at once: the program is unharmed, its semaphore is 0 in the
end, and what is counted is right."""

import os
import pathlib
import re
import signal
import subprocess

from kit import DEADLINE, Bpftrace, checked, counting, end_process, need_bpftrace, poll, private_copy, program, semaphore_of, set_semaphore

TIMES = 100 if os.environ.get("TIFFANY_PART") == "long" else 4


def start(copy, *arguments):
    command = [str(part) for part in (copy, *arguments)]
    process = subprocess.Popen(
        command, env={**os.environ, "TIFFANY_LTTNG": "0"}, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    return process


def transitions(process):
    """Ends it, and returns how many it made."""
    process.send_signal(signal.SIGTERM)
    said = process.stdout.read()
    process.wait(DEADLINE)
    return made(said, process)


def made(said, process):
    assert process.returncode == 0
    return int(re.search(r"^transitions (\d+)$", said, re.M)[1])


def run_1000(copy):
    """(pid, how many transitions) of a process that was run to its end."""
    process = start(copy, 1000)
    said = process.stdout.read()  # the first line may have come with the last one
    process.wait(DEADLINE)
    return process.pid, made(said, process)


def told_of(maps, pid):
    """What bpftrace counted of a process: all its transitions but Spawned and Done."""
    return sum(maps.get(name, {}).get(str(pid), 0) for name in ("@runs", "@yields"))


def test_it_is_attached_and_ended_or_killed_many_times(tmp_path):
    need_bpftrace()
    copy = private_copy(program("steady"), tmp_path)
    process = start(copy, 0, 200)
    try:
        seen = 0
        for time in range(TIMES):
            with Bpftrace(counting(copy)) as tracer:
                assert semaphore_of(process.pid, copy, "task__running") > 0
                # one that begins and ends now is counted exactly, whatever became of the tracers before
                pid, count = run_1000(copy)
                tracer.wait_for_printed(2)
                if time % 2 == 0:
                    tracer.process.kill()
                    tracer.process.wait()
                else:
                    maps = tracer.stop().maps
                    assert told_of(maps, pid) == count - 2
                    assert told_of(maps, process.pid) > 0
                    seen += told_of(maps, process.pid)
            poll(lambda: semaphore_of(process.pid, copy, "task__running") == 0, "the semaphore is 0 again")
        # of two at once the one that is killed takes nothing from the other
        with Bpftrace(counting(copy)) as first, Bpftrace(counting(copy)) as second:
            second.process.kill()
            second.process.wait()
            assert semaphore_of(process.pid, copy, "task__running") > 0, "the first one is still there"
            pid, count = run_1000(copy)
            first.wait_for_printed(2)
            maps = first.stop().maps
            assert told_of(maps, pid) == count - 2
            seen += told_of(maps, process.pid)
        poll(lambda: semaphore_of(process.pid, copy, "task__running") == 0, "the semaphore is 0 again")
        assert seen < transitions(process), "no more is told than it made"
    finally:
        end_process(process)


def test_two_at_once_count_the_same(tmp_path):
    need_bpftrace()
    copy = private_copy(program("steady"), tmp_path)
    with Bpftrace(counting(copy)) as first, Bpftrace(counting(copy)) as second:
        pid, count = run_1000(copy)
        for tracer in (first, second):
            tracer.wait_for_printed(1)
        maps = [tracer.stop().maps for tracer in (first, second)]
    assert [told_of(one, pid) for one in maps] == [count - 2] * 2


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
