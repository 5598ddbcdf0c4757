"""paltrace record always ends what it started, whoever is interrupted or killed, and never what it watches."""

import contextlib
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import sys
import time

import pytest
from kit import DEADLINE, alive, children, need_program, parent, poll, program, two_cpus
from recording import (
    PROMISED_END,
    Running,
    check,
    count_in,
    entries,
    in_shell,
    lttng_is_installed,
    paltrace,
    record,
    rescue_line,
    run_until_announced,
    spin,
    temporary,
    transitions_of,
)

pytestmark = pytest.mark.usefixtures("lttng_is_installed")


@pytest.mark.parametrize("whom", ["the group, as a terminal does", "paltrace alone"])
def test_ctrl_c_ends_everything_and_the_trace_is_whole(tmp_path, spin, whom):
    with run_until_announced(tmp_path, spin) as running:
        if whom == "paltrace alone":
            os.kill(running.process.pid, signal.SIGINT)
        else:
            os.killpg(running.process.pid, signal.SIGINT)
        done = running.wait()
        running.nothing_is_left()
    # how fast it ran decides whether its buffers were large enough
    assert done.code in (0, 4), done.err
    assert done.file["command_status"] == 0
    assert done.file["transitions"] + done.file["lost"] == done.transitions() > 1000


def test_ctrl_c_at_a_terminal_reaches_the_command_once(tmp_path):
    counter = tmp_path / "count.py"
    counter.write_text(
        "import pathlib, signal, sys, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGINT, lambda *_: seen.append(time.monotonic()))\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "while not seen or time.monotonic() < seen[0] + 1: time.sleep(0.05)\n"
        "sys.exit(10 + len(seen))\n"
    )
    go = tmp_path / "go"
    command = [program("paltrace"), "record", "-o", tmp_path / "run", "--", sys.executable, counter, go]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], [str(part) for part in command])
    try:
        poll(go.exists, "the command works")
        os.write(terminal, b"\x03")
        poll(lambda: not alive(pid), "paltrace has ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 11


def test_a_command_that_dies_of_ctrl_c_gives_130(tmp_path):
    with Running(tmp_path / "run", "--", "sh", "-c", f"touch {tmp_path}/go; exec sleep 1000", ready=tmp_path / "go") as it:
        os.killpg(it.process.pid, signal.SIGINT)
        it.wait().expect(128 + signal.SIGINT)
        it.nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_ignores_the_end_is_killed(tmp_path, spin, number):
    command = ["env", "--ignore-signal=HUP", spin, "0", "--gently", "--stubborn", "--announce", tmp_path / "go"]
    with Running(tmp_path / "run", "--", *command, ready=tmp_path / "go") as running:
        os.kill(running.process.pid, number)
        done = running.wait().expect(128 + signal.SIGKILL)
        running.nothing_is_left()
    assert "was killed" in done.err
    assert done.file["transitions"] > 0


def interrupt_three_times(running):
    """Until that has killed the command: two that come while paltrace has no CPU are one, and three are three within 2 s.

    No more often than that: once paltrace has begun to read what it recorded, one would end it."""
    command = running.child("spin_transitions")
    for _ in range(10):
        for _ in range(3):
            if alive(command):
                os.kill(running.process.pid, signal.SIGINT)
                time.sleep(0.2)
        end = time.monotonic() + 3
        while alive(command) and time.monotonic() < end:
            time.sleep(0.02)
        if not alive(command):
            return
    raise AssertionError("ten times the command went on")


def test_three_ctrl_c_end_a_command_that_ignores_them(tmp_path, spin):
    with run_until_announced(tmp_path, spin, "--stubborn") as running:
        interrupt_three_times(running)
        running.wait().expect(128 + signal.SIGKILL)
        running.nothing_is_left()


def kill_9_of_paltrace(running):
    """COMMAND and what it started go on, nothing else does."""
    go_on = set(children(running.child("sh"))) | {running.child("sh")}
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(DEADLINE)
    for pid in set(running.started) - go_on:
        poll(lambda: not alive(pid), f"process {pid} has ended")
    assert all(map(alive, go_on)), running.started


@pytest.mark.parametrize("options", [[], ["--lossless"], ["--crash-safe"]], ids=["counted loss", "lossless", "crash-safe"])
def test_kill_9_of_paltrace_leaves_the_command_which_goes_on_to_its_own_end(tmp_path, temporary, spin, options):
    announce, counter = tmp_path / "go", tmp_path / "counter"
    script = f"{spin} 0 --gently --counter {counter} --announce {announce}; echo status $?"
    with Running(tmp_path / "run", *options, "--", "sh", "-c", script, ready=announce) as running:
        assert len(entries(temporary)) == 1
        recorded = count_in(counter)
        kill_9_of_paltrace(running)
        assert not entries(temporary), "its private directory is gone"
        before = count_in(counter)
        poll(lambda: count_in(counter) > before + 1000, "it works")
        os.kill(running.child("spin_transitions"), signal.SIGTERM)
        running.nothing_is_left()
        done = running.wait()
    assert done.out.splitlines() == [f"transitions {count_in(counter)}", "status 0"]
    # its session was ended in good order: what it did until then is there, without a gap
    log = tmp_path / "run.pal"
    assert paltrace("convert", tmp_path / "run" / "trace", "-o", log).returncode == 0
    assert recorded <= transitions_of(log) <= done.transitions()


def test_kill_9_of_paltrace_keeps_no_lossless_command_waiting_that_has_no_room(tmp_path, spin):
    """Its workers wait for room most of the time, at full speed with the smallest buffers."""
    announce, counter = tmp_path / "go", tmp_path / "counter"
    script = f"{spin} 0 --workers 2 --counter {counter} --announce {announce}; echo status $?"
    run = ["--lossless", "--buffers", "1Mx8", "--", "sh", "-c", script]
    with Running(tmp_path / "run", *run, ready=announce) as running:
        kill_9_of_paltrace(running)
        before = count_in(counter)
        poll(lambda: count_in(counter) > before + 100_000, "it works")
        os.kill(running.child("spin_transitions"), signal.SIGTERM)
        running.nothing_is_left()
        assert running.wait().out.endswith("status 0\n")


def test_kill_9_of_paltrace_leaves_a_trace_that_can_be_read(tmp_path, spin):
    for attempt in range(3):  # it was luck once
        run, announce, counter = (tmp_path / f"{name}{attempt}" for name in ("run", "go", "counter"))
        script = f"{spin} 0 --counter {counter} --announce {announce}; true"
        with Running(run, "--", "sh", "-c", script, ready=announce) as running:
            poll(lambda: any(file.stat().st_size > 4096 for file in run.rglob("transitions_*")), "a sub-buffer is on disk")
            kill_9_of_paltrace(running)
            os.kill(running.child("spin_transitions"), signal.SIGTERM)
            running.nothing_is_left()
        told = json.loads((run / "record.json").read_text())
        unknown = ("ended", "command_status", "own_status", "exit_status", "transitions")
        assert [told[key] for key in unknown] == [None] * len(unknown) and told["tail_unknown"] is True
        for input_ in (run, run / "trace", run / "trace" / "ust"):
            judged = check(input_)
            assert judged.returncode in (0, 4) and "note: record.json has no end" in judged.stdout  # 4: it lost some
            assert re.search(r"^lost: (at least|counted at most) \d+ transitions", judged.stdout, re.M), judged
            verdict = judged.stdout.splitlines()[-1]
            assert verdict.startswith("good, but ") and verdict.endswith("some may be missing, uncounted")
        done = paltrace("convert", run / "trace", "-o", run / "run.pal")
        assert done.returncode == judged.returncode, done.stderr
        # the last one may lie between its hook and the counter
        assert 0 < transitions_of(run / "run.pal") <= count_in(counter) + 1


def test_kill_9_of_paltrace_leaves_a_crash_safe_recording_whose_buffers_are_not_taken_for_traces(tmp_path, spin):
    need_program("lttng-crash")
    run, announce = tmp_path / "run", tmp_path / "go"
    script = f"{spin} 0 --announce {announce}; true"
    with Running(run, "--crash-safe", "--", "sh", "-c", script, ready=announce) as running:
        poll(lambda: any(file.stat().st_size > 4096 for file in run.glob("trace/**/transitions_*")), "a sub-buffer is on disk")
        kept = poll(lambda: list(run.glob("shm-kept/**/metadata")), "the buffers have second names")
        kill_9_of_paltrace(running)
        os.kill(running.child("spin_transitions"), signal.SIGTERM)
        running.nothing_is_left()
        line = rescue_line(running.wait().err)
    assert kept[0].exists(), "they survive paltrace"
    assert f"note: shm-kept has buffers that may hold more; when the recording is over: {line}\n" in check(run).stdout
    done = in_shell(line)
    assert done.returncode in (0, 4), done  # 4: one CPU's last sub-buffer had not been taken
    paltrace("convert", run / "trace", "-o", run / "trace.pal")
    assert transitions_of(run / "recovered.pal") >= transitions_of(run / "trace.pal") > 0
    for directories in ("trace and recovered", "trace"):
        judged = check(run)
        assert judged.returncode in (0, 4), (directories, judged)  # 4: one CPU's last sub-buffer had not been taken
        verdict = judged.stdout.splitlines()[-1]
        assert verdict.startswith("good, but ") and verdict.endswith("some may be missing, uncounted"), directories
        assert judged.stderr == "", directories
        shutil.rmtree(run / "recovered", ignore_errors=True)
    done = paltrace("convert", run, "-o", tmp_path / "run.pal")
    assert done.returncode in (0, 4), done.stderr


def test_of_several_recordings_the_one_that_was_killed_is_named(tmp_path, spin):
    all_ = tmp_path / "all"
    all_.mkdir()
    record(all_ / "whole", "--", spin, "1000").expect(0)
    assert check(all_).stdout.splitlines()[-1] == "good"
    record(all_ / "cut", "--", "sh", "-c", f"{spin} 1000; kill -9 $$").expect(128 + signal.SIGKILL)
    (all_ / "elsewhere").mkdir()
    (all_ / "elsewhere" / "record.json").write_text("not ours")
    judged = check(all_)
    assert "note: cut: COMMAND was killed" in judged.stdout
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"


def test_kill_9_of_paltrace_does_not_reach_what_the_command_started(tmp_path):
    script = f"setsid sleep 1000 & setsid sh -c 'sleep 1000 & wait' & sleep 0.2; touch {tmp_path}/go; wait"
    with Running(tmp_path / "run", "--", "sh", "-c", script, ready=tmp_path / "go") as running:
        kill_9_of_paltrace(running)


def test_kill_9_of_the_keepers_ends_the_daemons_and_the_command_goes_on(tmp_path, temporary, spin):
    with run_until_announced(tmp_path, spin, "--exit", "7") as running:
        for pid in running.started:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # some have ended meanwhile
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "paltrace-keeper":
                    os.kill(pid, signal.SIGKILL)
        poll(lambda: "session daemon ended" in pathlib.Path(f"{tmp_path}/run.err").read_text(), "paltrace says so")
        assert alive(running.child("spin_transitions"))
        os.kill(running.process.pid, signal.SIGTERM)
        done = running.wait().expect(7)
        running.nothing_is_left()
        assert not entries(temporary)
    assert done.file["command_status"] == 7 and done.file["own_status"] == 3


def test_a_command_whose_keeper_was_killed_is_recorded_to_its_end(tmp_path, spin):
    with run_until_announced(tmp_path, spin, "--exit", "7") as running:
        os.kill(parent(running.child("spin_transitions")), signal.SIGKILL)
        poll(lambda: parent(running.child("spin_transitions")) == running.process.pid, "paltrace is its parent")
        os.kill(running.process.pid, signal.SIGINT)
        done = running.wait().expect(7)
        running.nothing_is_left()
    assert done.file["transitions"] + done.file["lost"] == done.transitions()


def test_a_command_whose_keeper_was_killed_and_that_ignores_the_end_is_killed(tmp_path, spin):
    with run_until_announced(tmp_path, spin, "--stubborn") as running:
        os.kill(parent(running.child("spin_transitions")), signal.SIGKILL)
        interrupt_three_times(running)
        running.wait().expect(128 + signal.SIGKILL)
        running.nothing_is_left()


def test_orphans_of_a_command_whose_keeper_was_killed_are_reaped_as_they_end(tmp_path):
    announce, go, pids, stop = (tmp_path / name for name in ("announce", "go", "pids", "stop"))
    orphans = f"for i in 1 2 3 4 5 6 7 8; do (sh -c 'echo $$' >>{pids} &); done"
    wait_for = "while [ ! -e {} ]; do sleep 0.05; done"
    script = f"touch {announce}; {wait_for.format(go)}; {orphans}; {wait_for.format(stop)}; exit 7"
    with Running(tmp_path / "run", "--", "sh", "-c", script, ready=announce) as running:
        command = running.child("sh")
        os.kill(parent(command), signal.SIGKILL)
        poll(lambda: parent(command) == running.process.pid, "paltrace is its parent")
        go.touch()
        ended = poll(lambda: pids.exists() and len(pids.read_text().split()) == 8 and pids.read_text().split(), "all have begun")
        for pid in ended:
            poll(lambda: not pathlib.Path(f"/proc/{pid}").exists(), f"process {pid} has been reaped")
        assert running.process.poll() is None
        stop.touch()
        assert running.wait().code == 7


@pytest.mark.parametrize("keeper", ["lives", "was killed"])
def test_paltrace_adopts_nothing_once_the_command_has_ended(tmp_path, monkeypatch, keeper):
    """It is busy with the recording then, for as long as that takes, and reaps nobody."""
    announce, go, ending, later, orphan, done = (
        tmp_path / name for name in ("announce", "go", "ending", "later", "orphan", "done")
    )
    wait_for = "while [ ! -e {} ]; do sleep 0.05; done"
    wrapper = tmp_path / "bin" / "lttng"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase " $* " in *" stop "*) touch {ending}; {wait_for.format(done)};; esac\n'
        f'exec {shutil.which("lttng")} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    last = f"sh -c 'echo $$ >{orphan}.new; mv {orphan}.new {orphan}; {wait_for.format(done)}'"
    left = f'setsid sh -c "{wait_for.format(later)}; {last.replace("$", chr(92) + "$")} &" >/dev/null 2>&1 &'
    script = f"touch {announce}; {left} {wait_for.format(go)}"
    with Running(tmp_path / "run", "--", "sh", "-c", script, ready=announce) as running:
        if keeper == "was killed":
            command = running.child("sh")
            os.kill(parent(command), signal.SIGKILL)
            poll(lambda: parent(command) == running.process.pid, "paltrace is its parent")
        go.touch()
        poll(ending.exists, "COMMAND has ended")
        later.touch()
        poll(orphan.exists, "what it left has started a process")
        left_by_it = int(orphan.read_text())
        names = {"sh"}  # of its parent, until that has ended
        poll(lambda: pathlib.Path(f"/proc/{parent(left_by_it)}/comm").read_text().strip() not in names, "it is an orphan")
        assert left_by_it not in children(running.process.pid)
        done.touch()
        running.wait()


