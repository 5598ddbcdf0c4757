"""LTTng's consumer daemon cannot be found among the processes, or nobody says that it has ended."""

import json
import os
import pathlib
import signal
import subprocess
import sys

from kit import DEADLINE, PrivateLttng, lacking, need_program, parent, poll, program
from recording import PROMISED_END, Running, check, record

SPIN = str(program("spin_transitions"))
NOT_FOUND = "paltrace: cannot find LTTng's consumer daemon among the processes: should it end, that will not be noticed\n"
# CALL [VALUE] COMMAND...: runs it where that system call (with VALUE as its first argument) fails with ENOSYS
REFUSING = """
import ctypes, errno, os, sys
class Equals(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("equal", ctypes.c_int), ("to", ctypes.c_uint64), ("none", ctypes.c_uint64)]
call, value, command = sys.argv[1].encode(), sys.argv[2], sys.argv[3:]
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(seccomp.seccomp_init(0x7fff0000))  # allow
only = (Equals * 1)(Equals(0, 4, int(value or 0), 0))
number = seccomp.seccomp_syscall_resolve_name(call)
failed = seccomp.seccomp_rule_add_array(filter, 0x00050000 | errno.ENOSYS, number, 1 if value else 0, only)
if failed or seccomp.seccomp_load(filter):
    sys.exit("no filter")
os.execvp(command[0], command)
"""
PR_SET_CHILD_SUBREAPER = 36


def refusing(call, value=""):
    """A prefix for a command; skips where there are no filters of system calls."""
    prefix = [sys.executable, "-c", REFUSING, call, str(value)]
    done = subprocess.run([*prefix, "true"], check=False, capture_output=True, text=True, timeout=DEADLINE)
    if done.returncode != 0:
        lacking(f"a process cannot be kept from {call} here: {done.stderr[-200:]}")
    return prefix


def without_pidfd_open():
    """As a kernel before Linux 5.3 is."""
    return refusing("pidfd_open")


def consumer_daemon():
    """The program; where it lies depends on the system."""
    need_program("lttng-sessiond")
    places = ("lib/*/lttng/libexec", "lib*/lttng/libexec", "libexec")
    for root in ("/usr", "/usr/local"):
        for place in places:
            for path in pathlib.Path(root).glob(f"{place}/lttng-consumerd"):
                return path
    return lacking("lttng-consumerd is in no directory that is known for it")


def test_a_consumer_daemon_that_is_killed_is_noticed_where_the_kernel_gives_no_descriptor_of_a_process(tmp_path):
    announce, run = tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--gently", "--announce", announce]
    with Running(run, "--buffers", "1Mx4", "--", *command, ready=announce, prefix=without_pidfd_open()) as running:
        os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
        poll(lambda: "consumer daemon ended" in pathlib.Path(f"{run}.err").read_text(), "paltrace says so")
        os.kill(running.child("spin_transitions"), signal.SIGINT)
        done = running.wait(PROMISED_END)
    assert NOT_FOUND not in done.err
    assert done.file["dead_daemon"] == "consumer" and done.file["own_status"] != 0, done.err


def test_that_of_others_is_noticed_too(tmp_path):
    """`record` without COMMAND ends then."""
    prefix = without_pidfd_open()
    with PrivateLttng(tmp_path) as lttng, open(tmp_path / "said", "w+", encoding="utf-8") as said:
        lttng.popen([program("steady"), "0", "100"], stdout=subprocess.DEVNULL)
        command = [*prefix, program("paltrace"), "record", "-o", tmp_path / "run"]
        recorder = lttng.popen(command, stderr=said)
        poll(lambda: "until Ctrl-C" in (tmp_path / "said").read_text(), "it records")
        for pid in lttng.consumers():
            os.kill(pid, signal.SIGKILL)
        recorder.wait(DEADLINE)
        assert "the consumer daemon ended, and with it the recording" in (tmp_path / "said").read_text()


