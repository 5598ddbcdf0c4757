"""paltrace doctor on set-ups that were broken on purpose, each in a mount namespace of its own, and on one that is whole."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from end_bpftrace import end_bpftrace
from kit import (
    BIN,
    DEADLINE,
    SOURCE,
    OrdinaryUser,
    PrivateLttng,
    alive,
    checked,
    children,
    end_process,
    need_bpftrace,
    need_program,
    need_root,
    poll,
    private_copy,
    program,
    set_uid_copy,
)


def doctor(*arguments, script="", user=None):
    """What it says, by what it looked at; `script` breaks something first, in a mount namespace of its own."""
    command = [str(program("paltrace")), "doctor", "--json", *map(str, arguments)]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", "--clear-groups", "env", "HOME=/nonexistent", *command]
    if script:
        need_root()
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + '\nexec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert done.stderr == "", done.stderr
    findings = json.loads(done.stdout)
    wrong = [finding for finding in findings if finding["health"] == "wrong"]
    assert done.returncode == (3 if wrong else 0), done.stdout
    for finding in findings:
        assert finding["found"]
        assert (finding["health"] == "good") == ("mend" not in finding)
        assert "mend" not in finding or (finding["cost"] and finding["mend"])
    return {finding["what"]: finding for finding in findings}


def test_what_is_whole_is_good():
    need_root()
    need_bpftrace()
    need_program("lttng-sessiond")
    found = doctor()
    for what in ("lttng-tools", "lttng-ust", "provider module", "tracefs", "uprobes", "perf_event_paranoid", "bpftrace"):
        assert found[what]["health"] == "good", found[what]
    assert "2.13" in found["lttng-tools"]["found"]
    assert found["provider module"]["found"] == str(BIN / "libtiffany-lttng.so")


def test_without_a_session_daemon_it_says_how_to_start_one():
    found = doctor(script="mkdir -p /var/run/lttng && mount -t tmpfs tmpfs /var/run/lttng")["session daemon"]
    assert found["health"] == "limited"
    assert found["found"] == "none runs for root"
    assert found["mend"] == "lttng-sessiond --daemonize"


def test_a_daemon_that_runs_is_good_and_one_that_is_stopped_is_wrong_until_its_own_command_mends_it(tmp_path):
    need_program("lttng-sessiond")
    with PrivateLttng(tmp_path) as lttng:
        look = [program("paltrace"), "doctor", "--json"]

        def seen():
            done = lttng.run(look, check=False)
            return {finding["what"]: finding for finding in json.loads(done.stdout)}["session daemon"]

        good = seen()
        assert good["health"] == "good"
        pid = int(good["found"].split("(pid ")[1].split(")")[0])
        os.kill(pid, signal.SIGSTOP)
        try:
            wrong = seen()
            assert wrong["health"] == "wrong" and "is stopped" in wrong["found"]
            assert wrong["mend"] == f"kill -CONT {pid}"
            checked(["sh", "-c", wrong["mend"]])
            assert poll(lambda: seen()["health"] == "good", "the daemon answers again")
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_small_dev_shm_is_told_with_both_sizes_until_its_command_mends_it():
    small = "mount -t tmpfs -o size=64k tmpfs /dev/shm"
    found = doctor(script=small)["/dev/shm"]
    assert found["health"] == "wrong"
    assert "64 KiB free" in found["found"]
    assert doctor(script=f"{small}\n{found['mend']}")["/dev/shm"]["health"] == "good"
    middling = doctor(script="mount -t tmpfs -o size=40M tmpfs /dev/shm")["/dev/shm"]
    assert middling["health"] == "limited" and "40 MiB free" in middling["found"]


# The page that all programs with LTTng share would be enough for one that root's daemon traces.
READ_ONLY_SHM = "mount -t tmpfs tmpfs /dev/shm; mount --bind /dev/shm /dev/shm; mount -o remount,ro,bind /dev/shm"
NO_SHM = ("mount -t tmpfs -o mode=0755 tmpfs /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9; "
          "mknod -m 666 /dev/zero c 1 5")
CLOSED_SHM = "mount -t tmpfs -o mode=0755 tmpfs /dev/shm"


@pytest.mark.parametrize("script, user, why", [
    (READ_ONLY_SHM, None, "/dev/shm is mounted read-only"), (READ_ONLY_SHM, 65534, "/dev/shm is mounted read-only"),
    (NO_SHM, None, "cannot see /dev/shm: No such file or directory"), (CLOSED_SHM, 65534, "nobody may not write to /dev/shm"),
], ids=["read-only", "read-only, to a user", "none", "closed to a user"])
def test_a_dev_shm_that_cannot_be_written_to_is_told_until_its_command_mends_it(script, user, why):
    need_root()
    found = doctor(script=script, user=user)["/dev/shm"]
    assert found["health"] == "wrong" and found["found"] == why
    mend = found["mend"].replace("sudo ", "").replace("as root: ", "")
    assert doctor(script=f"{script}\n{mend}", user=user)["/dev/shm"]["health"] != "wrong"


def test_of_a_process_that_could_not_write_to_dev_shm_it_is_told():
    need_root()
    command = [program("tiffany-demo"), "--seconds", str(DEADLINE), "--metrics-port", "0"]
    script = READ_ONLY_SHM + '\nexec "$@"'
    running = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh", *map(str, command)],
                               stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
    try:
        running.stderr.readline()
        found = doctor("--pid", running.pid)["LTTng in the process"]
        assert found["health"] == "limited"
        assert found["found"] == "not loaded: where it runs /dev/shm is mounted read-only"
        assert found["mend"].startswith("mount -o remount,rw /dev/shm, where it runs")
    finally:
        end_process(running)


def test_without_tracefs_it_says_how_to_mount_it():
    hidden = "umount -l /sys/kernel/tracing /sys/kernel/debug 2>&- || true"
    found = doctor(script=hidden)["tracefs"]
    assert found["health"] == "wrong"
    assert doctor(script=f"{hidden}\n{found['mend']}")["tracefs"]["health"] == "good"


def test_without_the_programs_it_names_their_packages(tmp_path):
    need_root()
    few = tmp_path / "bin"
    few.mkdir()
    for name in ("sh", "env"):
        (few / name).symlink_to(shutil.which(name))
    done = subprocess.run([program("paltrace"), "doctor", "--json"], capture_output=True, text=True, timeout=DEADLINE,
                          env={"PATH": str(few)})
    assert done.returncode == 3
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert found["lttng-tools"]["mend"] == "apt-get install lttng-tools"
    assert found["bpftrace"]["mend"] == "apt-get install bpftrace"
    assert found["bpftrace"]["cost"].endswith("; TIFFANY_PAL=FILE and metrics work"), found["bpftrace"]
    assert found["session daemon"]["mend"] == "apt-get install lttng-tools"


def test_programs_that_do_not_tell_their_version_are_there_all_the_same(tmp_path):
    fake(tmp_path / "bin", "bpftrace", "exit 1")
    done = subprocess.run([program("paltrace"), "doctor", "--json"], capture_output=True, text=True, timeout=DEADLINE,
                          env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}["bpftrace"]
    assert found == {"what": "bpftrace", "health": "good", "found": "bpftrace is there, and did not tell its version"}


def test_without_lttng_ust_its_package_is_named(tmp_path):
    few = tmp_path / "bin"
    fake(few, "ldconfig", "exit 0")  # knows no library
    running = subprocess.Popen(["sleep", str(DEADLINE)])
    try:
        done = subprocess.run([program("paltrace"), "doctor", "--json", "--pid", str(running.pid)], capture_output=True,
                              text=True, timeout=DEADLINE, env={"PATH": f"{few}:{os.environ['PATH']}"})
    finally:
        end_process(running)
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert found["lttng-ust"]["mend"] == "apt-get install liblttng-ust1"
    inside = found["LTTng in the process"]
    assert inside["mend"].startswith("apt-get install liblttng-ust1,") and "MODULE" not in inside["mend"]


def own_log(tmp_path, variables):
    """What doctor says of this environment, and what a program with it gets: the problem, "none" if there is a log."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TIFFANY_PAL")}
    env |= {"TIFFANY_LTTNG": "0"} | {name: value.replace("{}", str(tmp_path)) for name, value in variables.items()}
    done = subprocess.run([program("paltrace"), "doctor", "--json"], capture_output=True, text=True, timeout=DEADLINE, env=env)
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}["TIFFANY_PAL"]
    got = json.loads(checked([program("log_itself"), "return", "1"], env=env).stdout)
    return found, got