def test_the_command_goes_on_when_the_session_daemon_dies(tmp_path, spin):
    with run_until_announced(tmp_path, spin) as running:
        os.kill(running.child("lttng-sessiond"), signal.SIGKILL)
        poll(lambda: "session daemon ended" in pathlib.Path(f"{tmp_path}/run.err").read_text(), "paltrace says so")
        assert alive(running.child("spin_transitions"))
        os.kill(running.process.pid, signal.SIGINT)
        done = running.wait(PROMISED_END).expect(3)
        running.nothing_is_left()
    assert done.file["command_status"] == 0 and done.file["own_status"] == 3


def test_what_a_command_leaves_running_in_good_order_lives_on(tmp_path, spin):
    script = f"setsid sleep 1000 >/dev/null 2>&1 & echo left $!; exec {spin} 1000"
    done = record(tmp_path / "run", "--", "sh", "-c", script).expect(0)
    left = int(re.search(r"^left (\d+)$", done.out, re.M)[1])
    assert alive(left)
    os.kill(left, signal.SIGKILL)


@pytest.fixture
def lose_a_cpu(tmp_path, monkeypatch):
    """Once LTTng has written all of a trace, what was recorded on the second CPU is deleted."""
    cpus = two_cpus()
    wrapper = tmp_path / "bin" / "lttng"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f"#!/bin/sh\n{shutil.which('lttng')} \"$@\"; status=$?\n"
        f'case " $* " in *" stop "*) find {tmp_path}/run/trace -name transitions_{cpus[1]} -delete;; esac\nexit $status\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    return cpus