def test_of_a_command_of_which_nobody_knows_how_it_ended_no_end_is_made_up(tmp_path):
    """Its keeper was killed, and somebody else has adopted it."""
    announce, run = tmp_path / "go", tmp_path / "run"
    command = [SPIN, "0", "--gently", "--announce", announce]
    prefix = refusing("prctl", PR_SET_CHILD_SUBREAPER)
    with Running(run, "--buffers", "1Mx4", "--", *command, ready=announce, prefix=prefix) as running:
        spin = running.child("spin_transitions")
        keeper = parent(spin)
        os.kill(keeper, signal.SIGKILL)
        poll(lambda: parent(spin) not in (keeper, running.process.pid), "it has another parent")
        os.kill(spin, signal.SIGINT)
        done = running.wait(PROMISED_END).expect(3)
    assert "paltrace: cannot tell how COMMAND ended: its keeper was killed before it could say\n" in done.err
    assert "was ended by signal" not in done.err and "COMMAND was killed" not in done.err, done.err
    assert [done.file[key] for key in ("command_status", "command_signal", "exit_status")] == [None, None, 3]
    judged = check(run)
    assert "note: nobody knows how COMMAND ended: of its last second some may be missing, uncounted\n" in judged.stdout, judged


def test_what_begins_it_may_ignore_the_end_of_children(tmp_path):
    """Then the kernel would tell nobody of it."""
    ignoring = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    done = record(tmp_path / "run", "--", SPIN, "10", prefix=[sys.executable, "-c", ignoring]).expect(0)
    assert done.file["lost"] == 0 and done.file["transitions"] == done.transitions()


def test_the_command_has_the_signals_that_paltraces_caller_has(tmp_path):
    """Who ignores SIGPIPE lives on, and who lets the kernel reap children leaves no zombies, recorded or not."""
    set_up = "signal.signal(signal.SIGPIPE, signal.SIG_IGN); signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    set_up += "; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])"
    caller = [sys.executable, "-c", f"import os, signal, sys; {set_up}; os.execvp(sys.argv[1], sys.argv[1:])"]
    look = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    by_itself = subprocess.run([*caller, *look], capture_output=True, text=True, check=True).stdout
    assert record(tmp_path / "run", "--", *look, prefix=caller).out == by_itself


def test_a_consumer_daemon_that_is_not_found_is_said(tmp_path, monkeypatch):
    """Its end would be noticed by nobody."""
    daemon = consumer_daemon()
    disguised = tmp_path / "disguised"
    disguised.write_text(f'#!/bin/bash\nexec -a somebody {daemon} "$@"\n')
    disguised.chmod(0o755)
    found = record(tmp_path / "found", "--", SPIN, "10").expect(0)
    assert NOT_FOUND not in found.err and found.file["consumer_found"] is True
    assert check(tmp_path / "found").stdout.endswith("\ngood\n")
    monkeypatch.setenv("LTTNG_CONSUMERD64_BIN", str(disguised))
    done = record(tmp_path / "run", "--", SPIN, "10").expect(0)
    assert NOT_FOUND in done.err and done.file["lost"] == 0 and done.file["transitions"] == done.transitions()
    assert done.file["consumer_found"] is False and done.file["tail_unknown"] is False
    doubt = "LTTng's consumer daemon was not found: if it ended, what was done after that is missing, and not counted: nobody knows"
    judged = check(tmp_path / "run")
    assert judged.returncode == 0 and f"note: {doubt}\n" in judged.stdout, judged
    assert "\nlost: 0 transitions (" in judged.stdout, judged
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"


def test_that_of_the_systems_session_daemon_is_found(tmp_path):
    """Which root uses that may not mount."""
    need_program("setpriv")
    with PrivateLttng(tmp_path) as lttng:
        weak = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
        run = tmp_path / "run"
        done = lttng.run([*weak, program("paltrace"), "record", "-o", run, "--", SPIN, "10"])
    assert "using the system's" in done.stderr and NOT_FOUND not in done.stderr, done
    assert json.loads((run / "record.json").read_text())["consumer_found"] is True
    assert check(run).stdout.endswith("\ngood\n")
