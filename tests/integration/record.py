"""paltrace record: what it records, what it says, how it exits, and that it always ends what it started.

The program that is recorded counts its own transitions, so every number here has a second source.
"""

import contextlib
import datetime
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from kit import DEADLINE, alive, checked, children, end_process, need_built, need_program, need_root, poll, private_copy, program

NOBODY = 65534

pytestmark = pytest.mark.usefixtures("lttng_is_installed")


@pytest.fixture
def lttng_is_installed():
    need_program("lttng-sessiond")
    need_program("lttng")


@pytest.fixture
def spin():
    return str(program("spin_transitions"))


# ---- helpers ----


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
    options.setdefault("timeout", DEADLINE)
    command = [*prefix, program("paltrace"), "record", "-o", directory, *arguments]
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)
    return Done(done.returncode, done.stdout, done.stderr, directory)


# s: what docs/reliability.md promises, from the end of COMMAND, or of what was killed last, to that of paltrace
PROMISED_END = 10


class Running:
    """A paltrace record that goes on, in a process group of its own, and every process that it started."""

    def __init__(self, directory, *arguments, ready=None):
        self.directory = pathlib.Path(directory)
        command = [program("paltrace"), "record", "-o", directory, *arguments]
        self._out = open(f"{directory}.out", "w+", encoding="utf-8")
        self._err = open(f"{directory}.err", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [str(part) for part in command], stdout=self._out, stderr=self._err, start_new_session=True
        )
        self.started = []
        if ready is not None:
            poll(lambda: ready.exists() or self.process.poll() is not None, "the command works")
            assert self.process.poll() is None, self._text(self._err)
            self.started = [pid for pid in children(self.process.pid) if alive(pid)]
            assert len(self.started) >= 5, "two keepers, two daemons and the command"

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
        end_process(self.process, signal.SIGKILL)
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


# ---- what is recorded ----


def test_records_every_transition_that_the_program_counted(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "100000").expect(0)
    assert done.transitions() > 100_000
    assert done.file["transitions"] == done.transitions()
    assert done.file["lost"] == 0
    assert f"{done.transitions()} transitions" in done.err
    assert "lost no transition" in done.err


def test_loses_with_tiny_buffers_and_accounts_for_every_transition(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "4kx2", "--", spin, "1000000").expect(4)
    assert done.file["lost"] > 0, "the test needs a loss"
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    assert f"lost {done.file['lost']} transitions" in done.err
    assert max(losses_and_records(done.err)) <= done.transitions(), done.err


def test_converts_while_it_reads_back(tmp_path, spin):
    done = record(tmp_path / "run", "--convert", "--", spin, "5000").expect(0)
    lines = [json.loads(line) for line in (tmp_path / "run" / "tiffany.pal").read_text().splitlines()]
    assert lines[0]["event"] == "Begin" and lines[-1]["event"] == "End"
    assert sum(line["event"] in ("Spawned", "Running", "Yield", "Done") for line in lines) == done.transitions()
    checked([program("paltrace"), "check", tmp_path / "run" / "tiffany.pal"])


def test_records_ticks_only_when_asked(tmp_path, spin):
    with_ticks = record(tmp_path / "with", "--ticks", "--convert", "--", spin, "5000").expect(0)
    without = record(tmp_path / "without", "--convert", "--", spin, "5000").expect(0)
    assert with_ticks.file["transitions"] == with_ticks.transitions()
    assert '"Tick"' in (tmp_path / "with" / "tiffany.pal").read_text()
    assert '"Tick"' not in (tmp_path / "without" / "tiffany.pal").read_text()
    assert "ticks" in with_ticks.file["buffers"]["channels"]
    assert "ticks" not in without.file["buffers"]["channels"]


def test_lossless_loses_nothing_with_the_smallest_buffers_it_allows(tmp_path, spin):
    done = record(tmp_path / "run", "--lossless", "--buffers", "1Mx8", "--", spin, "1000000").expect(0)
    assert done.file["transitions"] == done.transitions()
    assert done.file["options"]["lossless"] is True


