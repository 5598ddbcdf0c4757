"""What the tests of `paltrace record` share: a recording that is run to its end, or that goes on.

The program that is recorded counts its own transitions, so every number has a second source.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from kit import DEADLINE, alive, children, kill_with_all_below, need_program, need_root, poll, program, run_to_end, stop


@pytest.fixture
def lttng_is_installed():
    need_program("lttng-sessiond")
    need_program("lttng")


@pytest.fixture
def spin():
    return str(program("spin_transitions"))


class Done:
    """A finished paltrace record: exit status, what was said, and record.json."""

    def __init__(self, code, out, err, directory):
        self.code = code
        self.out = out
        self.err = err
        self.directory = pathlib.Path(directory)
        self._said = f"exit {code}\n{out[-2000:]}\n{err[-4000:]}"

    @property
    def file(self):
        return json.loads((self.directory / "record.json").read_text())

    def transitions(self):
        """What the program itself counted, in all its processes."""
        return sum(int(number) for number in re.findall(r"^transitions (\d+)$", self.out, re.M))

    def expect(self, code):
        assert self.code == code, self._said
        return self


def record(directory, *arguments, prefix=(), **options):
    """Runs paltrace record -o DIRECTORY ARGUMENTS to its end."""
    done = run_to_end([*prefix, program("paltrace"), "record", "-o", directory, *arguments], **options)
    return Done(done.returncode, done.stdout, done.stderr, directory)


# s: what docs/reliability.md promises, from the end of COMMAND, or of what was killed last, to that of paltrace
PROMISED_END = 10


class Running:
    """A paltrace record that goes on, in a process group of its own, and every process that it started."""

    def __init__(self, directory, *arguments, ready=None, prefix=()):
        self.directory = pathlib.Path(directory)
        command = [*prefix, program("paltrace"), "record", "-o", directory, *arguments]
        self._out = open(f"{directory}.out", "w+", encoding="utf-8")
        self._err = open(f"{directory}.err", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [str(part) for part in command], stdout=self._out, stderr=self._err, start_new_session=True
        )
        self.started = []
        if ready is None:
            return
        try:
            poll(lambda: ready.exists() or self.process.poll() is not None, "the command works")
            assert self.process.poll() is None, self._text(self._err)
            self.started = [pid for pid in children(self.process.pid) if alive(pid)]
            assert len(self.started) >= 5, "two keepers, two daemons and the command"
        except BaseException:
            self.__exit__()
            raise

    @staticmethod
    def _text(file):
        file.flush()
        file.seek(0)
        return file.read()

    def child(self, name):
        """The pid of a process below paltrace, by its name."""
        for pid in self.started:
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name[:15]:
                    return pid
        raise AssertionError(f"no {name} among {self.started}")

    def wait(self, within=DEADLINE):
        begin = time.monotonic()
        code = self.process.wait(within)
        if within == PROMISED_END:
            print(f"paltrace ends {time.monotonic() - begin:.1f} s later")
        return Done(code, self._text(self._out), self._text(self._err), self.directory)

    def nothing_is_left(self):
        for pid in self.started:
            poll(lambda: not alive(pid), f"process {pid} has ended")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            kill_with_all_below(self.process.pid)  # also what began after it was ready
            self.process.wait()
        for pid in self.started:
            with contextlib.suppress(ProcessLookupError):
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def temporary(monkeypatch):
    """Where paltrace makes its private directory: ours alone, and short, because sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="r-", dir="/tmp") as directory:
        monkeypatch.setenv("TMPDIR", directory)
        yield pathlib.Path(directory)


def entries(directory):
    return [entry.name for entry in directory.iterdir()]


def mount_namespace(script):
    """A prefix for a command: runs `script` as root in a mount namespace of its own, then the command."""
    need_root()
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + '\nexec "$@"', "sh"]


def check(*inputs):
    command = [str(part) for part in (program("paltrace"), "check", *inputs)]
    return subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE)


def losses_and_records(text):
    """Every number in the lines that tell of what is lost, or there."""
    lines = (line for line in text.splitlines() if re.search(r"\b(?:lost|records)\b", line))
    return [int(number) for line in lines for number in re.findall(r"\b\d+\b", line)]


def run_until_announced(tmp_path, spin, *options):
    announce = tmp_path / "go"
    return Running(tmp_path / "run", "--", spin, "0", "--gently", "--announce", announce, *options, ready=announce)


def count_in(counter):
    return int.from_bytes(counter.read_bytes(), sys.byteorder)


def small_shm(bytes_):
    return mount_namespace(f"mount -t tmpfs -o size={bytes_} tmpfs /dev/shm")


def read_lines(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def kill_at_once(traced, *others):
    """Before any of them could do something about it: the program ends its recording itself if it sees a daemon die before it.

    The consumer daemon of `others` comes before the session daemon, whose end makes it take the buffers down.
    """
    stop(traced, *others)
    for pid in (traced, *others):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def rescue_line(said):
    return re.search(r"^paltrace: should this be killed.*?: (lttng-crash .*)$", said, re.M)[1]


def in_shell(line):
    path = f"{program('paltrace').parent}:{os.environ['PATH']}"
    options = {"env": os.environ | {"PATH": path}, "timeout": DEADLINE, "capture_output": True, "text": True}
    return subprocess.run(["sh", "-ec", line], check=False, **options)


def paltrace(*arguments):
    command = [str(part) for part in (program("paltrace"), *arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=DEADLINE)


def transitions_of(log):
    with open(log, encoding="utf-8") as lines:
        return sum('"step":' in line for line in lines)
