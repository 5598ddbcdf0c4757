"""What the ends of workers cost, and tell, when LTTng's consumer daemon is dead and a buffer full: of a program that parks
much, so that its parks fill their buffer before its transitions do theirs."""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest
from faults_daemons import written
from faults_waits import PROMISED, SPIN, go_on
from kit import DEADLINE, PrivateLttng, poll
from recording import Running, check
from slept import Slept, SleptUntilItsEnd

WORKERS = 8


@contextlib.contextmanager
def parking(directory, *options):
    """(recording, pid, counter) of workers that park more than they run; some of it is on disk."""
    counter, announce, run = directory / "counter", directory / "go", directory / "run"
    command = [SPIN, "0", "--workers", WORKERS, "--parks", "16", "--again", "6", "--counter", counter, "--announce", announce]
    with Running(run, "--buffers", "1Mx8", *options, "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        yield running, running.child("spin_transitions"), counter


@pytest.mark.parametrize("lossless", [[], ["--lossless"]], ids=["counted", "lossless"])
@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_of_a_program_that_parks_much_the_loss_is_exact_though_its_parks_have_no_room(tmp_path, lossless, crash_safe):
    """And with --lossless each worker waits once, and not again at its end; who begins then does not wait at all."""
    with parking(tmp_path, *lossless, *crash_safe) as (running, spin, counter):
        os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
        slept = Slept(spin)
        assert len(slept.tids) == WORKERS
        poll(lambda: "consumer daemon ended" in pathlib.Path(f"{running.directory}.err").read_text(), "paltrace says so")
        go_on(counter, 100_000)  # by each: the room for parks is gone after a fifth of that
        waited = slept.said()
        if crash_safe:
            pass  # its buffers are files: who writes to them may sleep for the disk
        elif lossless:
            assert max(waited) <= PROMISED and min(waited) > 1.5, waited
        else:
            assert max(waited) < 1.0, "nobody waits"
        ends = SleptUntilItsEnd(pathlib.Path(f"/proc/{spin}/task/{spin}"))  # it then has six more schedulers
        os.kill(spin, signal.SIGINT)
        poll(lambda: ends.look() or running.process.poll() is not None, "it ends", 2 * DEADLINE)
        print(f"six more schedulers: {ends.seconds:.2f} s")
        assert crash_safe or ends.seconds < 1.5, f"nobody waits anew: {ends.seconds} s"
        done = running.wait(2 * DEADLINE).expect(4)
    assert done.file["lost"] > 0 and done.file["tail_unknown"] is False, "each worker told how far it came"
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    assert f"lost {done.file['lost']} transitions" in done.err
    judged = check(tmp_path / "run")
    told = judged.stderr, judged.stdout, {key: done.file[key] for key in ("records", "transitions", "lost")}
    assert judged.returncode == 4 and f"lost: {done.file['lost']} transitions" in judged.stdout, told


def test_the_ends_of_workers_that_wait_for_a_dead_consumer_daemon_add_up_for_nobody(tmp_path):
    """In a session by hand, with one blocking channel for all events: that a worker ends finds no room there."""
    counter, go, beside = (tmp_path / name for name in ("counter", "go", "beside"))
    with PrivateLttng(tmp_path) as lttng:
        lttng.start_blocking_session(tmp_path / "trace", 2_000_000)  # us
        command = [SPIN, "0", "--workers", WORKERS, "--counter", counter, "--announce", go, "--beside", beside]
        env = {"LTTNG_UST_ALLOW_BLOCKING": "1"}
        spin = lttng.popen(command, env=env, stdout=subprocess.PIPE, text=True)
        poll(go.exists, "it runs")
        for pid in lttng.consumers():
            os.kill(pid, signal.SIGKILL)
        go_on(counter, 100_000)  # each has waited, and was let go
        beside.touch()
        threads = list(pathlib.Path(f"/proc/{spin.pid}/task").iterdir())
        (other,) = (thread for thread in threads if (thread / "comm").read_text().strip() == "beside")
        others = SleptUntilItsEnd(other)
        ends = SleptUntilItsEnd(pathlib.Path(f"/proc/{spin.pid}/task/{spin.pid}"))  # the first worker's, which waits for all others
        spin.send_signal(signal.SIGINT)
        poll(lambda: others.look() or ends.look() or spin.poll() is not None, "it ends", 4 * DEADLINE)
        assert spin.returncode == 0
        print(f"asleep at the ends: {ends.seconds:.2f} s, beside them: {others.seconds:.2f} s")
        assert ends.seconds < 0.5 * 2 * WORKERS, f"{ends.seconds} s of {2 * WORKERS}"
        assert others.seconds < 1.0, f"a count of an idle scheduler, or a fork, waited {others.seconds} s"