def test_lossless_refuses_buffers_that_cannot_be_lossless(tmp_path, spin):
    done = record(tmp_path / "run", "--lossless", "--buffers", "4kx2", "--", spin, "10").expect(2)
    assert "--lossless" in done.err
    assert not (tmp_path / "run").exists()


def test_records_what_a_forked_child_does(tmp_path, spin):
    done = record(tmp_path / "run", "--follow-fork", "--", spin, "10000", "--fork").expect(0)
    assert len(re.findall("^transitions", done.out, re.M)) == 2
    assert done.file["transitions"] == done.transitions()


def test_records_several_processes(tmp_path, spin):
    script = f"{spin} 5000 & {spin} 6000; wait"
    done = record(tmp_path / "run", "--", "sh", "-c", script).expect(0)
    assert len(list((tmp_path / "run" / "trace").rglob("metadata"))) == 2
    assert done.file["transitions"] == done.transitions()


# ---- what it says ----


def test_record_json_tells_the_whole_story(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "1Mx4", "--", spin, "1000").expect(0)
    told = done.file
    assert told["command"] == [spin, "1000"]
    assert (told["command_status"], told["command_signal"], told["own_status"], told["exit_status"]) == (0, None, 0, 0)
    assert told["started"] <= told["ended"]
    assert told["lttng"]["version"] and told["lttng"]["session_daemon"] == "private"
    assert told["buffers"]["channels"]["transitions"] == {"subbuffer_bytes": 1 << 20, "subbuffers": 4}
    rings = sum((c["subbuffers"] + 1) * c["subbuffer_bytes"] for c in told["buffers"]["channels"].values())
    assert told["buffers"]["process_bytes"] == rings * told["buffers"]["cpus"]
    assert "transitions 1Mx4" in done.err
    assert (done.directory / "record.json").stat().st_mode & 0o777 == 0o600
    assert done.directory.stat().st_mode & 0o777 == 0o700


def unix_ns(text):
    """Of a log's "2026-01-31T12:00:00.123456789Z"."""
    seconds = datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp()
    return int(seconds) * 1_000_000_000 + int(text[20:29])


@pytest.mark.parametrize("plugin", [False, True], ids=["LTTng's clock", "a plugin of the user's"])
def test_the_times_are_right_and_one_process_follows_the_other(tmp_path, spin, monkeypatch, plugin):
    if plugin:  # the daemons have to load it, too: they say in the trace which clock it is, and what time it is there
        monkeypatch.setenv("LTTNG_UST_CLOCK_PLUGIN", str(need_built("record_bench_clock.so")))
        monkeypatch.setenv("RECORD_BENCH_CLOCK", "monotonic")
    begin = time.time_ns()
    done = record(tmp_path / "run", "--convert", "--", "sh", "-c", f"{spin} 1000; {spin} 1000").expect(0)
    end = time.time_ns()
    times = {}
    for line in (tmp_path / "run" / "tiffany.pal").read_text().splitlines():
        found = json.loads(line)
        if "step" in found:
            times.setdefault(found["instance"], []).append(unix_ns(found["ts"]))
    first, second = times.values()
    assert len(first) + len(second) == done.transitions()
    slack = 1_000_000  # ns: the two clocks are not read at once when the trace's offset is taken
    assert begin - slack <= min(first) and max(first) < min(second) and max(second) <= end + slack
    metadata = next((tmp_path / "run").rglob("metadata")).read_text(errors="replace")
    assert re.findall(r'description = "(.*)";', metadata) == ["for a benchmark" if plugin else "Monotonic Clock"]


def test_makes_a_directory_with_the_date_when_none_is_named(tmp_path, spin):
    done = checked([program("paltrace"), "record", "--", spin, "1000"], cwd=tmp_path)
    (made,) = tmp_path.iterdir()
    assert re.fullmatch(r"tiffany-\d{8}-\d{6}", made.name)
    assert made.name in done.stderr


# ---- exit status ----


def test_exits_with_the_commands_own_status(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "1000", "--exit", "7").expect(7)
    assert (done.file["command_status"], done.file["own_status"], done.file["exit_status"]) == (7, 0, 7)


def test_the_commands_own_status_goes_before_a_loss(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "4kx2", "--", spin, "1000000", "--exit", "9").expect(9)
    assert (done.file["command_status"], done.file["own_status"]) == (9, 4)


