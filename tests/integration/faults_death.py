"""The traced program is killed: what it told LTTng before is in the log, and other programs keep all of theirs."""

import os
import pathlib
import re
import signal
import sys

import pytest
from faults_daemons import made
from held_thread import take_ends
from kit import held, need_program, poll, program, stop
from recording import PROMISED_END, Running, check, kill_at_once, record
from slept import Slept

SPIN = str(program("spin_transitions"))
SLEEPS = {"115", "128", "219", "230"}  # clock_nanosleep, and that again, of aarch64 and x86-64


def test_who_kills_itself_between_two_events_has_all_of_them_in_the_log(tmp_path):
    done = record(tmp_path / "run", "--", SPIN, "50000", "--kill").expect(128 + signal.SIGKILL)
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0)


@pytest.mark.parametrize("options, pace", [(["--lossless"], []), ([], ["--gently"])], ids=["at full speed, lossless", "gently"])
def test_who_is_killed_at_any_moment_has_every_event_in_the_log_that_was_committed(tmp_path, options, pace):
    """At full speed it is mostly in the middle of an event: LTTng's consumer then reads nothing that lies behind that."""
    need_program("lttng-crash")
    for attempt in range(3):
        counter, announce, run = (tmp_path / f"{name}{attempt}" for name in ("counter", "go", "run"))
        command = [SPIN, "0", *pace, "--counter", counter, "--announce", announce]
        with Running(run, "--crash-safe", *options, "--buffers", "1Mx8", "--", *command, ready=announce) as running:
            poll(lambda: int.from_bytes(counter.read_bytes(), sys.byteorder) > 100_000, "some transitions")
            os.kill(running.child("spin_transitions"), signal.SIGKILL)
            done = running.wait(PROMISED_END).expect(128 + signal.SIGKILL)
            running.nothing_is_left()
        made = int.from_bytes(counter.read_bytes(), sys.byteorder)
        # the last one may lie between its hook and the counter
        assert done.file["transitions"] in (made, made + 1) and done.file["lost"] == 0, done.err
        assert "COMMAND was killed: what was in its buffers is here, too, but for " in done.err
        assert check(run).returncode == 0


def test_who_is_killed_at_any_moment_loses_at_most_the_sub_buffer_that_it_was_telling_into(tmp_path):
    """Without --crash-safe: LTTng's consumer reads no sub-buffer in which there is half an event."""
    sub_buffer, least_record = 1 << 20, 26  # bytes; of a transition's numbers alone
    counter, announce, run = tmp_path / "counter", tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--counter", counter, "--announce", announce]
    with Running(run, "--lossless", "--buffers", "1Mx8", "--", *command, ready=announce) as running:
        poll(lambda: int.from_bytes(counter.read_bytes(), sys.byteorder) > 500_000, "it has filled several")
        os.kill(running.child("spin_transitions"), signal.SIGKILL)
        done = running.wait(PROMISED_END).expect(128 + signal.SIGKILL)
    fired = int.from_bytes(counter.read_bytes(), sys.byteorder)
    print(f"{fired} made, {done.file['transitions']} recorded, {done.file['lost']} lost")
    assert fired - sub_buffer / least_record <= done.file["transitions"] <= fired + 1 and done.file["lost"] == 0, done.err
    assert done.file["tail_unknown"] is True


def stop_between_two_events(spin):
    """All its threads, the workers where they rest."""

    def rests(tid):
        return pathlib.Path(f"/proc/{spin}/task/{tid}/syscall").read_text().split()[0] in SLEEPS

    def all_rest():
        stop(spin)
        if all(rests(tid) for tid in Slept(spin).tids):
            return True
        os.kill(spin, signal.SIGCONT)
        return False

    poll(all_rest, "its workers rest")


@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_of_two_workers_that_are_killed_between_two_events_every_event_is_in_the_log(tmp_path, crash_safe):
    need_program("lttng-crash")
    counter, announce, run = (tmp_path / name for name in ("counter", "go", "run"))
    command = [SPIN, "0", "--workers", "2", "--gently", "--counter", counter, "--announce", announce]
    with Running(run, *crash_safe, "--buffers", "1Mx8", "--", *command, ready=announce) as running:
        poll(lambda: min(made(counter)) > 50_000, "both work")
        spin = running.child("spin_transitions")
        stop_between_two_events(spin)
        fired = sum(made(counter))
        os.kill(spin, signal.SIGKILL)
        done = running.wait(PROMISED_END).expect(128 + signal.SIGKILL)
    print(f"{fired} made, {done.file['transitions']} recorded, {done.file['lost']} lost")
    assert (done.file["transitions"], done.file["lost"]) == (fired, 0), done.err
    assert check(run).returncode == 0


def kill_while_a_worker_stands_still(running, counter, number):
    """The other one goes on, on the same CPU; in most cases the first one has half an event there."""
    spin = running.child("spin_transitions")
    stands_still, goes_on = Slept(spin).tids
    for worker in (stands_still, goes_on):
        os.sched_setaffinity(worker, sorted(os.sched_getaffinity(0))[:1])
    poll(lambda: min(made(counter)) > 50_000, "both work")
    held(stands_still)
    before = sum(made(counter))
    poll(lambda: sum(made(counter)) > before + 50_000, "the other one goes on")
    os.kill(spin, number)

    def is_over():
        take_ends(stands_still)
        return running.process.poll() is not None

    poll(is_over, "paltrace ends")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP], ids=["SIGKILL", "SIGHUP"])