def record_on_two_cpus(tmp_path, spin, cpus, *options):
    """On the first CPU, on the second, and on the first again."""
    counter, announce = tmp_path / "counter", tmp_path / "go"
    command = ["taskset", "-c", cpus[0], spin, "0", "--gently", "--counter", counter, "--announce", announce, *options]
    with Running(tmp_path / "run", "--", *command, ready=announce) as running:
        for cpu in (cpus[1], cpus[0]):
            for task in pathlib.Path(f"/proc/{running.child('spin_transitions')}/task").iterdir():
                os.sched_setaffinity(int(task.name), [cpu])
            before = count_in(counter)
            poll(lambda: count_in(counter) > before + 1000, "it goes on")
        os.kill(running.process.pid, signal.SIGTERM)
        return running.wait()


def test_what_a_process_left_half_written_is_lost_without_advice_on_buffers(tmp_path, spin, lose_a_cpu):
    """LTTng reads no sub-buffer in which an event is not whole, as of a process that ends beside threads that work."""
    done = record_on_two_cpus(tmp_path, spin, lose_a_cpu, "--quit").expect(4)
    lost = done.file["lost"]
    made = count_in(tmp_path / "counter")
    print(f"{made} made, {done.file['transitions']} recorded, {lost} lost")
    assert lost > 1000 and done.file["transitions"] + lost == made
    assert done.file["bad_parts"] == [] and done.file["tail_unknown"] is True
    half = f"LTTng did not discard {lost} of them: perhaps a process ended in the middle of an event, and nobody reads what it left half written"
    assert f"paltrace: lost at least {lost} transitions; {half}\n" in done.err
    assert "give --buffers" not in done.err and "transitions are missing" not in done.err
    judged = check(tmp_path / "run")
    assert judged.returncode == 4
    assert judged.stdout.splitlines()[-1] == f"good, but {lost} transitions lost, some may be missing, uncounted"