def test_a_command_that_crashes_is_128_and_its_signal_and_its_trace_is_whole(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "20000", "--abort").expect(128 + signal.SIGABRT)
    assert done.file["command_signal"] == signal.SIGABRT
    assert "COMMAND was ended by signal 6 (Aborted)" in done.err
    assert done.file["transitions"] == done.transitions()


def test_a_command_that_is_killed_leaves_a_trace_that_can_be_read(tmp_path, spin):
    counter, announce, run = tmp_path / "counter", tmp_path / "go", tmp_path / "run"
    with Running(run, "--", spin, "0", "--counter", counter, "--announce", announce, ready=announce) as running:
        poll(lambda: any(file.stat().st_size > 4096 for file in run.rglob("transitions_*")), "a sub-buffer is on disk")
        os.kill(running.child("spin_transitions"), signal.SIGKILL)
        done = running.wait(PROMISED_END).expect(128 + signal.SIGKILL)
        running.nothing_is_left()
    made = int.from_bytes(counter.read_bytes(), sys.byteorder)
    # the last one may lie between its hook and the counter
    assert 0 < done.file["transitions"] + done.file["lost"] <= made + 1
    assert done.file["tail_unknown"] is True
    assert "was killed" in done.err
    for input_ in (run, run / "trace"):
        judged = check(input_)
        assert "end not seen: 1" in judged.stdout
        assert "COMMAND was killed" in judged.stdout
        assert "some may be missing, uncounted" in judged.stdout.splitlines()[-1]


def test_a_command_without_tiffany_is_an_error_that_says_why(tmp_path):
    done = record(tmp_path / "run", "--", "true").expect(1)
    assert "no tiffany events" in done.err and "true" in done.err
    assert (done.file["command_status"], done.file["own_status"]) == (0, 1)
    unnamed = subprocess.run(
        [program("paltrace"), "record", "--", "true"], cwd=tmp_path, text=True, capture_output=True, timeout=DEADLINE
    )
    (made,) = tmp_path.glob("tiffany-*")
    assert made.name in unnamed.stderr, "what it leaves behind is named"


def test_a_program_with_lttng_switched_off_is_an_error(tmp_path, spin):
    env = dict(os.environ, TIFFANY_LTTNG="0")
    assert "TIFFANY_LTTNG=0" in record(tmp_path / "run", "--", spin, "1000", env=env).expect(1).err


@pytest.mark.parametrize("command", ["./not-there", "not-there-in-path", "/"])
def test_a_command_that_cannot_be_run_is_named_and_nothing_is_left(tmp_path, temporary, command):
    done = record(tmp_path / "run", "--", command).expect(3)
    assert f"cannot run {command}:" in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert not entries(temporary)


def test_a_command_that_the_kernel_refuses_leaves_nothing(tmp_path, temporary):
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    assert "cannot run" in record(tmp_path / "run", "--", broken).expect(3).err
    assert not (tmp_path / "run").exists()
    assert not entries(temporary)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "none"],
        ["--seconds", "3", "--", "true"],
        ["--buffers", "4M", "--", "true"],
        ["--buffers", "4Mx3", "--", "true"],
        ["--buffers", "1kx4", "--", "true"],
        ["--buffers", "4Qx4", "--", "true"],
        ["--no-such-option", "--", "true"],
    ],
)
def test_wrong_usage_is_2_in_one_line(tmp_path, arguments):
    done = record(tmp_path / "run", *arguments).expect(2)
    assert done.err.startswith("paltrace: ") and done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_existing_directory_is_refused_and_left_alone(tmp_path, spin):
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "precious").write_text("data")
    done = record(directory, "--", spin, "10").expect(2)
    assert str(directory) in done.err and "not empty" in done.err
    done = record(directory / "precious", "--", spin, "10").expect(2)
    assert f"{directory}/precious: it is no directory" in done.err
    assert [entry.name for entry in directory.iterdir()] == ["precious"]


