"""What the integration tests share: real daemons that are ours alone, and that end with the test.

    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path}/trace")
        lttng.lttng("enable-event", "-u", "tiffany:*")
        lttng.lttng("start")
        lttng.run([program("tiffany-demo"), "--tasks", "10"])
        lttng.lttng("destroy", "run")

    with Bpftrace('usdt:./copy:tiffany:task__done { @done = count(); }', cwd=tmp_path) as tracer:
        subprocess.run(["./copy"], cwd=tmp_path, check=True)
        assert tracer.stop().maps["@done"] == 10

Everything started here is ended here, by its pid, also when the test fails.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time

import pytest
from end_bpftrace import end_bpftrace
from held_thread import FORBIDDEN, HeldThread

BUILD_DEADLINE = 3600  # seconds, for what compiles
# CMake's variables for a build of this project that is made to be looked at
QUICK_BUILD = {"CMAKE_UNITY_BUILD": "ON", "CMAKE_UNITY_BUILD_BATCH_SIZE": "0"}
if shutil.which("ccache"):
    QUICK_BUILD["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
DEADLINE = 60  # seconds: far above what anything here takes, so that a slow machine is no failure
# ms. A program that waited for LTTng in vain for so long goes on unregistered, and its first events are missing: a daemon
# that gets no CPU, or no disk, for LTTng's own 3 s, or our 500 ms, is no failure. What tests those sets, or unsets, it.
os.environ.setdefault("LTTNG_UST_REGISTER_TIMEOUT", "60000")


def _directory(variable, otherwise):
    return pathlib.Path(os.environ.get(variable, otherwise)).resolve()


SOURCE = _directory("TIFFANY_SOURCE", pathlib.Path(__file__).parent.parent.parent)
BIN = _directory("TIFFANY_BIN", SOURCE / "build" / "release" / "bin")


def program(name):
    """The path of a program (or of a library) that was built."""
    path = BIN / name
    assert path.exists(), f"{path} is not there: build it, or say in TIFFANY_BIN where the programs are"
    return path


def lacking(why):
    """Skips, because a tool or a right is not there. Where TIFFANY_NO_SKIP=1 says that nothing is lacking (.ci/run), it fails."""
    if os.environ.get("TIFFANY_NO_SKIP") == "1":
        pytest.fail(f"would be skipped, where nothing may be lacking (TIFFANY_NO_SKIP): {why}", pytrace=False)
    pytest.skip(why)


def need_built(name):
    """As `program`; skips where the library that it needs was not found when this was configured."""
    if not (BIN / name).exists():
        lacking(f"{name} was not built: the library that it adapts is not there")
    return BIN / name


@contextlib.contextmanager
def taken_port():
    """A port of 127.0.0.1 that nobody else can have."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def private_copy(source, directory):
    """A copy of a program or library: bpftrace counts every process of a file, so a test watches a file of its own."""
    copied = pathlib.Path(directory) / pathlib.Path(source).name
    shutil.copy2(source, copied)
    return copied


def set_uid_copy(source, directory):
    """One that belongs to another user and runs as that; skips where there can be none."""
    need_root()
    if os.statvfs(directory).f_flag & os.ST_NOSUID:
        lacking(f"{directory} is mounted nosuid")
    copied = private_copy(source, directory)
    os.chown(copied, 65534, 65534)
    copied.chmod(0o4755)
    return copied


def poll(condition, what, deadline=DEADLINE):
    """Waits until `condition()` is true and returns its value; fails with what it last saw."""
    end = time.monotonic() + deadline
    while True:
        seen = condition()
        if seen:
            return seen
        assert time.monotonic() < end, f"not within {deadline} s: {what}; last seen: {seen!r}"
        time.sleep(0.02)


def checked(command, **options):
    """Runs a command to its end; fails with everything it printed unless it returns 0."""
    done = run_to_end(command, **options)
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )
    return done


# ---- what the machine must have ----


def need_root():
    if os.geteuid() != 0:
        lacking("needs root")