def link(path):
    (path / "run.pal").symlink_to(path / "elsewhere")


def text(name, words="words\n"):
    return lambda path: (path / name).write_text(words)


def log_and_other_old(path):
    own_log(path, {"TIFFANY_PAL": "{}/run.pal"})
    text("run.pal.old")(path)


FIRST = "a program that starts here "
MORE = ", a second one adds its pid"


@pytest.mark.parametrize(
    "variables, before, problem, says",
    [
        ({"TIFFANY_PAL": "-"}, None, "none", FIRST + "writes its log to stderr"),
        ({"TIFFANY_PAL": "{}/run.pal"}, None, "none", FIRST + "writes its log to {}/run.pal" + MORE),
        ({"TIFFANY_PAL": "{}/%%%p.pal.zst", "TIFFANY_PAL_MAX": "64K", "TIFFANY_PAL_RING": "1G"}, None, "none",
         FIRST + "writes its log to {}/%PID.pal.zst"),
        ({"TIFFANY_PAL": "{}/run.pal"}, text("run.pal", ""), "none", FIRST + "writes its log to {}/run.pal" + MORE),
        ({"TIFFANY_PAL": "{}/run.pal"}, lambda path: own_log(path, {"TIFFANY_PAL": "{}/run.pal"}), "none",
         FIRST + "writes its log to {}/run.pal" + MORE),
        ({"TIFFANY_PAL": "unix:{}/sock"}, None, "none",
         FIRST + "serves its log at {}/sock to who connects, and writes no file" + MORE),
        ({"TIFFANY_PAL": "{}/none/a.pal"}, None, "refused", "its folder: No such file or directory"),
        ({"TIFFANY_PAL": "{}/%d.pal"}, None, "bad_target", "expected %p, %h or %% in its name, found another %"),
        ({"TIFFANY_PAL": "{}/"}, None, "bad_target", "a file's name is missing"),
        ({"TIFFANY_PAL": "{}"}, None, "refused", "a folder of that name is in the way, and is left alone"),
        ({"TIFFANY_PAL": "{}/run.pal"}, link, "symbolic_link", "a symbolic link of that name is in the way, and is left alone"),
        ({"TIFFANY_PAL": "{}/run.pal"}, text("run.pal"), "not_a_log",
         "a file that is no log of that name is in the way, and is left alone"),
        ({"TIFFANY_PAL": "{}/run.pal"}, text("run.pal", "{}\n"), "not_a_log",
         "a file that is no log of that name is in the way, and is left alone"),
        ({"TIFFANY_PAL": "{}/run.pal"}, log_and_other_old, "not_a_log",
         "a file that is no log of that name is in the way, and is left alone"),
        ({"TIFFANY_PAL": "unix:"}, None, "bad_target", "the socket has no name"),
        ({"TIFFANY_PAL": "unix:" + 108 * "x"}, None, "bad_target", "a socket's name has at most 107 bytes"),
        ({"TIFFANY_PAL": "unix:{}/sock"}, text("sock"), "not_a_log",
         "something that is no socket of that name is in the way, and is left alone"),
        ({"TIFFANY_PAL": "unix:{}/sock"}, text("sock.lock"), "not_a_log",
         "something that is no lock of a log of that name is in the way, and is left alone"),
        ({"TIFFANY_PAL": "-", "TIFFANY_PAL_MAX": "63K"}, None, "bad_size", "TIFFANY_PAL_MAX=63K is too small"),
        ({"TIFFANY_PAL": "-", "TIFFANY_PAL_RING": "2G"}, None, "bad_size", "TIFFANY_PAL_RING=2G is too large"),
        ({"TIFFANY_PAL": "-", "TIFFANY_PAL_MAX": "1.5G"}, None, "bad_size",
         "TIFFANY_PAL_MAX=1.5G is no size (a whole number, and K, M or G)"),
    ],
)
def test_what_is_said_of_the_own_log_is_what_a_program_gets(tmp_path, variables, before, problem, says):
    if before:
        before(tmp_path)
    found, got = own_log(tmp_path, variables)
    assert (got["problem"], got["active"]) == (problem, problem == "none")
    assert found["health"] == ("good" if problem == "none" else "wrong"), found
    said = found["found"].removeprefix(f"TIFFANY_PAL={variables['TIFFANY_PAL'].replace('{}', str(tmp_path))}: ")
    good = "; a set-uid program does not look at it" if problem == "none" else ""
    assert said == says.replace("{}", str(tmp_path)) + good