def test_an_empty_directory_is_used_for_its_owner_alone(tmp_path, spin):
    directory = tmp_path / "run"
    directory.mkdir(mode=0o755)
    record(directory, "--", spin, "1000").expect(0)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_made_is_named(tmp_path, spin):
    done = record(tmp_path / "missing" / "run", "--", spin, "10").expect(3)
    assert str(tmp_path / "missing" / "run") in done.err and "No such file or directory" in done.err


# ---- ending ----


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def run_until_announced(tmp_path, spin, *options):
    announce = tmp_path / "go"
    return Running(tmp_path / "run", "--", spin, "0", "--gently", "--announce", announce, *options, ready=announce)


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


def test_three_ctrl_c_end_a_command_that_ignores_them(tmp_path, spin):
    with run_until_announced(tmp_path, spin, "--stubborn") as running:
        for _ in range(3):
            os.kill(running.process.pid, signal.SIGINT)
            time.sleep(0.2)
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


def count_in(counter):
    return int.from_bytes(counter.read_bytes(), sys.byteorder)


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
        for _ in range(3):
            os.kill(running.process.pid, signal.SIGINT)
            time.sleep(0.2)
        running.wait().expect(128 + signal.SIGKILL)
        running.nothing_is_left()


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


# ---- who ends before its workers do ----