def two_cpus():
    """The first two that this may run on."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        lacking("needs two CPUs")
    return cpus[:2]


def need_program(name):
    if shutil.which(name) is None:
        lacking(f"{name} is not installed")


def full_device(directory):
    """A /dev/full of the test's own: a program that replaces what it should write into must not harm the machine's."""
    need_root()
    path = pathlib.Path(directory) / "full"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        lacking(f"no device can be used in {directory}: {error}")
    return path


def need_bpftrace():
    """bpftrace can attach to user-space probes here; tracefs is mounted if it was not."""
    need_root()
    need_program("bpftrace")
    if not pathlib.Path("/sys/bus/event_source/devices/uprobe").exists():
        lacking("the kernel has no uprobes")
    tracefs = pathlib.Path("/sys/kernel/tracing")
    if not (tracefs / "trace").exists():
        mounted = subprocess.run(
            ["mount", "-t", "tracefs", "tracefs", tracefs], check=False, capture_output=True, text=True
        )
        if mounted.returncode != 0:
            lacking(f"tracefs cannot be mounted: {mounted.stderr.strip()}")


# ---- processes ----


def need_files_of(pid):
    """Below a chroot the kernel names the files of a process in another mount namespace by paths that lead nowhere
    there, and bpftrace -p finds no probes."""
    mapped = re.search(r" r-xp .* (/.*)", open(f"/proc/{pid}/maps").read()).group(1)
    if not os.path.exists(f"/proc/{pid}/root{mapped}"):
        pytest.skip("below a chroot bpftrace cannot see the files of a process in another mount namespace")


def alive(pid):
    """Whether a process runs. A zombie does not: where PID 1 does not reap, the dead stay in /proc."""
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid):
    """The pids of a process's children and of theirs."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(status.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = []
    todo = [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def held(tid):
    """Takes a thread's CPU away; skips where nobody may do that."""
    try:
        return HeldThread(tid)
    except PermissionError:
        lacking(FORBIDDEN)


def stop(*pids):
    """None of them does anything any more when this returns: a thread in the kernel stops when it comes back."""

    def state(thread):
        with contextlib.suppress(OSError):
            return (thread / "stat").read_text().rpartition(")")[2].split()[0]
        return "X"

    def all_stand_still():
        return all(state(thread) in "TZX" for pid in pids for thread in pathlib.Path(f"/proc/{pid}/task").glob("*"))

    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    poll(all_stand_still, "all of them stand still")


def kill_with_all_below(pid):
    """Kills a process, and what it and those below it have started: a command that is recorded outlives paltrace."""
    stopped = []
    while True:  # from above, so that none goes on to start another
        found = [each for each in (pid, *children(pid)) if each not in stopped and alive(each)]
        if not found:
            break
        for each in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)
        stopped += found
    for each in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def run_to_end(command, timeout=DEADLINE, **options):
    """As subprocess.run, with what was said as text; but when the time is over, nothing that was started is left."""
    command = [str(part) for part in command]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            kill_with_all_below(process.pid)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def end_process(process, first=signal.SIGTERM, deadline=DEADLINE):
    """Ends a subprocess that we started: asks, then kills."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


# ---- LTTng ----


class PrivateLttng:
    """A session daemon of our own.

    Root's daemon ignores LTTNG_HOME and uses /run/lttng, so as root it lives in a mount namespace where that is a
    fresh tmpfs; for an ordinary user LTTNG_HOME is enough. Commands see it when they are run by `run` and `popen`.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.home = self.directory / "lttng-home"
        self.daemon = None
        self._started = []

    def __enter__(self):
        need_program("lttng-sessiond")
        self.home.mkdir(exist_ok=True)
        command = ["lttng-sessiond", "--no-kernel"]
        if os.geteuid() == 0:
            os.makedirs("/run/lttng", exist_ok=True)
            mount = 'mount -t tmpfs tmpfs /run/lttng && exec "$@"'
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh", *command]
        self._log = open(self.directory / "lttng-sessiond.log", "ab")
        # not with -d: as our child it can be waited for, and it dies with us
        self.daemon = subprocess.Popen(
            command,
            env=self._environment(None),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=_die_with_parent,
        )
        try:
            poll(self._ready, "the session daemon answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_blocking_session(self, trace, timeout):
        """One small channel for all events, in which they wait for room; `timeout` as LTTng's --blocking-timeout."""
        self.lttng("create", "run", f"--output={trace}")
        room = ("--buffers-pid", "--subbuf-size=64k", "--num-subbuf=4", f"--blocking-timeout={timeout}")
        self.lttng("enable-channel", "-u", *room, "all")
        self.lttng("enable-event", "-u", "tiffany:*", "-c", "all")
        self.lttng("start")

    def __exit__(self, *_):
        for process in reversed(self._started):
            end_process(process, signal.SIGKILL)
        below = children(self.daemon.pid)  # the consumer daemons
        end_process(self.daemon)
        for pid in below:
            try:
                poll(lambda: not alive(pid), "a consumer daemon ends with its session daemon", 10)
            except AssertionError:
                os.kill(pid, signal.SIGKILL)
                poll(lambda: not alive(pid), f"the killed consumer daemon {pid} is gone")
        self._log.close()
        assert not alive(self.daemon.pid)

    def _ready(self):
        assert self.daemon.poll() is None, f"the session daemon ended: exit {self.daemon.returncode}"
        # before that name it is still the shell, perhaps not yet in its namespace, where a daemon of the machine answers
        if pathlib.Path(f"/proc/{self.daemon.pid}/comm").read_text().strip() != "lttng-sessiond":
            return False
        return self._enter(["lttng", "--no-sessiond", "list"], run=True).returncode == 0

    def _environment(self, more):
        environment = dict(os.environ, LTTNG_HOME=str(self.home))
        environment.update({name: str(value) for name, value in (more or {}).items()})
        return environment

    def _enter(self, command, run, env=None, cwd=None, **options):
        command = [str(part) for part in command]
        cwd = str(cwd or os.getcwd())
        if os.geteuid() == 0:
            # --root: in a chroot the namespace has another root than we have
            target = [f"--target={self.daemon.pid}", "--root", f"--wdns={cwd}"]
            command = ["nsenter", "--mount", *target, "--", *command]
        options.update(env=self._environment(env), cwd=cwd)
        if run:
            options.setdefault("timeout", DEADLINE)
            options.setdefault("stdin", subprocess.DEVNULL)
            return subprocess.run(command, text=True, capture_output=True, **options)
        return subprocess.Popen(command, **options)

    def run(self, command, check=True, **options):
        """Runs a command to its end where it sees the daemon; fails unless it returns 0 (check=False: returns anyway)."""
        done = self._enter(command, run=True, **options)
        if check:
            assert done.returncode == 0, (
                f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def popen(self, command, **options):
        """Starts a command where it sees the daemon; its pid is the command's own. Ended at the latest with us."""
        process = self._enter(command, run=False, preexec_fn=_die_with_parent, **options)
        self._started.append(process)
        return process

    def lttng(self, *arguments, check=True, **options):
        """An lttng command; never starts a daemon of its own."""
        return self.run(["lttng", "--no-sessiond", *arguments], check=check, **options)

    def consumers(self):
        return [pid for pid in children(self.daemon.pid) if alive(pid)]


class OrdinaryUser:
    """A user who is not root, with a home and programs of their own: the checkout may be closed to others.

    with OrdinaryUser("paltrace", "tiffany-demo") as user:
        user.start_daemon()
        user.run([user.program("paltrace"), "doctor"])
    """

    UID = 65534

    def __init__(self, *programs):
        self._programs = programs
        self._started = []

    def __enter__(self):
        need_root()
        need_program("setpriv")
        self._directory = tempfile.TemporaryDirectory(prefix="user-")
        self.base = pathlib.Path(self._directory.name)
        self.base.chmod(0o755)
        self.home = self.base / "home"
        self.home.mkdir()
        os.chown(self.home, self.UID, self.UID)
        for name in (*self._programs, "libtiffany-lttng.so"):
            private_copy(program(name), self.base)
        return self

    def __exit__(self, *_):
        for process in reversed(self._started):
            below = children(process.pid)
            process.send_signal(signal.SIGCONT)
            for pid in below:  # a test that failed may have left a daemon stopped
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            end_process(process)
            for pid in below:
                poll(lambda: not alive(pid), f"process {pid} ends with {process.args}")
        self._directory.cleanup()

    def program(self, name):
        return self.base / name

    def _options(self, command, options):
        identity = [f"--reuid={self.UID}", f"--regid={self.UID}", "--clear-groups"]
        options.setdefault("cwd", self.home)
        options["env"] = dict(os.environ, HOME=str(self.home), TMPDIR=str(self.home))
        return ["setpriv", *identity, *map(str, command)], options

    def run(self, command, **options):
        command, options = self._options(command, options)
        options.setdefault("timeout", DEADLINE)
        return subprocess.run(command, check=False, text=True, capture_output=True, **options)

    def popen(self, command, **options):
        command, options = self._options(command, options)
        process = subprocess.Popen(command, preexec_fn=_die_with_parent, **options)
        self._started.append(process)
        return process

    def start_daemon(self):
        daemon = self.popen(["lttng-sessiond", "--no-kernel"], stderr=subprocess.DEVNULL)
        poll(lambda: self.run(["lttng", "--no-sessiond", "list"]).returncode == 0, "the user's session daemon answers")
        return daemon


# ---- bpftrace ----


# bpftrace 0.17 writes a byte above 127 into JSON as if it were a negative number
_SIGN_EXTENDED = re.compile(r"(?:\\uffffff[0-9a-f]{2})+")


def _decoded(found):
    return bytes.fromhex(found.group().replace("\\uffffff", "")).decode("utf-8", "replace")


class BpftraceResult:
    """`maps`: {"@name": value, or {"key,key": value}}, as bpftrace printed them at its end; `printed`: what printf said."""

    def __init__(self, lines, errors):
        self.maps = {}
        self.printed = ""
        self.errors = errors
        for line in lines:
            if not line.strip() or not line.startswith("{"):
                continue
            entry = json.loads(_SIGN_EXTENDED.sub(_decoded, line))
            if entry["type"] in ("map", "hist", "stats"):
                self.maps.update(entry["data"])
            elif entry["type"] == "printf":
                self.printed += entry["data"]
            elif entry["type"] == "lost_events":
                raise AssertionError(f"bpftrace lost {entry['data']['events']} lines of printf")


class Bpftrace:
    """bpftrace with a script, attached when `with` is entered.

    BEGIN runs before the other probes are attached, so it is no sign; what bpftrace says when all of them are is
    switched on by a variable of its environment.
    """

    _ATTACHED = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

    def __init__(self, script, arguments=(), include=(), cwd=None, env=None):
        self._command = ["bpftrace", "-f", "json"]
        for header in include:
            header = pathlib.Path(header)
            self._command += ["-I", str(header.parent), "--include", header.name]
        self._command += [*map(str, arguments), "-e", script]
        self._cwd = cwd
        self._env = dict(os.environ, **{self._ATTACHED: "1"}, **(env or {}))
        self._lines = []
        self._errors = []
        self._attached = threading.Event()
        self.process = None

    def __enter__(self):
        need_bpftrace()
        self.process = subprocess.Popen(
            self._command,
            cwd=self._cwd,
            env=self._env,
            text=True,
            errors="replace",  # a string may be cut inside a character
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_die_with_parent,
        )
        self._readers = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        try:
            poll(self._has_attached, "bpftrace has attached its probes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _read_output(self):
        self._lines.extend(self.process.stdout)

    def _read_errors(self):
        for line in self.process.stderr:
            if line.startswith(self._ATTACHED):
                self._attached.set()
            else:
                self._errors.append(line)

    def _has_attached(self):
        if self._attached.is_set():
            return True
        if self.process.poll() is not None:
            self._end()
            raise AssertionError(f"bpftrace ended: exit {self.process.returncode}\n{''.join(self._errors)}")
        return False

    def _end(self):
        end_bpftrace(self.process, DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()

    def wait_for_printed(self, count):
        """Waits until printf has printed so often: at its end bpftrace loses what it has not read yet (never its maps)."""

        def enough():
            printed = sum('"type": "printf"' in line for line in list(self._lines))
            return printed if printed >= count else None

        poll(enough, f"bpftrace prints {count} lines")

    def stop(self):
        """Ends it by SIGINT, which makes it print its maps, and returns them."""
        self._end()
        errors = "".join(self._errors)
        assert self.process.returncode == 0, f"bpftrace: exit {self.process.returncode}\n{errors}"
        return BpftraceResult(self._lines, errors)


def counting(elf):
    """A script that counts what each process of `elf` runs and yields: maps @runs and @yields, by pid.

    It says once of each that it counts: one that runs already is told of when it has noticed; and bpftrace misses a SIGINT
    that comes before it has begun to look at what it counted."""
    said = 'if (@said[pid] == 0) { @said[pid] = 1; printf("it counts\\n"); }'
    runs = f"usdt:{elf}:tiffany:task__running {{ @runs[pid] = count(); {said} }}"
    return f"{runs} usdt:{elf}:tiffany:task__yield {{ @yields[pid] = count(); }}"


def _semaphore_address(pid, elf, probe):
    """None before the kernel has mapped the program: Popen returns as soon as its exec cannot fail any more."""
    notes = checked(["readelf", "-n", elf]).stdout
    found = re.search(rf"Name: {probe}\s+Location: \S+, Base: \S+, Semaphore: (0x[0-9a-f]+)", notes)
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    base = min((int(line.split("-")[0], 16) for line in maps if line.endswith(str(elf))), default=None)
    return None if base is None else base + int(found.group(1), 16)  # the program is position independent


def semaphore_of(pid, elf, probe):
    """The semaphore of a probe, as a process that runs `elf` has it now; 0 as long as it is not mapped."""
    with open(f"/proc/{pid}/mem", "rb") as memory:
        address = _semaphore_address(pid, elf, probe)
        if address is None:
            return 0
        memory.seek(address)
        try:
            return int.from_bytes(memory.read(2), "little")
        except OSError:  # the segments are mapped one after the other
            return 0


def set_semaphore(pid, elf, probe, value):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(_semaphore_address(pid, elf, probe))
        memory.write(value.to_bytes(2, "little"))