@pytest.mark.parametrize(
    "variables, before",
    [
        ({"TIFFANY_PAL": "{}/it is none/a.pal"}, None),
        ({"TIFFANY_PAL": "{}/run.pal"}, text("run.pal")),
        ({"TIFFANY_PAL": "unix:{}/sock"}, text("sock")),
        ({"TIFFANY_PAL": "{}/run.pal", "TIFFANY_PAL_MAX": "1"}, None),
        ({"TIFFANY_PAL": "{}/%d"}, None),
    ],
)
def test_the_command_that_is_told_mends_the_own_log(tmp_path, variables, before):
    if before:
        before(tmp_path)
    found, _ = own_log(tmp_path, variables)
    assert found["health"] == "wrong"
    env = {**os.environ, **{name: value.replace("{}", str(tmp_path)) for name, value in variables.items()}}
    mended = subprocess.run(["sh", "-ec", f"{found['mend']}\nexec \"$1\" doctor --json", "sh", program("paltrace")],
                            env=env, capture_output=True, text=True, timeout=DEADLINE)
    found = {finding["what"]: finding for finding in json.loads(mended.stdout)}["TIFFANY_PAL"]
    assert found["health"] == "good", found
    if before:
        assert (tmp_path / pathlib.Path(env["TIFFANY_PAL"].removeprefix("unix:")).name).exists(), "it may be anybody's"


def test_without_a_setting_it_says_what_the_own_log_is_for():
    env = {name: value for name, value in os.environ.items() if not name.startswith("TIFFANY_PAL")}
    done = subprocess.run([program("paltrace"), "doctor", "--json"], capture_output=True, text=True, timeout=DEADLINE, env=env)
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}["TIFFANY_PAL"]
    assert found["health"] == "good"
    assert found["found"] == "not set; with TIFFANY_PAL=FILE a program writes its own log, without LTTng and bpftrace"