@pytest.fixture
def lose_a_cpu(tmp_path, monkeypatch):
    """Once LTTng has written all of a trace, what was recorded on the second CPU is deleted."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
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
    assert lost > 1000 and done.file["bad_parts"] == [] and done.file["tail_unknown"] is True
    assert f"lost {lost} transitions, {lost} of them because a process ended in the middle of an event" in done.err
    assert "give --buffers" not in done.err and "did not discard" not in done.err
    judged = check(tmp_path / "run")
    assert judged.returncode == 4
    assert judged.stdout.splitlines()[-1] == f"good, but {lost} transitions lost, some may be missing, uncounted"


def test_what_nobody_discarded_of_a_process_that_ended_in_good_order_is_an_error_without_advice(tmp_path, spin, lose_a_cpu):
    done = record_on_two_cpus(tmp_path, spin, lose_a_cpu).expect(1)
    lost = done.file["lost"]
    assert done.file["transitions"] + lost == done.transitions() and done.file["tail_unknown"] is False
    assert f"paltrace: lost {lost} transitions\npaltrace: {lost} transitions are missing that the tracer did not discard" in done.err


def test_of_a_command_that_calls_exit_beside_threads_that_work_it_is_said_that_its_end_may_be_missing(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "50000", "--quit", "--workers", "4")
    assert done.code in (0, 4)  # 4: a thread was in the middle of an event
    assert "ended, and did not tell that its workers had stopped (killed, or exit() while they worked?)" in done.err
    assert "give --buffers" not in done.err
    (process,) = done.file["processes"]
    assert (process["ended"], process["tail_unknown"], done.file["tail_unknown"]) == (True, True, True)
    assert check(tmp_path / "run").stdout.splitlines()[-1].endswith("some may be missing, uncounted")


# ---- room ----


def small_shm(bytes_):
    return mount_namespace(f"mount -t tmpfs -o size={bytes_} tmpfs /dev/shm")


@pytest.mark.parametrize("script, why", [
    ("mount -t tmpfs -o ro tmpfs /dev/shm", "/dev/shm is mounted read-only"),
    ("mount -t tmpfs -o mode=0755 tmpfs /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9", "cannot see /dev/shm"),
], ids=["read-only", "none"])
def test_without_a_dev_shm_to_write_to_it_refuses_and_says_the_mend(tmp_path, spin, script, why):
    done = record(tmp_path / "run", "--", "touch", tmp_path / "ran", prefix=mount_namespace(script)).expect(3)
    assert why in done.err and "mend: " in done.err and "mount -" in done.err
    assert not (tmp_path / "ran").exists() and not (tmp_path / "run").exists()


def test_buffers_shrink_to_the_room_in_shm_and_it_says_so(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "1000", prefix=small_shm("16M")).expect(0)
    assert "/dev/shm" in done.err and "room for" in done.err
    assert done.file["buffers"]["process_bytes"] <= 8 << 20
    assert done.file["transitions"] == done.transitions()


def test_buffers_that_were_asked_for_and_do_not_fit_are_refused(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "4Mx8", "--", spin, "1000", prefix=small_shm("4M")).expect(3)
    told = re.search(r"4Mx8 take (\d+) MiB a process .*/dev/shm has room for (\d+) MiB;", done.err)
    # LTTng has one sub-buffer more than were asked for
    assert told and int(told[1]) >= 9 * 4 * CPUS and 1 <= int(told[2]) <= 4, done.err
    assert not (tmp_path / "run").exists()


def test_a_shm_with_no_room_at_all_is_refused(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "1000", prefix=small_shm("256k")).expect(3)
    assert "/dev/shm" in done.err
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_an_error_that_names_the_directory(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=1M tmpfs {small}")
    done = record(small / "run", "--", spin, "200000", prefix=prefix).expect(3)
    assert str(small / "run") in done.err
    assert done.err.count("record.json") <= 1, done.err
    assert done.transitions() > 200_000, "the program itself is unharmed"


def test_a_log_that_finds_no_room_leaves_the_trace_and_says_so(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=4m tmpfs {small}")
    arguments = ["--convert", "--buffers", "64kx16", "--", spin, "40000"]
    done = record(small / "run", *arguments, prefix=prefix).expect(3)
    assert f"the trace is kept, convert it to another disk (paltrace convert {small}/run/trace -o FILE)" in done.err
    assert f"cannot write {small}/run/tiffany.pal: No space left on device" in done.err


def test_a_disk_without_room_is_refused_before_the_command_runs(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=32k tmpfs {small}")
    done = record(small / "run", "--", spin, "1000", prefix=prefix).expect(3)
    assert str(small / "run") in done.err and "full" in done.err
    assert done.transitions() == 0


def test_the_commands_own_status_goes_before_a_full_disk(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=1M tmpfs {small}")
    done = record(small / "run", "--", spin, "200000", "--exit", "9", prefix=prefix).expect(9)
    assert "full" in done.err


def read_lines(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


CPUS = os.sysconf("SC_NPROCESSORS_CONF")
PER_PROCESS = CPUS * (9 * 1024 + 5 * 64 + 5 * 16)  # KiB, with --buffers 1Mx8 and the smallest other channels


def room_for_one():
    """/dev/shm has room for one process, and for the small channels of a second one."""
    return small_shm(f"{PER_PROCESS * 108 // 100}k")


def one_after_another(tmp_path, spin, between=""):
    """A shell script: a process that keeps its buffers while a second one starts, makes 1,000 transitions and ends."""
    go = tmp_path / "go"
    return (
        f"{spin} 0 --gently --announce {go} & first=$!\n"
        f"until [ -e {go} ]; do sleep 0.05; done\n{between}\n"
        f"{spin} 1000\nkill -TERM $first; wait $first"
    )


def test_a_process_without_room_for_any_buffer_is_named(tmp_path, spin):
    # what the first process leaves would be enough for a small channel: that is taken away, but for what LTTng itself needs
    fill = "dd if=/dev/zero of=/dev/shm/fill bs=1M 2>/dev/null; truncate -s -96K /dev/shm/fill"
    script = one_after_another(tmp_path, spin, fill)
    done = record(tmp_path / "run", "--buffers", "1Mx8", "--", "sh", "-c", script, prefix=room_for_one()).expect(3)
    assert re.search(r"spin_transitions? \(pid \d+\) got no buffers: nothing", done.err), done.err
    assert "/dev/shm had room for the buffers of 1 at a time" in done.err
    assert "lost no transition of what was traced" in done.err
    assert done.file["processes_without_buffers"] == 1
    _, first = re.findall(r"^transitions (\d+)$", done.out, re.M)  # the second process ends before it
    assert done.file["transitions"] == int(first)
    checked_run = check(tmp_path / "run")
    assert checked_run.returncode == 1, checked_run
    assert checked_run.stdout.endswith("bad: processes without buffers: 1\n")
    assert "got no buffers" in checked_run.stderr


def test_transitions_without_buffers_are_lost_and_are_no_selection(tmp_path, spin):
    # The second process gets its small channels only; how many transitions it made is told by its worker's stop. Which
    # channel LTTng makes first is decided by a hash of its own: those after the large one are not tried.
    for attempt in range(20):
        run = tmp_path / str(attempt)
        (tmp_path / "go").unlink(missing_ok=True)
        command = ["--buffers", "1Mx8", "--convert", "--", "sh", "-c", one_after_another(tmp_path, spin)]
        done = record(run, *command, prefix=room_for_one()).expect(3)
        if "got no buffers: nothing" not in done.err and done.file["lost"] > 0:
            break
    assert "got no buffers for its transitions" in done.err
    assert "selection" not in done.err
    assert done.file["lost"] > 1000
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    assert "events" not in read_lines(run / "tiffany.pal")[0]
    assert check(run / "tiffany.pal").returncode == 4
    judged = check(run)
    assert judged.returncode == 1
    assert "selection" not in judged.stdout
    assert f"lost: {done.file['lost']} transitions" in judged.stdout


def test_a_full_shm_keeps_a_process_from_lttng_and_it_says_so(tmp_path, spin):
    script = one_after_another(tmp_path, spin, "dd if=/dev/zero of=/dev/shm/fill bs=4k 2>/dev/null; sleep 1")
    done = record(tmp_path / "run", "--", "sh", "-c", script, prefix=small_shm("16M")).expect(3)
    assert "/dev/shm was full while COMMAND ran" in done.err
    assert done.file["shm_was_full"] is True
    assert "good, but some may be missing, uncounted" in check(tmp_path / "run").stdout


def test_it_says_beforehand_how_many_processes_have_room(tmp_path, spin):
    prefix = small_shm(f"{CPUS * 3025 * 34 // 1000}M")  # 30.25 MiB a CPU for each process
    done = record(tmp_path / "run", "--buffers", "1Mx8", "--", spin, "1000", prefix=prefix).expect(0)
    assert "room for 3 at a time" in done.err


def test_buffers_that_would_not_be_ready_in_time_are_refused_with_both_sizes(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "1024Mx16", "--", spin, "1000").expect(2)
    assert f"{(17 * 4096 + 20 * 4 + 5) * CPUS // 4} MiB a process" in done.err and "1024 MiB" in done.err
    assert not (tmp_path / "run").exists()


def test_a_start_that_did_not_wait_for_lttng_is_told_and_counted(tmp_path, spin):
    env = dict(os.environ, LTTNG_UST_REGISTER_TIMEOUT="0")
    run = tmp_path / "run"
    recorded = f"find {run}/trace -name 'transitions_*' -size +8k | grep -q ."
    script = f"{spin} 0 --gently & until {recorded}; do sleep 0.05; done; kill -TERM $!; wait $!"
    done = record(run, "--convert", "--", "sh", "-c", script, env=env).expect(4)
    untraced = done.file["not_traced"]
    assert untraced > 0, "the test needs a late start"
    assert done.file["transitions"] + done.file["lost"] + untraced == done.transitions()
    assert f"{untraced} transitions were not traced" in done.err
    assert "LTTNG_UST_REGISTER_TIMEOUT is set to 0" in done.err
    assert "lost no transition\n" not in done.err
    # the log says the same, and so does a log that is made of it
    code = 4 if done.file["lost"] else 0  # its buffers may be too small on a machine that is busy
    again = subprocess.run([program("paltrace"), "convert", run / "tiffany.pal", "-o", run / "again.pal"], check=False)
    assert again.returncode == code
    for input_ in (run, run / "tiffany.pal", run / "again.pal"):
        judged = check(input_)
        assert judged.returncode == code, judged
        assert f"not traced: {untraced} transitions" in judged.stdout
        assert f"{untraced} transitions not traced" in judged.stdout.splitlines()[-1]


# ---- modes ----


def test_crash_safe_buffers_can_be_read_after_everything_was_killed(tmp_path, spin):
    need_program("lttng-crash")
    # A consumer daemon that is killed while it writes leaves half a packet, which is named; one that sees COMMAND die before
    # itself may have begun to give its buffers up: a tail is missing. Both are seldom, and the page says so.
    tries = [kill_all_and_recover(tmp_path / str(attempt), spin) for attempt in range(5)]
    whole = 0
    for made, recovered, done, judged in tries:
        half_a_packet = re.search(r"packet \d+ at byte \d+:? (?:it )?is cut", done.stderr)
        assert done.returncode in (0, 4) or (done.returncode == 1 and half_a_packet), done
        # the last one may lie between its hook and the counter
        assert recovered <= made + 1, "nothing is told twice"
        assert recovered >= made or half_a_packet or re.search(r"lost: (at least )?0 transitions", judged.stdout), (made, recovered, done, judged)
        whole += recovered >= made
    print(f"{whole} of {len(tries)} whole")
    assert whole >= 4, [(made, recovered) for made, recovered, *_ in tries]


def kill_at_once(traced, *others):
    """Before any of them could do something about it: the program ends its recording itself if it sees a daemon die before it."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (traced, *others):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def kill_all_and_recover(directory, spin):
    """Transitions that were made, how many of them the two commands of the page read, what these said, and what check says."""
    directory.mkdir()
    counter, announce, run = directory / "counter", directory / "go", directory / "run"
    command = [spin, "0", "--counter", counter, "--announce", announce]
    with Running(run, "--crash-safe", "--", *command, ready=announce) as running:
        # part of it written out, part of it in the buffers
        poll(lambda: any(file.stat().st_size > 4096 for file in run.glob("trace/**/transitions_*")), "a sub-buffer")
        kill_at_once(running.child("spin_transitions"), running.process.pid, *running.started)
        line = rescue_line(running.wait().err)
        running.nothing_is_left()
    made = count_in(counter)
    assert run.joinpath("shm").stat().st_mode & 0o777 == 0o700
    done = in_shell(line)
    log = run / "recovered.pal"
    return made, transitions_of(log), done, check(log)


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


