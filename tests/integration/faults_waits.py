"""How long a program that waits for room waits, in all, and what it does when it stood still itself meanwhile."""

import contextlib
import os
import pathlib
import signal
import time

from faults_daemons import PROMISED_WAIT as PROMISED, made, written
from kit import DEADLINE, Bpftrace, counting, held, need_bpftrace, poll, private_copy, program, two_cpus
from recording import Running, check
from slept import Slept

SPIN = program("spin_transitions")
STANDS_STILL = 2.5  # s: longer than a worker waits


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


def times_asleep(pid, tid):
    status = pathlib.Path(f"/proc/{pid}/task/{tid}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def suspended_in_an_event(spin, counter):
    """The second worker, stopped where the first one waits for it: it looks every 0.1 ms, while LTTng sleeps for 100."""
    first, second = Slept(spin).tids
    for _ in range(500):
        suspended = held(second)
        looks, before = times_asleep(spin, first), made(counter)[0]
        poll(
            lambda: made(counter)[0] > before + 1_000_000 or times_asleep(spin, first) > looks + 300,
            "the first one goes on, or waits",
            2 * DEADLINE,
        )
        if made(counter)[0] <= before + 1_000_000:
            return suspended
        suspended.let_go()
        go_on(counter, 10_000)  # it would be stopped where it was
    raise AssertionError("five hundred times it was between two events")


def kill_consumer(running, spin):
    os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
    slept = Slept(spin)
    assert len(slept.tids) == 2
    return slept


def end(running, spin):
    os.kill(spin, signal.SIGINT)
    done = running.wait().expect(4)
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    return done


def test_a_worker_that_moves_to_a_cpu_where_there_is_room_waits_no_longer_for_a_dead_consumer_daemon(tmp_path):
    cpus = two_cpus()
    with spinning(tmp_path, SPIN) as (running, spin, counter):
        for tid in Slept(spin).tids:
            os.sched_setaffinity(tid, cpus[:1])
        slept = kill_consumer(running, spin)
        poll(lambda: all(seconds > 0.2 for seconds in slept()), "both workers wait")
        for tid in slept.tids:
            os.sched_setaffinity(tid, cpus[1:])
        go_on(counter, 3_000_000)
        assert 1.5 < max(slept.said()) <= PROMISED
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
        assert 1.5 < max(slept.said()) <= PROMISED
        end(running, spin)


def test_a_worker_that_has_waited_for_another_one_without_a_cpu_waits_for_no_dead_consumer_daemon_on_top(tmp_path):
    cpus = two_cpus()
    with spinning(tmp_path, SPIN) as (running, spin, counter):
        for tid, cpu in zip(Slept(spin).tids, cpus):  # in one buffer LTTng would discard, and not wait
            os.sched_setaffinity(tid, [cpu])
        second = suspended_in_an_event(spin, counter)
        slept = Slept(spin)
        os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
        before = made(counter)[0]
        poll(lambda: made(counter)[0] > before + 3_000_000, "the first one goes on", 2 * DEADLINE)
        assert slept.said()[0] <= 2.3  # s: 2, and a look at the other one; a wait for the consumer on top made it 2.43 to 2.54
        second.let_go()
        go_on(counter, 3_000_000)
        end(running, spin)


def test_what_a_worker_leaves_out_for_another_one_without_a_cpu_is_counted_and_it_tells_again_when_that_is_done(tmp_path):
    with spinning(tmp_path, SPIN) as (running, spin, counter):
        second = suspended_in_an_event(spin, counter)
        before = made(counter)[0]
        poll(lambda: made(counter)[0] > before + 3_000_000, "the first one goes on", 2 * DEADLINE)
        second.let_go()
        go_on(counter, 10_000)
        at_most = made(counter)[0] - before
        go_on(counter, 1_000_000)
        done = end(running, spin)
        assert 2_000_000 < done.file["lost"] <= at_most
    judged = check(tmp_path / "run")
    assert judged.returncode == 4 and f"lost: {done.file['lost']} transitions (gaps: 1," in judged.stdout, judged.stdout + judged.stderr


def test_a_program_that_stood_still_while_its_workers_waited_goes_on_and_loses_nothing(tmp_path):
    for attempt in range(5):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        with spinning(directory, SPIN) as (running, spin, counter):
            consumer = running.child("lttng-consumerd")
            slept, begin = Slept(spin), time.monotonic()
            os.kill(consumer, signal.SIGSTOP)
            poll(lambda: min(slept()) > 0.3, "both workers wait")
            os.kill(spin, signal.SIGSTOP)
            in_time = time.monotonic() - begin < 1.5  # after 2 s they give it up, and count: another test's business
            os.kill(consumer, signal.SIGCONT)
            time.sleep(STANDS_STILL)
            os.kill(spin, signal.SIGCONT)
            go_on(counter, 300_000)
            os.kill(spin, signal.SIGINT)
            done = running.wait()
        if in_time:
            done.expect(0)
            assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0)
            return
    raise AssertionError("five times the test itself had no CPU for a second")


def test_a_program_that_stood_still_waits_no_longer_for_a_dead_consumer_daemon(tmp_path):
    with spinning(tmp_path, SPIN) as (running, spin, counter):
        slept = kill_consumer(running, spin)
        poll(lambda: all(seconds > 0.3 for seconds in slept()), "both workers wait")
        begin = time.monotonic()
        os.kill(spin, signal.SIGSTOP)
        time.sleep(STANDS_STILL)
        os.kill(spin, signal.SIGCONT)
        stood_still = time.monotonic() - begin
        go_on(counter, 3_000_000)
        assert max(slept.said()) <= stood_still + PROMISED
        end(running, spin)
