"""Under overload what is there and what is missing make up what the program counted; in lossless mode nothing is missing."""

import json
import os
import signal
import subprocess
import time

import pytest
from faults_daemons import made
from faults_waits import go_on
from kit import DEADLINE, PrivateLttng, poll, program
from recording import Running, check, losses_and_records, paltrace, record
from slept import Slept

SPIN = str(program("spin_transitions"))
LONG = os.environ.get("TIFFANY_PART") == "long"
LOSSLESS = 10_000_000 if LONG else 500_000  # each of two workers: in all 50 MB at the least, where the two rings hold 16 MiB


def accounts(directory):
    """(transitions, lost) as convert tells them; the largest figure in the log, and in what convert, check and stats say."""
    log = directory.with_suffix(".pal")
    done = subprocess.run(
        [program("paltrace"), "convert", directory, "-o", log], capture_output=True, text=True, timeout=5 * DEADLINE
    )
    assert done.returncode in (0, 4), done.stderr
    judged = check(directory)
    counted = paltrace("stats", directory)
    assert judged.returncode == counted.returncode == done.returncode, (judged, counted)
    told = [losses_and_records(text) for text in (done.stderr, judged.stdout, judged.stderr, counted.stdout, counted.stderr)]
    assert told[0] and told[1] and told[3], "each of them tells"
    transitions, figures = 0, sum(told, [])
    with open(log, encoding="utf-8") as lines:
        for record_ in map(json.loads, lines):
            transitions += "step" in record_ and "seq" in record_
            figures += [record_[name] for name in ("lost", "lost_others", "tail") if name in record_]
    return transitions, record_["lost"], max(figures)


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_sessions_with_tiny_buffers_each_account_for_all_that_was_fired(tmp_path, workers):
    rooms = {"pid": ["--buffers-pid", "--subbuf-size=4k"], "large": ["--buffers-pid", "--subbuf-size=64k"]}
    with PrivateLttng(tmp_path) as lttng:
        for name, room in rooms.items():
            lttng.lttng("create", name, f"--output={tmp_path / name}")
            lttng.lttng("enable-channel", "-u", "-s", name, *room, "--num-subbuf=2", "c")
            lttng.lttng("enable-event", "-u", "-s", name, "tiffany:task_*", "-c", "c")
            lttng.lttng("enable-channel", "-u", "-s", name, "--buffers-pid", "--subbuf-size=256k", "--num-subbuf=8", "o")
            lttng.lttng("enable-event", "-u", "-s", name, "tiffany:worker_*,tiffany:dump_*", "-c", "o")
            lttng.lttng("start", name)
        said = lttng.run([SPIN, 200_000, "--workers", workers]).stdout
        for name in rooms:
            lttng.lttng("destroy", name)
    fired = int(said.split()[1])
    for name in rooms:
        transitions, lost, largest = accounts(tmp_path / name)
        assert lost > 0, "the test needs a loss"
        assert transitions + lost == fired
        assert largest <= fired