def test_crash_safe_says_how_to_recover_and_ends_in_good_order(tmp_path, spin):
    done = record(tmp_path / "run", "--crash-safe", "--", spin, "10000").expect(0)
    assert rescue_line(done.err).startswith(f"lttng-crash --extract={tmp_path}/run/recovered {tmp_path}/run/shm")
    assert done.file["transitions"] == done.transitions()
    assert set(entries(tmp_path / "run")) == {"record.json", "trace"}, "nothing is left to recover"


def test_an_ordinary_user_records_with_a_daemon_of_their_own():
    need_root()
    need_program("setpriv")
    # pytest's directories and the checkout may be closed to others, so both home and programs lie elsewhere
    with tempfile.TemporaryDirectory(prefix="record-") as directory:
        base = pathlib.Path(directory)
        base.chmod(0o755)
        home = base / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        for name in ("paltrace", "spin_transitions", "libtiffany-lttng.so"):
            private_copy(program(name), base)
        command = [base / "paltrace", "record", "-o", "run", "--convert", "--", base / "spin_transitions", "50000"]
        done = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *map(str, command)],
            env=dict(os.environ, HOME=str(home), TMPDIR=str(home)),
            cwd=home,
            check=False,
            text=True,
            capture_output=True,
            timeout=DEADLINE,
        )
        done = Done(done.returncode, done.stdout, done.stderr, home / "run").expect(0)
        assert done.file["transitions"] == done.transitions() > 50_000
        assert done.file["lttng"]["session_daemon"] == "private"
        assert [entry.name for entry in home.iterdir()] == ["run"], "nothing but the recording is left"


def test_root_without_the_right_to_mount_uses_the_systems_daemon_and_says_so(tmp_path, spin):
    need_program("setpriv")
    # The "system" here is a mount namespace: its /run/lttng is not the machine's.
    prefix = mount_namespace("mkdir -p /run/lttng; mount -t tmpfs tmpfs /run/lttng")
    prefix += ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = record(tmp_path / "run", "--", spin, "5000", prefix=prefix).expect(0)
    assert "using the system's" in done.err
    assert done.file["lttng"]["session_daemon"] == "system"
    assert done.file["transitions"] == done.transitions()


def test_two_recordings_at_once_do_not_meet(tmp_path, spin):
    with Running(tmp_path / "a", "--", spin, "300000") as first, Running(tmp_path / "b", "--", spin, "200000") as second:
        for done in (first.wait(), second.wait()):
            assert done.code in (0, 4), done.err
            assert done.file["transitions"] + done.file["lost"] == done.transitions()