def test_a_folder_that_the_user_cannot_write_to_is_told():
    with OrdinaryUser("paltrace") as user:
        told = user.run(["env", f"TIFFANY_PAL={user.base}/run.pal", user.program("paltrace"), "doctor", "--json"])
        found = {finding["what"]: finding for finding in json.loads(told.stdout)}["TIFFANY_PAL"]
        assert found["health"] == "wrong" and found["mend"] == "export TIFFANY_PAL=/tmp/%p.pal"
        assert found["found"].endswith("run.pal: its folder cannot be written to: Permission denied"), found


class Idle:
    """A process with these settings, which has made its scheduler."""

    def __init__(self, demo, **variables):
        env = {**os.environ, "TIFFANY_LTTNG": "0", **{name: str(value) for name, value in variables.items()}}
        self.process = subprocess.Popen([demo, "--seconds", str(DEADLINE), "--metrics-port", "0"], env=env,
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def __enter__(self):
        line = self.process.stderr.readline()
        while "http://" not in line:  # before it come the lines of a log to stderr
            line = self.process.stderr.readline()
            assert line
        return self

    def __exit__(self, *_):
        self.process.stderr.close()
        end_process(self.process)

    def log(self):
        return doctor("--pid", self.process.pid)["log of the process"]


def test_of_a_process_it_is_told_where_its_log_is(tmp_path):
    demo = program("tiffany-demo")
    run = tmp_path / "run.pal.zst"
    with Idle(demo, TIFFANY_PAL=run) as first, Idle(demo, TIFFANY_PAL=run) as second:
        assert first.log()["found"] == f"TIFFANY_PAL={run}: it writes {run}"
        assert second.log()["found"] == f"TIFFANY_PAL={run}: it writes {tmp_path}/run.pal.{second.process.pid}.zst"
        assert first.log()["health"] == second.log()["health"] == "good"
    socket = f"unix:{tmp_path}/%p.sock"
    with Idle(demo, TIFFANY_PAL=socket) as serving:
        assert serving.log()["found"] == f"TIFFANY_PAL={socket}: it serves its log at {tmp_path}/{serving.process.pid}.sock"
    with Idle(demo) as none:
        found = none.log()
        assert found["health"] == "good" and found["found"].startswith("TIFFANY_PAL is not set: it writes none"), found


def test_of_a_process_that_could_not_write_its_log_it_is_told_why(tmp_path):
    nowhere = tmp_path / "none" / "run.pal"
    with Idle(program("tiffany-demo"), TIFFANY_PAL=nowhere) as process:
        found = process.log()
        assert found["health"] == "wrong"
        assert found["found"] == f"TIFFANY_PAL={nowhere}: its folder: No such file or directory"
        assert found["mend"] == f"start it again after: mkdir -p '{nowhere.parent}'"
        nowhere.parent.mkdir()  # now it could, and does not
        found = process.log()
        assert found["health"] == "limited" and ": it writes none: " in found["found"], found


def test_root_is_told_of_another_users_process_what_that_may_write():
    with OrdinaryUser("tiffany-demo") as user:
        closed = user.base / "closed"
        closed.mkdir(mode=0o700)
        running = subprocess.Popen(
            ["setpriv", f"--reuid={user.UID}", f"--regid={user.UID}", "--clear-groups", user.program("tiffany-demo"),
             "--seconds", str(DEADLINE), "--metrics-port", "0"],
            env={**os.environ, "TIFFANY_LTTNG": "0", "TIFFANY_PAL": str(closed / "run.pal")},
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            while "http://" not in (line := running.stderr.readline()):
                assert line
            found = doctor("--pid", running.pid)["log of the process"]
            assert found["health"] == "wrong"
            assert found["found"] == f"TIFFANY_PAL={closed}/run.pal: its folder cannot be written to: Permission denied"
            os.chown(closed, user.UID, user.UID)  # now it could, and does not
            found = doctor("--pid", running.pid)["log of the process"]
            assert found["health"] == "limited" and ": it writes none: " in found["found"], found
        finally:
            running.stderr.close()
            end_process(running)


@pytest.mark.parametrize(
    "name, value, health, says",
    [
        ("TIFFANY_LTTNG", "", "good", "not set: "),
        ("TIFFANY_LTTNG", "0", "limited", "TIFFANY_LTTNG=0: a program that starts here loads nothing of LTTng"),
        ("TIFFANY_LTTNG", "1", "good", "TIFFANY_LTTNG=1: no more than if it were not set"),
        ("TIFFANY_STALL", "", "good", "not set; "),
        ("TIFFANY_STALL", "250ms", "good", "TIFFANY_STALL=250ms: a program that starts here tells"),
        ("TIFFANY_STALL", "0s", "good", "TIFFANY_STALL=0s: off"),
        ("TIFFANY_STALL", "0.5s", "limited", "TIFFANY_STALL=0.5s is no time"),
        ("TIFFANY_METRICS", "", "good", "not set; "),
        ("TIFFANY_METRICS", "127.0.0.1:9464", "good", "TIFFANY_METRICS=127.0.0.1:9464: a program that starts here"),
        ("TIFFANY_METRICS", "9464", "wrong", "TIFFANY_METRICS=9464 is no ADDRESS:PORT"),
        ("TIFFANY_METRICS", "localhost:http", "wrong", "TIFFANY_METRICS=localhost:http is no ADDRESS:PORT"),
        ("TIFFANY_METRICS", "127.0.0.1:65536", "wrong", "TIFFANY_METRICS=127.0.0.1:65536 is no ADDRESS:PORT"),
    ],
)
def test_what_the_environment_here_asks_of_a_program_is_told(monkeypatch, name, value, health, says):
    monkeypatch.setenv(name, value)
    found = doctor()[name]
    assert found["health"] == health and found["found"].startswith(says), found


def test_of_a_process_it_is_told_whether_it_serves_metrics(monkeypatch):
    monkeypatch.delenv("TIFFANY_METRICS", raising=False)
    look = lambda process: doctor("--pid", process.pid)["metrics of the process"]
    with Idle(program("tiffany-demo")) as serving:
        assert look(serving.process)["found"] == "TIFFANY_METRICS is not set; it serves metrics"
    env = {**os.environ, "TIFFANY_LTTNG": "0", "TIFFANY_METRICS": "127.0.0.1:9464"}
    deaf = subprocess.Popen([program("steady"), "0", "1000"], env=env, stdout=subprocess.DEVNULL)  # never asks for it
    try:
        poll(lambda: pathlib.Path(f"/proc/{deaf.pid}/comm").read_text() == "steady\n", "it runs")
        found = look(deaf)
        assert found["health"] == "limited" and found["found"] == "TIFFANY_METRICS=127.0.0.1:9464; it serves none"
    finally:
        end_process(deaf)


def test_a_set_uid_program_ignores_what_it_was_told_of_its_log(tmp_path):
    copied = set_uid_copy(program("tiffany-demo"), tmp_path)
    with Idle(copied, TIFFANY_PAL=tmp_path / "run.pal") as process:
        found = process.log()
        assert found["health"] == "limited" and "run.pal is ignored: it is a set-uid program" in found["found"], found
    assert not (tmp_path / "run.pal").exists()


def test_of_a_process_whose_disk_is_full_it_is_told_what_that_costs(tmp_path):
    need_root()
    small = tmp_path / "small"
    small.mkdir()
    demo = tmp_path / "demo"
    demo.write_text(f"#!/bin/sh\nexec unshare -m sh -c 'mount -t tmpfs -o size=256k tmpfs {small} && exec \"$@\"' sh "
                    f"{program('tiffany-demo')} \"$@\"\n")
    demo.chmod(0o755)
    with Idle(demo, TIFFANY_PAL=small / "run.pal") as process:
        end = time.monotonic() + DEADLINE
        while (found := process.log())["health"] == "good" and time.monotonic() < end:
            time.sleep(0.1)
        assert found["health"] == "wrong" and found["found"].endswith("run.pal, and its disk is full"), found
        assert found["mend"].startswith("df ")


def fake(directory, name, says):
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{says}\n")
    (directory / name).chmod(0o755)


def versions(path):
    done = subprocess.run([program("paltrace"), "doctor", "--json"], capture_output=True, text=True, timeout=DEADLINE,
                          env=dict(os.environ, PATH=f"{path}:{os.environ['PATH']}"))
    return {finding["what"]: finding for finding in json.loads(done.stdout)}["lttng-ust"]


def test_the_version_of_lttng_ust_is_told_and_one_that_is_not_that_of_the_tools_is_limited(tmp_path):
    need_program("dpkg-query")
    installed = checked(["dpkg-query", "--show", "--showformat=${Version}", "liblttng-ust1"]).stdout.split("-")[0]
    found = doctor()["lttng-ust"]
    assert found["health"] == "good"
    assert found["found"].endswith(f"/liblttng-ust.so.1, version {installed}"), found
    tools = tmp_path / "tools"
    fake(tools, "lttng", 'echo "lttng (LTTng Trace Control) 2.12.4 - a name"')
    found = versions(tools)
    assert found["health"] == "limited" and found["found"].endswith(f"{installed}, beside lttng-tools 2.12.4"), found
    assert found["mend"] == "apt-get install lttng-tools liblttng-ust1"
    fake(tools, "lttng", f'echo "lttng (LTTng Trace Control) {".".join(installed.split(".")[:2])}.99 - a name"')
    assert versions(tools)["health"] == "good", "the last number may differ"
    unknown = tmp_path / "unknown"
    fake(unknown, "dpkg-query", "exit 1")
    fake(unknown, "rpm", "exit 1")
    found = versions(unknown)
    assert found["health"] == "good" and found["found"].endswith("of no package that tells its version"), found


def test_a_module_that_is_named_and_missing_is_told(tmp_path):
    done = subprocess.run([program("paltrace"), "doctor", "--json"], capture_output=True, text=True, timeout=DEADLINE,
                          env={**os.environ, "TIFFANY_LTTNG_MODULE": str(tmp_path / "none.so")})
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}["provider module"]
    assert found["health"] == "limited" and str(tmp_path / "none.so") in found["found"]
    assert found["mend"] == "unset TIFFANY_LTTNG_MODULE"


@pytest.fixture
def demo(tmp_path):
    copied = private_copy(program("tiffany-demo"), tmp_path)
    env = {**os.environ, "TIFFANY_LTTNG_MODULE": str(program("libtiffany-lttng.so"))}
    running = subprocess.Popen([copied, "--seconds", str(DEADLINE), "--metrics-port", "0"], env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    running.stderr.readline()  # it serves: its scheduler is made
    yield copied, running.pid
    end_process(running)


def attach_line(found):
    return found.split("to count transitions: ")[1]


def test_a_process_has_its_probes_and_the_line_that_is_told_attaches_to_them(demo):
    need_bpftrace()
    copied, pid = demo
    found = doctor("--pid", pid)
    assert f"tiffany-demo (pid {pid}) of root" == found["process"]["found"]
    probes = found["USDT probes"]
    assert probes["health"] == "good"
    assert re.match(rf"(\d\d) of \1 probes in {re.escape(str(copied))};", probes["found"]), probes["found"]
    assert found["USDT tracers"]["found"] == "none is attached (semaphore 0)"
    assert found["LTTng in the process"]["found"] == "its provider is loaded"
    counted = 0
    for seconds in (0.5, 2, 8):  # the semaphore rises before the first event is counted
        tracer = subprocess.Popen(["sh", "-c", "exec " + attach_line(probes["found"])], stdout=subprocess.PIPE, text=True)
        try:
            poll(lambda: "attached (semaphore 1" in doctor("--pid", pid)["USDT tracers"]["found"], "it attaches")
            time.sleep(seconds)
        finally:
            end_bpftrace(tracer, DEADLINE)
            said, _ = tracer.communicate(timeout=DEADLINE)
        counted = int(said.split("@running: ")[1].split()[0])
        if counted > 0:
            break
    assert counted > 0
    assert doctor("--pid", pid)["USDT tracers"]["found"] == "none is attached (semaphore 0)"


def test_a_process_without_lttng_says_why(tmp_path):
    running = subprocess.Popen([program("tiffany-demo"), "--seconds", str(DEADLINE), "--metrics-port", "0"],
                               env={**os.environ, "TIFFANY_LTTNG": "0"}, stderr=subprocess.PIPE, text=True,
                               stdout=subprocess.DEVNULL)
    try:
        running.stderr.readline()
        found = doctor("--pid", running.pid)["LTTng in the process"]
        assert found["health"] == "limited" and "TIFFANY_LTTNG=0" in found["found"]
    finally:
        end_process(running)


def test_a_process_of_another_user_is_told_and_not_looked_into(demo):
    need_root()
    _, pid = demo
    if not os.access("/", os.X_OK) or any(part for part in BIN.parents if not part.stat().st_mode & 0o001):
        pytest.skip("another user cannot reach the programs that were built")
    found = doctor("--pid", pid, user=65534)
    assert found["process"]["health"] == "wrong"
    assert "belongs to root, and this is nobody" in found["process"]["found"]
    assert "USDT probes" not in found


def test_what_only_root_may_do_is_proposed_with_sudo_only_where_it_is_installed(tmp_path):
    need_root()
    need_program("setpriv")
    if any(part for part in BIN.parents if not part.stat().st_mode & 0o001):
        pytest.skip("another user cannot reach the programs that were built")
    tools = tmp_path / "tools"
    tools.mkdir()
    sh = shutil.which("sh")
    found = {}
    for with_sudo in (False, True):
        if with_sudo:
            fake(tools, "sudo", "exit 1")
        bare = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/bin\n"
        bare += f"ln -s {shutil.which('setpriv')} {shutil.which('env')} {sh} /mnt/bin\n"
        bare += f"cp {tools}/sudo /mnt/bin\n" if with_sudo else ""
        mends = doctor("--pid", os.getpid(), script=bare + "PATH=/mnt/bin; export PATH", user=65534)
        found[with_sudo] = (mends["perf_event_paranoid"]["mend"], mends["process"]["mend"])
    looks = ("paltrace doctor", f"paltrace doctor --pid {os.getpid()}")
    assert found == {True: tuple(f"sudo {look}" for look in looks), False: tuple(f"as root: {look}" for look in looks)}


@pytest.mark.parametrize(
    "value, health, says",
    [
        (None, "good", "nobody watches for runs that do not end (TIFFANY_STALL is not set)"),
        ("", "good", "nobody watches for runs that do not end (TIFFANY_STALL is not set)"),
        ("250ms", "good", "TIFFANY_STALL=250ms; a thread watches for runs that do not end"),
        ("2min", "good", "TIFFANY_STALL=2min; a thread watches for runs that do not end"),
        ("0s", "good", "TIFFANY_STALL=0s: off; nobody watches for runs that do not end"),
        ("1", "limited", "TIFFANY_STALL=1 is no time (a whole number, and ms, s or min); nobody watches for runs that do not end"),
        ("1h", "limited", "TIFFANY_STALL=1h is no time (a whole number, and ms, s or min); nobody watches for runs that do not end"),
        ("0.5s", "limited",
         "TIFFANY_STALL=0.5s is no time (a whole number, and ms, s or min); nobody watches for runs that do not end"),
        ("9999999999999s", "limited",
         "TIFFANY_STALL=9999999999999s is no time (a whole number, and ms, s or min); "
         "nobody watches for runs that do not end"),
    ],
)
def test_what_a_process_was_told_of_stalls_is_what_it_does(value, health, says):
    env = {**os.environ, "TIFFANY_LTTNG": "0", **({} if value is None else {"TIFFANY_STALL": value})}
    running = subprocess.Popen([program("tiffany-demo"), "--seconds", str(DEADLINE), "--metrics-port", "0"], env=env,
                               stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
    try:
        running.stderr.readline()  # it serves: its scheduler is made
        look = lambda: doctor("--pid", running.pid)["stall watch"]
        poll(lambda: look()["found"] == says, f"it says: {says}")
        assert look()["health"] == health
    finally:
        end_process(running)


def test_a_set_uid_program_ignores_what_it_was_told_of_stalls(tmp_path):
    demo = set_uid_copy(program("tiffany-demo"), tmp_path)
    running = subprocess.Popen([demo, "--seconds", str(DEADLINE), "--metrics-port", "0"],
                               env={**os.environ, "TIFFANY_LTTNG": "0", "TIFFANY_STALL": "250ms"},
                               stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
    try:
        running.stderr.readline()
        found = doctor("--pid", running.pid)["stall watch"]
        assert found["health"] == "limited" and found["found"].startswith("TIFFANY_STALL=250ms is ignored"), found
        assert found["found"].endswith("nobody watches for runs that do not end")
    finally:
        end_process(running)


HIDES_ITSELF = """
import ctypes, sys, time
if "--not-dumpable" in sys.argv:
    assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0  # PR_SET_DUMPABLE
print("runs", flush=True)
time.sleep(3600)
"""
MORE_RIGHTS = ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"]


class Closed:
    """An ordinary user's process that the kernel lets no other look into, with a log that it could not write."""

    def __init__(self, user, target, *, rights=(), dumpable=True):
        identity = [f"--reuid={user.UID}", f"--regid={user.UID}", "--clear-groups", *rights]
        self.process = subprocess.Popen(
            ["setpriv", *identity, sys.executable, "-c", HIDES_ITSELF, *([] if dumpable else ["--not-dumpable"])],
            env={**os.environ, "TIFFANY_PAL": str(target)}, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self.process.stdout.readline() == "runs\n"
        return self.process.pid

    def __exit__(self, *_):
        end_process(self.process)
        self.process.stdout.close()


@pytest.mark.parametrize("hidden", [{"dumpable": False}, {"rights": MORE_RIGHTS}], ids=["not dumpable", "more rights"])
def test_of_a_process_that_this_user_may_not_look_into_nothing_is_said_but_that(hidden):
    with OrdinaryUser("paltrace") as user, Closed(user, user.home / "run.pal", **hidden) as pid:
        done = user.run([user.program("paltrace"), "doctor", "--json", "--pid", pid])
        found = {finding["what"]: finding for finding in json.loads(done.stdout)}
        assert found["process"]["health"] == "wrong" and done.returncode == 3
        assert f"(pid {pid}) of nobody cannot be looked into by nobody: Permission denied: it has more rights" in (
            found["process"]["found"]), found["process"]
        assert "paltrace doctor --pid" in found["process"]["mend"]
        assert "log of the process" not in found and "USDT probes" not in found and "stall watch" not in found


def test_a_root_that_may_not_look_into_a_process_says_so():
    with OrdinaryUser() as user, Closed(user, user.home / "run.pal") as pid:
        drop = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
        done = subprocess.run([*drop, program("paltrace"), "doctor", "--json", "--pid", str(pid)], capture_output=True, text=True,
                              timeout=DEADLINE)
        found = {finding["what"]: finding for finding in json.loads(done.stdout)}
        assert "of nobody cannot be looked into by root" in found["process"]["found"], found["process"]
        assert "CAP_SYS_PTRACE" in found["process"]["found"] and "CAP_SYS_PTRACE" in found["process"]["mend"]
        assert "log of the process" not in found and "USDT probes" not in found


def test_root_knows_whose_process_it_is_that_hides_from_other_users():
    with OrdinaryUser() as user:
        closed = user.base / "closed"
        closed.mkdir(mode=0o700)
        with Closed(user, closed / "run.pal", dumpable=False) as pid:
            found = doctor("--pid", pid)
            assert found["process"]["found"].endswith(" of nobody")
            log = found["log of the process"]
            assert log["found"] == f"TIFFANY_PAL={closed}/run.pal: its folder cannot be written to: Permission denied", log


def test_a_process_that_is_not_there_is_an_error():
    done = subprocess.run([program("paltrace"), "doctor", "--pid", "4194305"], capture_output=True, text=True,
                          timeout=DEADLINE)
    assert done.returncode == 3
    assert done.stderr == "paltrace: cannot look at process 4194305: there is none\n"


@pytest.mark.parametrize("text", ["abc", "-1", "0", "12x", "99999999999999"])
def test_what_is_no_process_number_is_called_that(text):
    done = subprocess.run([program("paltrace"), "doctor", f"--pid={text}"], capture_output=True, text=True,
                          timeout=DEADLINE)
    assert done.returncode == 2 and f"expected a process number, found {text}" in done.stderr, done
    assert len(done.stderr) < 200, done


def test_a_process_whose_program_was_replaced_is_told_and_can_be_traced_by_the_line_that_is_told(demo):
    need_bpftrace()
    copied, pid = demo
    copied.unlink()
    private_copy(program("tiffany-demo"), copied.parent)
    found = doctor("--pid", pid)
    replaced = found["replaced file"]
    assert replaced["health"] == "limited"
    assert replaced["found"].startswith(f"{copied} was replaced or removed after process {pid} began"), replaced
    line = attach_line(found["USDT probes"]["found"])
    assert replaced["mend"] == f"start it again; or leave out -p: {line}"
    assert f"usdt:/proc/{pid}/exe:" in line and " -p " not in line
    assert found["USDT tracers"]["found"] == "none is attached (semaphore 0)"
    tracer = subprocess.Popen(["sh", "-c", "exec " + line], stdout=subprocess.PIPE, text=True)
    try:
        poll(lambda: "attached (semaphore 1" in doctor("--pid", pid)["USDT tracers"]["found"], "it attaches")
    finally:
        end_bpftrace(tracer, DEADLINE)
        said, _ = tracer.communicate(timeout=DEADLINE)
    assert "@running" in said
    refused = subprocess.run([SOURCE / "tools" / "bpftrace" / "counts", str(pid)], capture_output=True, text=True,
                             timeout=DEADLINE)
    assert refused.returncode == 3
    assert refused.stderr.startswith(f"counts: {copied} was replaced or removed after process {pid} began"), refused


def test_a_process_that_root_may_not_look_into_is_called_so():
    need_bpftrace()
    need_root()
    with subprocess.Popen(["sleep", "60"]) as target:
        try:
            less_than_it = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"]
            counts = [*less_than_it, SOURCE / "tools" / "bpftrace" / "counts", str(target.pid)]
            refused = subprocess.run(counts, capture_output=True, text=True, timeout=DEADLINE)
        finally:
            target.kill()
    assert refused.returncode == 3
    assert refused.stderr == f"counts: may not look into process {target.pid}: root needs CAP_SYS_PTRACE here\n"


def test_a_process_that_has_ended_and_a_kernel_thread_are_called_so():
    need_bpftrace()
    ended = subprocess.Popen(["true"])
    try:
        poll(lambda: not alive(ended.pid), "it has ended, and nobody has asked how")
        kernel = next((pid for pid in children(2)), None)
        for pid, says in ((ended.pid, "has ended"), (kernel, "is a kernel thread")):
            if pid is None:
                continue  # a container does not see the kernel's
            found = doctor("--pid", pid)
            assert found["process"]["health"] == "wrong" and f"(pid {pid}) {says}" in found["process"]["found"], found
            assert "USDT probes" not in found and "LTTng in the process" not in found
            refused = subprocess.run([SOURCE / "tools" / "bpftrace" / "counts", str(pid)], capture_output=True, text=True,
                                     timeout=DEADLINE)
            assert refused.returncode == 3 and refused.stderr.startswith(f"counts: process {pid} {says}"), refused
    finally:
        ended.wait()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_an_error_at_once(tmp_path, make):
    odd = tmp_path / "odd"
    make(odd)
    done = subprocess.run([program("paltrace"), "doctor", odd], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    assert done.stderr == f"paltrace: cannot look for probes in {odd}: it is no regular file\n"


def test_files_with_probes_without_and_no_elf(tmp_path):
    need_program("strip")
    need_program("objcopy")
    whole = private_copy(program("tiffany-demo"), tmp_path)
    assert doctor(whole)["USDT probes"]["health"] == "good"
    checked(["strip", whole])
    assert doctor(whole)["USDT probes"]["health"] == "good", "symbols are not probes"
    checked(["objcopy", "--remove-section", ".note.stapsdt", whole])
    gone = doctor(whole)["USDT probes"]
    assert gone["health"] == "wrong" and "none of Tiffany" in gone["found"]
    assert doctor(sys.executable)["USDT probes"]["health"] == "wrong", "its probes, if any, are not ours"
    text = tmp_path / "text"
    text.write_text("no program")
    done = subprocess.run([program("paltrace"), "doctor", text], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    assert done.stderr == f"paltrace: cannot look for probes in {text}: it is no ELF file\n"


def test_the_text_has_a_line_a_finding():
    done = subprocess.run([program("paltrace"), "doctor"], capture_output=True, text=True, timeout=DEADLINE)
    lines = done.stdout.splitlines()
    assert len(lines) == len(doctor())
    for line in lines:
        health = line.split(": ")[0]
        assert health in ("good", "limited", "wrong")
        assert (health == "good") == ("; mend: " not in line)