def test_processes_that_share_tiny_buffers_are_told_no_figure_above_what_they_fired(tmp_path):
    """There LTTng's own counts are off by 2^63 and more: two writers of one buffer."""
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path / 'run'}")
        lttng.lttng("enable-channel", "-u", "--buffers-uid", "--subbuf-size=4k", "--num-subbuf=2", "c")
        lttng.lttng("enable-event", "-u", "tiffany:task_*", "-c", "c")
        lttng.lttng("start")
        spinning = [lttng.popen([SPIN, "200000", "--workers", "2"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        fired = sum(int(one.communicate(timeout=DEADLINE)[0].split()[1]) for one in spinning)
        lttng.lttng("destroy", "run")
    transitions, lost, largest = accounts(tmp_path / "run")
    assert transitions > 0 and lost > 0
    assert transitions + lost <= fired
    assert largest <= fired


def test_lossless_loses_nothing_of_two_workers_at_full_speed(tmp_path):
    """However busy the machine is: only who has no CPU for 2 s may cost an event. What is missing then is told exactly,
    which this holds first, so that it says which of the two promises was broken."""
    command = ["--lossless", "--buffers", "1Mx8", "--", SPIN, LOSSLESS, "--workers", "2"]
    done = record(tmp_path / "run", *command, timeout=20 * DEADLINE)
    assert done.file["transitions"] + done.file["lost"] == done.transitions() > 2 * LOSSLESS
    print(f"{done.file['lost']} of {done.transitions()}")
    assert done.expect(0).file["lost_others"] == 0


def test_lossless_loses_nothing_while_a_worker_has_no_cpu_in_the_middle_of_an_event(tmp_path):
    """Its sub-buffer stays open, and the other worker, on the same CPU, would write round the ring to it."""
    counter, announce, run = tmp_path / "counter", tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--workers", "2", "--counter", counter, "--announce", announce]
    with Running(run, "--lossless", "--buffers", "1Mx8", "--", *command, ready=announce) as running:
        spin = running.child("spin_transitions")
        workers = Slept(spin).tids
        for tid in workers:
            os.sched_setaffinity(tid, sorted(os.sched_getaffinity(0))[:1])
        os.setpriority(os.PRIO_PROCESS, workers[1], 15)  # a 28th of the other's share
        before = made(counter)
        poll(lambda: sum(made(counter)) > sum(before) + 4_000_000, "they go on", 2 * DEADLINE)
        os.kill(spin, signal.SIGINT)
        done = running.wait().expect(0)
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0)


def test_lossless_loses_nothing_while_the_consumer_daemon_serves_nobody_for_a_moment(tmp_path):
    """The workers wait for it: without that the buffers are full several times over."""
    for attempt in range(5):
        counter, announce = tmp_path / f"counter{attempt}", tmp_path / f"go{attempt}"
        command = [SPIN, "0", "--workers", "2", "--counter", counter, "--announce", announce]
        options = ["--lossless", "--buffers", "1Mx8"]
        with Running(tmp_path / f"run{attempt}", *options, "--", *command, ready=announce) as running:
            consumer, spin = running.child("lttng-consumerd"), running.child("spin_transitions")
            slept, begin = Slept(spin), time.monotonic()
            os.kill(consumer, signal.SIGSTOP)
            try:
                poll(lambda: min(slept()) > 1.15, "both workers have waited")
            finally:
                os.kill(consumer, signal.SIGCONT)
            served = time.monotonic() - begin < 1.5  # after 2 s they give it up, and count: another test's business
            before = made(counter)
            poll(lambda: all(now > then + 10_000 for now, then in zip(made(counter), before)), "they go on")
            os.kill(spin, signal.SIGINT)
            done = running.wait()
        if served:
            done.expect(0)
            assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0)
            return
    raise AssertionError("five times the test itself had no CPU for a second")


def test_lossless_tells_exactly_what_a_consumer_daemon_cost_that_serves_nobody_for_long(tmp_path):
    counter, announce, run = tmp_path / "counter", tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--workers", "2", "--counter", counter, "--announce", announce]
    with Running(run, "--lossless", "--buffers", "1Mx8", "--", *command, ready=announce) as running:
        consumer = running.child("lttng-consumerd")
        os.kill(consumer, signal.SIGSTOP)
        try:
            go_on(counter, 3_000_000)  # far more than the buffers hold
        finally:
            os.kill(consumer, signal.SIGCONT)
        os.kill(running.child("spin_transitions"), signal.SIGINT)
        done = running.wait().expect(4)
    assert done.file["lost"] > 0 and done.file["lost_others"] == 0
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    assert accounts(run)[:2] == (done.file["transitions"], done.file["lost"])
    (told,) = [line for line in done.err.splitlines() if f": lost {done.file['lost']} transitions" in line]
    assert "for 2 s, and --lossless waits no longer" in told and "or --lossless" not in told