def test_of_two_workers_of_which_one_was_killed_in_the_middle_of_an_event_no_more_is_promised_than_can_be_read(tmp_path, number):
    """lttng-crash reads nothing that lies behind half an event in its sub-buffer; if that has nothing else, nothing behind it."""
    need_program("lttng-crash")
    for attempt in range(3):
        counter, announce, run = (tmp_path / f"{name}{attempt}" for name in ("counter", "go", "run"))
        command = [SPIN, "0", "--workers", "2", "--counter", counter, "--announce", announce]
        with Running(run, "--crash-safe", "--buffers", "1Mx8", "--", *command, ready=announce) as running:
            kill_while_a_worker_stands_still(running, counter, number)
            done = running.wait().expect(128 + number)
        fired = sum(made(counter))
        print(f"{fired} made, {done.file['transitions']} recorded, {done.file['lost']} lost")
        # each one's last one may lie between its hook and the counter
        assert 0 < done.file["transitions"] <= done.file["transitions"] + done.file["lost"] <= fired + 2
        limit = "or lies behind an event that a worker had half written on the same CPU, which is not counted"
        how = "killed" if number == signal.SIGKILL else "ended by a signal while its workers worked"
        assert f"COMMAND was {how}: what was in its buffers is here, too, but for what found no room in its last moments, {limit}" in done.err
        bound = "counted at most" if done.file["lost_at_most"] else "at least"
        assert f"\npaltrace: lost {bound} {done.file['lost']} transitions" in done.err, done.err
        assert (done.file["bad_parts"], done.file["tail_unknown"]) == ([], True)
        judged = check(run)
        assert judged.returncode in (0, 4) and judged.stdout.splitlines()[-1].endswith("some may be missing, uncounted"), judged


@pytest.mark.parametrize("options, pace", [(["--lossless"], []), ([], ["--gently"])], ids=["at full speed, lossless", "gently"])
def test_program_and_daemons_killed_at_once_leave_a_recording_that_paltrace_recovers_by_itself(tmp_path, options, pace):
    need_program("lttng-crash")
    for attempt in range(3):
        counter, announce, run = (tmp_path / f"{name}{attempt}" for name in ("counter", "go", "run"))
        command = [SPIN, "0", *pace, "--counter", counter, "--announce", announce]
        with Running(run, "--crash-safe", *options, "--buffers", "1Mx8", "--", *command, ready=announce) as running:
            poll(lambda: any(file.stat().st_size > 4096 for file in run.glob("trace/**/transitions_*")), "a sub-buffer")
            kill_at_once(*map(running.child, ("spin_transitions", "lttng-consumerd", "lttng-sessiond")))
            done = running.wait(PROMISED_END).expect(128 + signal.SIGKILL)
            running.nothing_is_left()
        made = int.from_bytes(counter.read_bytes(), sys.byteorder)
        print(f"{made} made, {done.file['transitions']} recorded")
        # the last one may lie between its hook and the counter
        assert done.file["transitions"] in (made, made + 1) and done.file["lost"] == 0, done.err
        assert (done.file["bad_parts"], done.file["tail_unknown"]) == ([], True)
        assert "COMMAND was killed: what was in its buffers is here, too, but for " in done.err
        judged = check(run)
        assert judged.returncode == 0 and judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted", judged


@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_of_a_child_of_the_command_that_was_killed_it_is_said_that_its_end_may_be_missing(tmp_path, crash_safe):
    """Nobody but its parent is told how it ended: but it did not say that its worker stopped, and is gone."""
    announce, run = tmp_path / "go", tmp_path / "run"
    script = f"{SPIN} 1000; {SPIN} 0 --gently --announce {announce}; true"
    with Running(run, *crash_safe, "--buffers", "1Mx8", "--", "sh", "-c", script, ready=announce) as running:
        killed = running.child("spin_transitions")
        os.kill(killed, signal.SIGKILL)
        done = running.wait(PROMISED_END).expect(0)
    told = {process["pid"] == killed: (process["ended"], process["tail_unknown"]) for process in done.file["processes"]}
    assert told == {True: (True, True), False: (True, False)}
    assert done.file["tail_unknown"] is True
    said = f"process {killed} (spin_transition) ended, and did not tell that its workers had stopped (killed, or exit() while they worked?): of the last"
    limit = "; --crash-safe keeps the last buffers of COMMAND itself alone" if crash_safe else ""
    assert f"paltrace: {said} second, as a rule up to 1 MiB on each CPU may be missing and not counted; so is what it did after exit(){limit}\n" in done.err
    judged = check(run)
    assert judged.returncode == 0 and f"note: {said} second and after exit() some may be missing, uncounted\n" in judged.stdout, judged
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"


KILLER = """
import os, pathlib, signal, subprocess, sys, time
spin, steady, directory = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
clean = subprocess.Popen([steady, "0", "1000"])
for number in range(60):
    go = directory / f"go{number}"
    killed = subprocess.Popen([spin, "0", "--announce", go])
    while not go.exists():
        time.sleep(0.002)
    killed.kill()
    killed.wait()
clean.send_signal(signal.SIGTERM)
sys.exit(clean.wait())
"""


def test_sixty_programs_that_are_killed_cost_the_one_beside_them_nothing(tmp_path):
    command = [sys.executable, "-c", KILLER, SPIN, program("steady"), tmp_path]
    done = record(tmp_path / "run", "--buffers", "256kx8", "--", *command, timeout=300)
    assert done.code in (0, 4), done.err  # of those that were killed some may have lost some
    counted = int(re.search(r"^transitions (\d+)$", done.out, re.M)[1])
    assert len(done.file["processes"]) == 61
    clean = [process for process in done.file["processes"] if process["name"] == "steady"]
    assert [process["transitions"] for process in clean] == [counted]
    assert done.file["bad_parts"] == []