def test_what_nobody_discarded_of_a_process_that_ended_in_good_order_is_an_error_without_advice(tmp_path, spin, lose_a_cpu):
    done = record_on_two_cpus(tmp_path, spin, lose_a_cpu).expect(1)
    lost = done.file["lost"]
    assert done.file["transitions"] + lost == done.transitions() and done.file["tail_unknown"] is False
    assert f"paltrace: lost {lost} transitions\npaltrace: {lost} transitions are missing that the tracer did not discard, and nothing" in done.err
    assert "--lossless" not in done.err and "filter" not in done.err


@pytest.mark.parametrize("options", [[], ["--static"], ["--static", "--gently"]], ids=["local", "static", "static, slow"])
def test_of_a_command_that_calls_exit_beside_threads_that_work_it_is_said_that_its_end_may_be_missing(tmp_path, spin, options):
    """A static scheduler is closed by exit(), just before LTTng ends: its workers' threads may go on after that."""
    counter = tmp_path / "counter"
    done = record(tmp_path / "run", "--", spin, "50000", "--quit", "--workers", "4", "--counter", counter, *options)
    assert done.code in (0, 4)  # 4: a thread was in the middle of an event
    words = counter.read_bytes()
    made = sum(int.from_bytes(words[at : at + 8], sys.byteorder) for at in range(0, len(words), 8))
    print(f"{made} made, {done.file['transitions']} recorded, {done.file['lost']} lost")
    # each one's last one may lie between its hook and the counter
    assert 0 < done.file["transitions"] <= done.file["transitions"] + done.file["lost"] <= made + 4
    assert "ended, and did not tell that its workers had stopped (killed, or exit() while they worked?)" in done.err
    assert "give --buffers" not in done.err
    (process,) = done.file["processes"]
    assert (process["ended"], process["tail_unknown"], done.file["tail_unknown"]) == (True, True, True)
    assert check(tmp_path / "run").stdout.splitlines()[-1].endswith("some may be missing, uncounted")


def test_a_worker_in_the_middle_of_an_event_comes_through_exit(tmp_path):
    done = record(tmp_path / "run", "--", program("exit_in_event"))
    assert (done.code, done.file["command_status"]) == (7, 7), done.err
