"""paltrace record: what it records, what it says, and how it exits."""

import datetime
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
from kit import DEADLINE, checked, need_built, need_program, need_root, poll, private_copy, program
from recording import (
    PROMISED_END,
    Done,
    Running,
    check,
    entries,
    losses_and_records,
    lttng_is_installed,
    mount_namespace,
    record,
    spin,
    temporary,
)

pytestmark = pytest.mark.usefixtures("lttng_is_installed")


NOBODY = 65534


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


def test_record_json_tells_the_whole_story(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "1Mx4", "--", spin, "1000").expect(0)
    told = done.file
    assert told["command"] == [spin, "1000"]
    assert (told["command_status"], told["command_signal"], told["own_status"], told["exit_status"]) == (0, None, 0, 0)
    assert told["started"] <= told["ended"]
    assert told["lttng"]["version"] and told["lttng"]["session_daemon"] == "private"
    assert told["buffers"]["channels"]["transitions"] == {"subbuffer_bytes": 1 << 20, "subbuffers": 4}
    rings = sum((c["subbuffers"] + 1) * c["subbuffer_bytes"] for c in told["buffers"]["channels"].values())
    of_lttng_itself = told["buffers"]["process_bytes"] - rings * told["buffers"]["cpus"]
    assert 0 < of_lttng_itself < (256 << 10) * told["buffers"]["cpus"]
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


@pytest.mark.parametrize("options", [[], ["--crash-safe"]], ids=["memory", "crash-safe"])
def test_of_a_command_that_a_signal_ends_while_its_workers_work_the_end_is_not_called_whole(tmp_path, spin, options):
    """The default action of a signal kills as SIGKILL does: in the middle of an event, perhaps."""
    done = record(tmp_path / "run", *options, "--", spin, "20000", "--abort").expect(128 + signal.SIGABRT)
    assert "\npaltrace: lost at least 0 transitions\n" in done.err, done.err
    assert [process["tail_unknown"] for process in done.file["processes"]] == [done.file["tail_unknown"]] == [True]
    assert done.err.count("ended by a signal while its workers worked: what was in its buffers is here, too, but for") == len(options), done.err
    assert done.err.count("did not tell that its workers had stopped") == 1 - len(options), done.err
    judged = check(tmp_path / "run")
    assert judged.returncode == 0 and judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted", judged


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
        assert re.search(r"^lost: (at least|counted at most) \d+ transitions", judged.stdout, re.M), judged
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


@pytest.mark.parametrize("given", [None, "12345"])
def test_the_command_waits_for_lttng_for_3_s_or_for_as_long_as_the_caller_says(tmp_path, monkeypatch, given):
    variable = "LTTNG_UST_REGISTER_TIMEOUT"
    if given is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, given)
    assert record(tmp_path / "run", "--", "printenv", variable).expect(1).out == f"{given or 3000}\n"


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
