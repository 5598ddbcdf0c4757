"""A thread that holds a worker is cancelled (pthread_cancel) while LTTng records it: the thread ends as it is asked to, the
program goes on, and what was recorded is exact. LTTng has cancellation points: it writes to wake the consumer daemon, and
polls where it waits for room."""

import os
import pathlib
import re
import signal

from faults_daemons import written
from kit import DEADLINE, poll, program
from recording import Running, record

CANCELLED = str(program("cancelled"))
PAIRS = 3


def judge(done):
    """Each thread ended as it should, and the recording is exact; how many hooks changed errno."""
    assert done.file["command_status"] == 0, done.err
    said = {name: int(number) for name, number in re.findall(r"^(\w+) (\d+)$", done.out, re.M)}
    assert (said["cancelled"], said["disabled"]) == (2 * PAIRS, 1), done.out
    assert done.file["transitions"] + done.file["lost"] == done.transitions() == said["transitions"]
    assert done.file["tail_unknown"] is False, "each worker told how far it came"
    assert said["errno"] == 0


def test_a_thread_that_is_cancelled_while_it_is_recorded_ends_and_the_program_goes_on(tmp_path):
    done = record(tmp_path / "run", "--buffers", "64kx8", "--", CANCELLED, PAIRS, 200_000, timeout=4 * DEADLINE)
    judge(done)


def with_dead_consumer(directory, *options):
    announce, run = directory / "go", directory / "run"
    command = [CANCELLED, PAIRS, 1_000_000, "--announce", announce]  # more than the buffers hold
    with Running(run, *options, "--", *command, ready=announce) as running:
        poll(lambda: written(run), "the consumer daemon has written what the events mean")
        os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
        poll(lambda: "consumer daemon ended" in pathlib.Path(f"{run}.err").read_text(), "paltrace says so")
        os.kill(running.child("cancelled"), signal.SIGINT)
        done = running.wait(4 * DEADLINE).expect(4)
    assert done.file["lost"] > 0
    return done


def test_threads_that_are_cancelled_while_lossless_waits_for_a_dead_consumer_daemon_end(tmp_path):
    judge(with_dead_consumer(tmp_path, "--lossless", "--buffers", "1Mx8"))


def test_a_dead_consumer_daemon_that_hooks_wake_in_vain_changes_no_errno(tmp_path):
    judge(with_dead_consumer(tmp_path, "--buffers", "1Mx4"))
