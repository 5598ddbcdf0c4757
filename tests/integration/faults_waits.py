"""How long a program that waits for room waits, in all, for a consumer daemon that is dead."""

import contextlib
import os
import pathlib
import signal
import time

import pytest
from faults_daemons import made, written
from kit import DEADLINE, Bpftrace, counting, need_bpftrace, poll, private_copy, program
from record import Running

SPIN = program("spin_transitions")
PROMISED = 2.5  # s: 2 s, and what a wait may be longer than the one before it left


class Slept:
    """How long each worker's thread has slept since this was made: neither ran, nor waited for a CPU.

    A spinning worker sleeps in LTTng's calls alone, so a busy machine adds nothing to it."""

    def __init__(self, pid):
        threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
        self._threads = [thread for thread in threads if not (thread / "comm").read_text().strip().endswith("-ust")]
        self._begin = [self._awake(thread) for thread in self._threads]
        self.tids = [int(thread.name) for thread in self._threads]

    @staticmethod
    def _awake(thread):
        """(now, how long it was on a CPU or waited for one), s."""
        ran, waited, _ = map(int, (thread / "schedstat").read_text().split())
        return time.monotonic(), (ran + waited) / 1e9

    def __call__(self):
        ends = [self._awake(thread) for thread in self._threads]
        return [(end[0] - begin[0]) - (end[1] - begin[1]) for begin, end in zip(self._begin, ends)]


def go_on(counter, by):
    before = made(counter)
    poll(lambda: all(now > then + by for now, then in zip(made(counter), before)), "the workers go on", 2 * DEADLINE)


@contextlib.contextmanager
def spinning(directory, spin):
    """(recording, pid, counter) of two workers at full speed."""
    counter, announce, run = directory / "counter", directory / "go", directory / "run"
    command = [spin, "0", "--workers", "2", "--counter", counter, "--announce", announce]
    with Running(run, "--lossless", "--buffers", "1Mx8", "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        yield running, running.child("spin_transitions"), counter


def kill_consumer(running, spin):
    os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
    slept = Slept(spin)
    assert len(slept.tids) == 2
    return slept


def end(running, spin):
    os.kill(spin, signal.SIGINT)
    done = running.wait().expect(4)
    assert done.file["transitions"] + done.file["lost"] == done.transitions()


def test_a_worker_that_moves_to_a_cpu_where_there_is_room_waits_no_longer_for_a_dead_consumer_daemon(tmp_path):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("one CPU")
    with spinning(tmp_path, SPIN) as (running, spin, counter):
        for tid in Slept(spin).tids:
            os.sched_setaffinity(tid, cpus[:1])
        slept = kill_consumer(running, spin)
        poll(lambda: all(seconds > 0.2 for seconds in slept()), "both workers wait")
        for tid in slept.tids:
            os.sched_setaffinity(tid, cpus[1:])
        go_on(counter, 3_000_000)
        assert max(slept()) <= PROMISED, slept()
        end(running, spin)


def test_tracers_that_come_later_make_no_worker_wait_again_for_a_dead_consumer_daemon(tmp_path):
    need_bpftrace()
    copy = private_copy(SPIN, tmp_path)
    private_copy(program("libtiffany-lttng.so"), tmp_path)  # it is looked for beside the program
    with spinning(tmp_path, copy) as (running, spin, counter):
        slept = kill_consumer(running, spin)
        go_on(counter, 3_000_000)
        for _ in range(2):
            with Bpftrace(counting(copy)) as tracer:
                tracer.wait_for_printed(1)
                go_on(counter, 100_000)
        go_on(counter, 3_000_000)
        assert max(slept()) <= PROMISED, slept()
        end(running, spin)
