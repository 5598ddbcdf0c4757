"""A program starts where LTTng, or what it needs, is missing or full: it runs, and a metric says why nobody traces it."""

import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

import pytest
from kit import DEADLINE, PrivateLttng, end_process, need_program, need_root, poll, private_copy, program
from recording import check, record

FILES = ("tiffany-demo", "steady", "libtiffany-lttng.so")
NO_SHM = "\n".join([
    "mount -t tmpfs -o mode=0755 tmpfs /dev",
    "mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/zero c 1 5; mknod -m 666 /dev/urandom c 1 9",
])
READ_ONLY_ROOT = "mount -o remount,ro,bind /"
FULL_SHM = "mount -t tmpfs -o size=8k tmpfs /dev/shm; head -c 8192 /dev/zero >/dev/shm/full"
EMPTY_READ_ONLY_SHM = "mount -t tmpfs -o ro tmpfs /dev/shm"
NOBODY_AT_HOME = ["env", "-u", "HOME", "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]


@pytest.fixture
def programs():
    """A folder that everybody can read: pytest's own and the checkout may be closed."""
    need_root()
    need_program("setpriv")
    with tempfile.TemporaryDirectory(prefix="start-") as directory:
        folder = pathlib.Path(directory)
        folder.chmod(0o755)
        for name in FILES:
            private_copy(program(name), folder)
        yield folder


def in_mounts(script, command, launcher=()):
    command = [*launcher, *command]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + '\nexec "$@"', "sh", *map(str, command)]


def scraped(command, **options):
    """The metrics of a demo that has finished its work; it ended well."""
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        url = re.search(r"metrics on (\S+)", demo.stderr.readline()).group(1)
        assert "transitions" in demo.stdout.readline()
        text = urllib.request.urlopen(url, timeout=DEADLINE).read().decode()
    finally:
        end_process(demo)
    assert demo.returncode == 0
    return text


@pytest.mark.parametrize(
    "script, launcher, reason",
    [
        (FULL_SHM, [], "shm_full"),
        (NO_SHM, [], "no_shm"),
        (EMPTY_READ_ONLY_SHM, NOBODY_AT_HOME, "no_shm"),
        (READ_ONLY_ROOT, NOBODY_AT_HOME, None),
        (f"{NO_SHM}; {READ_ONLY_ROOT}", NOBODY_AT_HOME, "no_shm"),
    ],
    ids=["full /dev/shm", "no /dev/shm", "read-only /dev/shm", "nobody's uid, no HOME, read-only root", "all of it"],
)
def test_it_runs_and_the_metric_says_why_it_is_not_traced(programs, script, launcher, reason):
    demo = [programs / "tiffany-demo", "--transitions", "2000", "--stay", "--metrics-port", "0"]
    text = scraped(in_mounts(script, demo, launcher), cwd="/")
    assert re.search(r'^task_transitions_total\{scheduler="demo",event="Running"\} [1-9]', text, re.M)
    assert re.findall(r'^tiffany_tracing_unavailable\{reason="(\w+)"\} 1$', text, re.M) == ([reason] if reason else [])
    assert re.search(r'^tiffany_tracing_attached\{tracer="lttng"\} 0$', text, re.M)


def test_a_uid_without_a_name_or_a_home_on_a_read_only_root_is_traced_by_roots_daemon(programs, tmp_path):
    def attached(url):
        text = urllib.request.urlopen(url, timeout=DEADLINE).read().decode()
        return re.search(r'^tiffany_tracing_attached\{tracer="lttng"\} 1$', text, re.M)

    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path}/trace")
        lttng.lttng("enable-event", "-u", "tiffany:*")
        lttng.lttng("start")
        demo = [programs / "tiffany-demo", "--seconds", "0", "--tasks", "10", "--metrics-port", "0"]
        command = in_mounts(READ_ONLY_ROOT, demo, NOBODY_AT_HOME)
        traced = lttng.popen(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        url = re.search(r"metrics on (\S+)", traced.stderr.readline()).group(1)
        poll(lambda: attached(url), "the metric tells of the session")
        poll(lambda: any(file.stat().st_size > 8192 for file in (tmp_path / "trace/ust/uid/54321").rglob("channel0_*")), "it is recorded")
        end_process(traced)
        lttng.lttng("destroy", "run")
    assert traced.returncode == 0
    judged = check(tmp_path / "trace")
    recorded = int(re.search(r"of them transitions: (\d+)", judged.stdout)[1])
    print(f"{recorded} transitions")
    assert judged.returncode in (0, 4) and recorded > 0, judged


def threads(status):
    return int(re.search(r"Threads:\s+(\d+)", status)[1])


@pytest.mark.parametrize("script", [FULL_SHM, NO_SHM], ids=["full", "none"])
def test_without_room_in_dev_shm_lttng_brings_no_threads(programs, script):
    """Its two threads would wait for ever for what cannot come."""
    process = subprocess.Popen(in_mounts(script, [programs / "steady", 0, 1000]), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() in ("lttng shm_full\n", "lttng no_shm\n")
        assert threads(pathlib.Path(f"/proc/{process.pid}/status").read_text()) == 1
    finally:
        end_process(process)
    assert process.returncode == 0


# LTTng does the same when a process ends, to each empty directory of the session.
REMOVER = """
import contextlib, pathlib, subprocess, sys
shm, spin = pathlib.Path(sys.argv[1]), sys.argv[2]
for _ in range(16):
    start = subprocess.Popen([spin, "10"])
    while start.poll() is None:
        with contextlib.suppress(OSError):  # it is not empty, or gone
            for directory in shm.glob("*/ust/pid/*"):
                with contextlib.suppress(OSError):
                    directory.rmdir()
"""


def test_a_process_whose_directory_for_crash_safe_buffers_is_removed_is_counted(tmp_path):
    for attempt in range(10):  # it is a race, and on a busy machine it may be lost sixteen times
        run = tmp_path / f"run{attempt}"
        command = [sys.executable, "-c", REMOVER, run / "shm", program("spin_transitions")]
        done = record(run, "--crash-safe", "--buffers", "64kx4", "--", *command)
        missed = done.file["missed_processes"]
        if missed > 0:
            break
    assert missed > 0 and len(done.file["processes"]) + missed == 16, "the test needs one that is missed"
    assert "cannot tell of every process: LTTng removed the directory for the buffers of " in done.err
    judged = check(run)
    if missed < 16:
        done.expect(4)
        assert judged.returncode == 0 and judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"
    assert f"note: LTTng removed the directory for the buffers of {missed} process" in judged.stdout
    assert list(done.file["missed_causes"].values()) == [missed]
