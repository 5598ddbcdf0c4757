"""LTTng's daemons are killed, or hang, while a program is traced: the program goes on at its own pace, and what was lost
is told exactly."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import struct
import subprocess
import sys
import time
import urllib.request

import pytest
from kit import DEADLINE, SOURCE, OrdinaryUser, alive, children, need_program, parent, poll, program, stop
from recording import PROMISED_END, Running, check, read_lines, record
from slept import Slept

PALTRACE = program("paltrace")
SPIN = str(program("spin_transitions"))
PROMISED_WAIT = 2.5  # s, with --lossless: 2 s, and what a wait may be longer than the one before it left
EVENTS = re.findall(r"^TIFFANY_(?:TRANSITION|EVENT)\((\w+)", (SOURCE / "tracepoints" / "task_events.def").read_text(), re.M)


def made(counter):
    """What each worker has made so far."""
    words = counter.read_bytes()
    return [int.from_bytes(words[at : at + 8], sys.byteorder) for at in range(0, len(words), 8)]


def is_stopped(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


def declarations(metadata):
    """The text in the packets of LTTng's metadata."""
    packets = metadata.read_bytes()
    text = b""
    while packets:
        content_bits, packet_bits = struct.unpack_from("<II", packets, 24)
        text += packets[37 : content_bits // 8]
        packets = packets[packet_bits // 8 :]
    return text


def written(directory, processes=1):
    """Whether events are on disk, and what all of them mean, of so many processes."""
    text = b"".join(map(declarations, directory.glob("trace/**/metadata")))
    return (
        any(file.stat().st_size > 8192 for file in directory.glob("trace/**/transitions_*"))
        and text.count(b'"tiffany:') == processes * len(EVENTS)
        and text.count(b"{") == text.count(b"}")
    )


def run_fast_and_kill(directory, *options):
    """A program at full speed whose consumer daemon is killed, goes on, and ends in good order; and its recording."""
    counter, announce, run = directory / "counter", directory / "go", directory / "run"
    command = [SPIN, "0", "--workers", "2", "--counter", counter, "--announce", announce]
    with Running(run, *options, "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
        slept = Slept(running.child("spin_transitions"))
        poll(lambda: "consumer daemon ended" in pathlib.Path(f"{run}.err").read_text(), "paltrace says so")
        # far more than the buffers hold: in blocking mode each worker waited, and was then let go
        before = made(counter)
        poll(lambda: all(now > then + 3_000_000 for now, then in zip(made(counter), before)), "both workers go on")
        if "--crash-safe" not in options:  # its buffers are files: who writes to them may sleep for the disk
            assert max(slept.said()) <= (PROMISED_WAIT if "--lossless" in options else 1)
        os.kill(running.child("spin_transitions"), signal.SIGINT)
        done = running.wait(PROMISED_END)
        running.nothing_is_left()
    assert done.file["command_status"] == 0, done.err
    assert done.transitions() >= sum(before) + 2 * 3_000_000
    return done


@pytest.mark.parametrize("options", [["--buffers", "1Mx4"], ["--buffers", "1Mx8", "--lossless"]])
@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_a_killed_consumer_daemon_stops_no_worker_and_costs_only_what_found_no_room(tmp_path, options, crash_safe):
    need_program("lttng-crash")
    run = tmp_path / "run"
    done = run_fast_and_kill(tmp_path, *options, *crash_safe).expect(4)
    assert (done.file["own_status"], done.file["dead_daemon"], done.file["bad_parts"]) == (4, "consumer", [])
    assert done.file["transitions"] > 0 and done.file["lost"] > 0
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    assert done.file["tail_unknown"] is False, "each worker told how far it came"
    assert sorted(os.listdir(run)) == ["record.json", "recovered", "trace"], "what was in the buffers is in recovered"
    judged = check(run)
    assert judged.returncode == 4 and f"lost: {done.file['lost']} transitions" in judged.stdout, judged
    of_a_part = f"this is a part of the recording {run}: what lies in its "
    for part, other in (("trace", "recovered"), ("recovered", "trace")):
        judged = check(run / part)
        assert f"note: {of_a_part}{other} is missing here, and not counted; read them as one: paltrace check {run}\n" in judged.stdout, judged
        assert judged.stdout.endswith("some may be missing, uncounted\n"), judged
        assert of_a_part in convert(tmp_path, run / part)
    for whole in ([run], [run / "trace", run / "recovered"], [run, run / "trace"]):
        assert of_a_part not in convert(tmp_path, *whole), whole


def convert(directory, *inputs):
    """What is said of it."""
    command = [PALTRACE, "convert", *inputs, "-o", directory / "converted.pal"]
    return subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE).stderr


@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_what_was_written_before_the_consumer_daemon_was_killed_can_be_read_by_itself(tmp_path, crash_safe):
    """Also if it was killed in the middle of a packet: half of one is cut off."""
    announce, run = tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--announce", announce]
    with Running(run, *crash_safe, "--buffers", "64kx64", "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
        poll(lambda: "consumer daemon ended" in pathlib.Path(f"{run}.err").read_text(), "paltrace says so")
        for stream in run.glob("trace/**/transitions_*"):
            if stream.suffix != ".idx":
                with open(stream, "ab") as file:
                    file.write(stream.read_bytes()[:5000])
        os.kill(running.child("spin_transitions"), signal.SIGINT)
        done = running.wait().expect(4)
    assert done.file["bad_parts"] == []
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    judged = check(run / "trace")
    assert judged.returncode in (0, 4) and "transitions: " in judged.stdout, judged


@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_a_consumer_daemon_that_hangs_until_the_end_is_given_up_and_costs_only_what_found_no_room(tmp_path, crash_safe):
    """It is stopped, and nobody lets it go on: what it did not write is read from the buffers, as if it had been killed."""
    need_program("lttng-crash")
    counter, announce, run = tmp_path / "counter", tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--workers", "2", "--counter", counter, "--announce", announce]
    with Running(run, "--convert", "--buffers", "1Mx4", *crash_safe, "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        os.kill(running.child("lttng-consumerd"), signal.SIGSTOP)
        before = made(counter)
        poll(lambda: all(now > then + 1_000_000 for now, then in zip(made(counter), before)), "both workers go on")
        os.kill(running.child("spin_transitions"), signal.SIGINT)
        done = running.wait(PROMISED_END).expect(4)
        running.nothing_is_left()
    assert (done.file["dead_daemon"], done.file["hung_daemon"], done.file["bad_parts"]) == (None, "consumer", [])
    assert "LTTng's consumer daemon hangs (it was stopped, by a signal or a debugger)" in done.err
    assert done.file["transitions"] > 0 and done.file["lost"] > 0
    assert done.file["transitions"] + done.file["lost"] == done.transitions(), done.err
    assert done.file["tail_unknown"] is False, "each worker told how far it came"
    assert sorted(os.listdir(run)) == ["record.json", "recovered", "tiffany.pal", "trace"]
    note = "if a process began after LTTng's consumer daemon had stopped answering, it is missing, and not counted: nobody knows"
    for recording in (run, run / "tiffany.pal"):
        judged = check(recording)
        assert judged.returncode == 4 and f"note: {note}\n" in judged.stdout, judged
        assert judged.stdout.splitlines()[-1].endswith("transitions lost, some may be missing, uncounted"), judged


def test_what_a_consumer_daemon_that_hangs_had_of_a_process_that_ended_at_once_is_said_to_be_missing(tmp_path):
    """Nobody has those buffers any more."""
    announce, run = tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--gently", "--announce", announce]
    with Running(run, "--buffers", "64kx4", "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        os.kill(running.process.pid, signal.SIGSTOP)  # it sees both at once
        os.kill(running.child("lttng-consumerd"), signal.SIGSTOP)
        spin = running.child("spin_transitions")
        os.kill(spin, signal.SIGINT)
        poll(lambda: not alive(spin), "it has ended")
        os.kill(running.process.pid, signal.SIGCONT)
        done = running.wait(PROMISED_END).expect(4)
    assert 0 < done.file["transitions"] < done.transitions()
    missing = f"what process {spin} (spin_transition) did after LTTng's consumer daemon had stopped answering is missing"
    assert f"paltrace: {missing}" in done.err and "lost no transition\n" not in done.err
    assert done.file["tail_unknown"] is True
    judged = check(run)
    assert f"note: {missing}, and not counted\n" in judged.stdout, judged
    assert judged.stdout.splitlines()[-1].endswith("some may be missing, uncounted"), judged


def test_a_session_daemon_that_hangs_until_the_end_is_given_up(tmp_path):
    """The consumer daemon has written all by then."""
    announce, go_on, run = tmp_path / "go", tmp_path / "go-on", tmp_path / "run"
    command = [SPIN, "2000", "--announce", announce, "--hold", go_on]  # there is room for all
    with Running(run, "--buffers", "1Mx4", "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        os.kill(running.child("lttng-sessiond"), signal.SIGSTOP)
        go_on.touch()
        done = running.wait(PROMISED_END).expect(3)
        running.nothing_is_left()
    assert (done.file["hung_daemon"], done.file["tail_unknown"]) == ("session", False)
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0), done.err
    judged = check(run)
    assert judged.returncode == 0, judged
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"


@contextlib.contextmanager
def left_beside_a_daemon_that_fails(directory, daemon, number, pace="--gently", more=0):
    """COMMAND ends when `more` transitions were made after that, and leaves a process whose transitions go on."""
    counter, announce, over, run = (directory / name for name in ("counter", "go", "over", "run"))
    script = f"{SPIN} 0 {pace} --counter {counter} --announce {announce} & until test -e {over}; do sleep 0.05; done"
    with Running(run, "--buffers", "1Mx4", "--", "sh", "-c", script, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        for one in daemon.split():
            os.kill(running.child(f"lttng-{one}d"), number)
        before = sum(made(counter))
        poll(lambda: sum(made(counter)) >= before + more, "it goes on")
        spin = running.child("spin_transitions")
        command = parent(spin)
        over.touch()
        poll(lambda: parent(spin) != command, "COMMAND has ended")
        yield running, spin, counter


def test_what_goes_on_when_a_session_daemon_that_hangs_is_given_up_is_read_from_its_buffers(tmp_path):
    """Until it is ended: then LTTng ends the recording in the process. The consumer daemon, which takes what comes until then, is
    ended before it."""
    need_program("lttng-crash")
    with left_beside_a_daemon_that_fails(tmp_path, "session", signal.SIGSTOP) as (running, spin, counter):
        daemon = running.child("lttng-sessiond")
        told = []
        poll(lambda: told.append(sum(made(counter))) or not is_stopped(daemon), "it is given up")
        done = running.wait(PROMISED_END).expect(3)
        assert alive(spin)
    (process,) = done.file["processes"]
    assert (done.file["hung_daemon"], process["ended"], process["tail_unknown"]) == ("session", False, False)
    assert done.file["transitions"] + done.file["lost"] >= told[-2] > 0, done.err


@pytest.mark.parametrize(
    "daemon, number, code",
    [("consumer", signal.SIGSTOP, 4), ("consumer", signal.SIGKILL, 4), ("session", signal.SIGKILL, 3)],
    ids=["consumer-hangs", "consumer-killed", "session-killed"],
)
def test_what_goes_on_past_a_daemon_that_no_longer_records_it_is_said_to_be_missing(tmp_path, daemon, number, code):
    """Also where its buffers are read: nobody counts what found no room in them."""
    need_program("lttng-crash")
    with left_beside_a_daemon_that_fails(tmp_path, daemon, number, pace="", more=1_000_000) as (running, spin, counter):
        done = running.wait(PROMISED_END).expect(code)
        assert alive(spin)
        told = sum(made(counter))  # not before: on another CPU it may find room, and be read from there
    (process,) = done.file["processes"]
    assert done.file["transitions"] + done.file["lost"] < told, "else none is missing"
    assert (process["ended"], process["tail_unknown"], done.file["tail_unknown"]) == (False, True, True)
    befell = "stopped answering" if number == signal.SIGSTOP else "ended"
    missing = f"what process {spin} (spin_transition) did after LTTng's {daemon} daemon had {befell} is missing, and not counted"
    assert f"paltrace: {missing}\n" in done.err and re.search(r"^paltrace: lost at least \d+ trans", done.err, re.M), done.err
    judged = check(tmp_path / "run")
    assert f"note: {missing}\n" in judged.stdout, judged


def test_that_both_daemons_hang_is_said_and_what_goes_on_past_them_is_said_to_be_missing(tmp_path):
    """Neither is called the one that went on to the end."""
    need_program("lttng-crash")
    with left_beside_a_daemon_that_fails(tmp_path, "session consumer", signal.SIGSTOP, pace="", more=1_000_000) as (running, spin, counter):
        done = running.wait(PROMISED_END).expect(3)
        assert alive(spin)
        told = sum(made(counter))
    assert "LTTng's daemons hang (both were stopped, by a signal or a debugger): what they did not write is read" in done.err
    (process,) = done.file["processes"]
    assert done.file["transitions"] + done.file["lost"] < told, "else none is missing"
    assert (done.file["hung_daemon"], process["ended"], process["tail_unknown"]) == ("either", False, True)
    missing = f"what process {spin} (spin_transition) did after one of LTTng's daemons had stopped answering is missing, and not counted"
    assert f"paltrace: {missing}\n" in done.err and f"note: {missing}\n" in check(tmp_path / "run").stdout


def test_of_daemons_that_are_ended_by_force_the_one_that_takes_the_buffers_goes_first(tmp_path):
    """The end of the other one makes it take them down, and it would be killed half way."""
    announce, run = tmp_path / "go", tmp_path / "run"
    with Running(run, "--", SPIN, "0", "--gently", "--announce", announce, ready=announce) as running:
        session, consumer = (running.child(f"lttng-{daemon}d") for daemon in ("session", "consumer"))
        os.kill(session, signal.SIGSTOP)
        waiting, fds = select.poll(), {os.pidfd_open(pid): pid for pid in (session, consumer)}
        for fd in fds:
            waiting.register(fd, select.POLLIN)
        os.kill(running.child("spin_transitions"), signal.SIGINT)
        first = [fds[fd] for fd, _ in waiting.poll(DEADLINE * 1000)]
        running.wait(PROMISED_END)
        for fd in fds:
            os.close(fd)
    assert consumer in first


def test_of_a_command_that_was_killed_with_the_consumer_daemon_no_more_is_said_than_was_read(tmp_path):
    """The buffers of what it left are there, its own nobody has any more."""
    need_program("lttng-crash")
    announce, other, run = tmp_path / "go", tmp_path / "other", tmp_path / "run"
    begin = f"{SPIN} 0 --gently --announce {other} & until test -e {other}; do sleep 0.05; done"
    script = f"{begin}; exec {SPIN} 0 --gently --announce {announce}"
    with Running(run, "--buffers", "1Mx4", "--", "sh", "-c", script, ready=announce) as running:
        poll(lambda: written(run, processes=2), "something is on disk")
        spins = [pid for pid in running.started if pathlib.Path(f"/proc/{pid}/comm").read_text() == "spin_transition\n"]
        (left,) = (pid for pid in spins if parent(pid) in spins)
        command = parent(left)
        os.kill(running.process.pid, signal.SIGSTOP)  # it sees both deaths at once
        for pid in (running.child("lttng-consumerd"), command):
            os.kill(pid, signal.SIGKILL)
            poll(lambda: not alive(pid), "it is dead")
        os.kill(running.process.pid, signal.SIGCONT)
        done = running.wait(PROMISED_END).expect(128 + signal.SIGKILL)
        assert alive(left)
    assert (run / "recovered").exists(), "of the one that goes on"
    assert "COMMAND was killed: of its last second" in done.err, done.err


def test_what_the_command_left_and_is_killed_before_the_recording_ends_has_ended_although_nobody_waits_for_it(tmp_path):
    with left_beside_a_daemon_that_fails(tmp_path, "session", signal.SIGSTOP) as (running, spin, _):
        os.kill(spin, signal.SIGKILL)
        done = running.wait(PROMISED_END).expect(3)
    (process,) = done.file["processes"]
    assert (process["pid"], process["ended"], process["tail_unknown"]) == (spin, True, True)
    assert f"what process {spin} (spin_transition) did after LTTng's session daemon had stopped answering is missing" in done.err


def run_little_and_kill(directory, daemon, *options, code):
    """The program makes 1,000 transitions before the daemon is killed, and 1,000 after paltrace has said so: there is room for all."""
    announce, go_on, run = directory / "go", directory / "go-on", directory / "run"
    command = [SPIN, "2000", "--announce", announce, "--hold", go_on]
    with Running(run, *options, "--buffers", "1Mx4", "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        os.kill(running.child(f"lttng-{daemon}d"), signal.SIGKILL)
        poll(lambda: f"{daemon} daemon ended" in pathlib.Path(f"{run}.err").read_text(), "paltrace says so")
        go_on.touch()
        done = running.wait(PROMISED_END).expect(code)
        running.nothing_is_left()
    assert (done.file["command_status"], done.file["own_status"]) == (0, code)
    lost = "at least 0 transitions" if done.file["tail_unknown"] else "no transition of what was recorded"
    assert f"paltrace: lost {lost}\n" in done.err
    return done


def says_so_by_itself(directory, said_of_recording):
    """The log without its record.json: check and stats say of it what they say of the recording."""
    notes = re.findall(r"^note: (.*)$", said_of_recording, re.M)
    assert len(notes) == 2, said_of_recording
    alone, again = directory / "alone.pal", directory / "again.pal"
    alone.write_bytes((directory / "run" / "tiffany.pal").read_bytes())
    reported = [PALTRACE, "stats", "--json", directory / "run"]
    assert json.loads(subprocess.check_output(reported, timeout=DEADLINE))["coverage"]["uncounted"] == notes
    for made in (alone, again):
        assert json.loads(made.read_text().splitlines()[-1])["uncounted"] == notes
        judged = check(made)
        assert judged.returncode == 0 and judged.stdout == said_of_recording, judged
        counted = subprocess.run([PALTRACE, "stats", "--json", made], text=True, capture_output=True, timeout=DEADLINE)
        assert counted.returncode == 0 and json.loads(counted.stdout)["coverage"]["uncounted"] == notes, counted
        command = [PALTRACE, "convert", alone, directory / "run", "-o", again]
        converted = subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE)
        assert converted.returncode == 0 and all(f"paltrace: {note}\n" in converted.stderr for note in notes), converted


@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_a_killed_session_daemon_leaves_what_was_recorded_and_what_is_missing_is_said(tmp_path, crash_safe):
    """In record.json, and in the log itself, wherever that is taken to."""
    done = run_little_and_kill(tmp_path, "session", "--convert", *crash_safe, code=3)
    assert done.file["transitions"] >= 1000 and done.file["lost"] == 0, done.err
    assert done.file["transitions"] <= done.transitions()
    (process,) = done.file["processes"]
    assert (done.file["dead_daemon"], process["tail_unknown"], done.file["tail_unknown"]) == ("session", True, True)
    missing = f"what process {process['pid']} (spin_transition) did after LTTng's session daemon had ended is missing"
    assert missing in done.err
    judged = check(tmp_path / "run")
    assert judged.returncode == 0 and f"note: {missing}, and not counted\n" in judged.stdout, judged
    assert "lost: at least 0 transitions (" in judged.stdout, judged
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"
    says_so_by_itself(tmp_path, judged.stdout)
    told = json.loads((tmp_path / "run" / "record.json").read_text())
    (tmp_path / "run" / "record.json").write_text(json.dumps(told | {"processes": [], "tail_unknown": False}))
    judged = check(tmp_path / "run")
    assert "note: if a process began after LTTng's session daemon had ended, it is missing" in judged.stdout, judged
    assert "no process with tracepoints" not in judged.stdout, "who was there is not known"
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"


def test_a_session_daemon_whose_death_is_told_late_is_the_one_that_is_named(tmp_path):
    """Its keeper, which tells of it, gets no CPU; the death of the consumer daemon, which follows, is told by the kernel."""
    announce, go_on, run = tmp_path / "go", tmp_path / "go-on", tmp_path / "run"
    command = [SPIN, "2000", "--announce", announce, "--hold", go_on]
    with Running(run, "--buffers", "1Mx4", "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        daemon = running.child("lttng-sessiond")
        keeper = parent(daemon)
        stop(keeper)
        os.kill(daemon, signal.SIGKILL)
        poll(lambda: " daemon ended" in pathlib.Path(f"{run}.err").read_text(), "paltrace says so")
        os.kill(keeper, signal.SIGCONT)
        go_on.touch()
        done = running.wait(PROMISED_END).expect(3)
        running.nothing_is_left()
    assert done.file["dead_daemon"] == "session" and "the session daemon ended" in done.err, done.err


@pytest.mark.parametrize("crash_safe", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_what_began_after_the_consumer_daemon_was_killed_is_said_to_be_missing_where_nothing_else_is(tmp_path, crash_safe):
    need_program("lttng-crash")
    done = run_little_and_kill(tmp_path, "consumer", *crash_safe, code=4)
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0), done.err
    missing = "if a process began after LTTng's consumer daemon had ended, it is missing, and not counted: nobody knows\n"
    assert f"paltrace: {missing}" in done.err
    judged = check(tmp_path / "run")
    assert judged.returncode == 0 and f"note: {missing}" in judged.stdout, judged
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"


def test_a_process_that_ends_with_the_consumer_daemon_is_readable_and_its_missing_end_is_said(tmp_path):
    """Nobody has its buffers any more."""
    announce, run = tmp_path / "go", tmp_path / "run"
    script = f"{SPIN} 0 --gently --announce {announce}; true"
    with Running(run, "--buffers", "64kx4", "--", "sh", "-c", script, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        consumer, spin, shell = map(running.child, ("lttng-consumerd", "spin_transitions", "sh"))
        os.kill(running.process.pid, signal.SIGSTOP)  # it sees all deaths at once
        os.kill(consumer, signal.SIGKILL)
        os.kill(spin, signal.SIGKILL)
        poll(lambda: not any(alive(pid) for pid in (consumer, spin, shell)), "they are dead")
        os.kill(running.process.pid, signal.SIGCONT)
        done = running.wait().expect(4)
    assert done.file["transitions"] > 0 and done.file["dead_daemon"] == "consumer"
    missing = f"what process {spin} (spin_transition) did after LTTng's consumer daemon had ended is missing"
    assert missing in done.err and missing in check(run).stdout
    assert f"paltrace: lost at least {done.file['lost']} transitions" in done.err and "lost no" not in done.err
    assert f"lost: at least {done.file['lost']} transitions" in check(run).stdout


class Scraped:
    """A demo that runs, and its metrics."""

    def __init__(self, user):
        self.process = user.popen(
            [user.program("tiffany-demo"), "--seconds", "0", "--tasks", "10", "--metrics-port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._url = re.search(r"metrics on (\S+)", self.process.stderr.readline()).group(1)

    def value(self, series):
        text = urllib.request.urlopen(self._url, timeout=DEADLINE).read().decode()
        found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
        return found and float(found.group(1))


def trace(user, name):
    for arguments in (
        ["create", name, f"--output={user.home}/{name}"],
        ["enable-channel", "-u", "--buffers-pid", "--subbuf-size=256k", "--num-subbuf=8", "all"],
        ["enable-event", "-u", "tiffany:*", "-c", "all"],
        ["start"],
    ):
        done = user.run(["lttng", "--no-sessiond", *arguments])
        assert done.returncode == 0, done


def kill_daemons(daemon):
    """The session daemon first: it would note that its consumer dies."""
    for pid in (daemon.pid, *children(daemon.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    daemon.wait(DEADLINE)


def test_a_session_daemon_that_is_killed_and_started_again_traces_the_same_program_and_the_metric_tells():
    attached = 'tiffany_tracing_attached{tracer="lttng"}'
    with OrdinaryUser("tiffany-demo", "paltrace") as user:
        daemon = user.start_daemon()
        demo = Scraped(user)
        assert demo.value(attached) == 0
        trace(user, "first")
        poll(lambda: demo.value(attached) == 1, "the metric tells of the session")
        kill_daemons(daemon)
        begin = time.monotonic()
        poll(lambda: demo.value(attached) == 0, "the metric tells that nobody traces")
        assert time.monotonic() - begin < 10, "LTTng's thread sees the end of its socket at once"
        before = demo.value('task_transitions_total{scheduler="demo",event="Running"}')
        poll(lambda: demo.value('task_transitions_total{scheduler="demo",event="Running"}') > before, "it goes on")
        user.start_daemon()
        begin = time.monotonic()
        trace(user, "second")
        poll(lambda: demo.value(attached) == 1, "the program found the new daemon")
        again = time.monotonic() - begin
        print(f"traced again after {again:.1f} s")
        assert again < 10, "LTTng looks for a new daemon after 5 s"
        poll(lambda: written_by(user, "second"), "it is recorded")
        user.run(["lttng", "--no-sessiond", "destroy", "second"])
        done = user.run([user.program("paltrace"), "check", user.home / "second"])
        assert done.returncode in (0, 4) and re.search(r"^state dumps: [1-9]\d*$", done.stdout, re.M), done
        assert alive(demo.process.pid)


def written_by(user, name):
    return any(file.stat().st_size > 8192 for file in (user.home / name).rglob("all_*"))


def test_of_twenty_starts_back_to_back_each_is_recorded_from_its_first_transition(tmp_path):
    starts = ["sh", "-ec", f"for i in $(seq 20); do {SPIN} 10; done"]
    done = record(tmp_path / "run", "--convert", "--buffers", "64kx4", "--", *starts).expect(0)
    assert len(done.file["processes"]) == 20
    each = done.transitions() // 20
    assert [process["transitions"] for process in done.file["processes"]] == [each] * 20
    assert (done.file["lost"], done.file["not_traced"]) == (0, 0)
    first = {}
    for entry in read_lines(tmp_path / "run" / "tiffany.pal"):
        if "step" in entry:
            first.setdefault(entry["pid"], entry["seq"])
    assert list(first.values()) == [1] * 20
