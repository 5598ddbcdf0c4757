"""paltrace record is interrupted or killed while it reads the trace back: what nobody knows of it is said."""

import os
import pathlib
import re
import shutil
import signal

import pytest
from kit import poll
from recording import Running, check, count_in, lttng_is_installed, paltrace, spin, transitions_of

pytestmark = pytest.mark.usefixtures("lttng_is_installed")


def hold_the_reading(run):
    """A line of shell for COMMAND: paltrace waits at this pipe when it looks at what it has recorded."""
    metadata = run / "trace/ust/pid/pipe-1-20260101-000000/metadata"
    return f"mkdir -p {metadata.parent}; mkfifo {metadata}", metadata


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL])
def test_who_is_interrupted_while_it_reads_back_leaves_a_recording_that_says_what_nobody_knows(tmp_path, spin, number):
    run, log = tmp_path / "run", tmp_path / "run.pal"
    hold, pipe = hold_the_reading(run)
    counter = tmp_path / "counter"
    with Running(run, "--convert", "--", "sh", "-c", f"{hold}; exec {spin} 5000 --quit --counter {counter}") as running:
        said = pathlib.Path(f"{run}.err")
        poll(lambda: "reading the trace back" in said.read_text(), "it reads back")
        os.kill(running.process.pid, number)
        done = running.wait()
    shutil.rmtree(pipe.parent)
    last = done.err.splitlines()[-1]
    if number == signal.SIGKILL:
        assert (done.code, last) == (-number, "paltrace: reading the trace back")
    else:
        read = f"paltrace check {run}; paltrace convert {run} -o FILE"
        assert last == f"paltrace: interrupted while it read the trace back: what was recorded is in {run}, and is read by: {read}"
        assert done.code == 128 + number
    unknown = ("own_status", "exit_status", "records", "transitions", "lost", "processes")
    assert [done.file[key] for key in unknown] == [None] * len(unknown)
    assert (done.file["read_back"], done.file["tail_unknown"], done.file["command_status"]) == (False, True, 0)
    assert done.file["ended"] is not None and not (run / "tiffany.pal").exists()
    judged = check(run)
    assert judged.returncode in (0, 4), judged  # 4: a thread was in the middle of an event
    assert "note: record.json is not complete (paltrace was interrupted while it read the trace back, " in judged.stdout
    assert "no process" not in judged.stdout
    assert re.search(r"^lost: (at least|counted at most) \d+ transitions", judged.stdout, re.M), judged
    assert judged.stdout.endswith("some may be missing, uncounted\n")
    assert paltrace("convert", run, "-o", log).returncode == judged.returncode
    assert check(log).stdout.splitlines()[-1] == judged.stdout.splitlines()[-1]
    assert 0 < transitions_of(log) <= count_in(counter) + 4


def test_who_is_interrupted_while_it_reads_back_after_its_session_daemon_died_names_that(tmp_path, spin):
    run, go, counter = tmp_path / "run", tmp_path / "go", tmp_path / "counter"
    hold, pipe = hold_the_reading(run)
    script = f"{hold}; exec {spin} 0 --gently --counter {counter} --announce {go}"
    with Running(run, "--", "sh", "-c", script, ready=go) as running:
        poll(lambda: count_in(counter) > 1000, "something is recorded")
        poll(lambda: any(file.stat().st_size for file in run.glob("trace/ust/pid/spin_*/metadata")), "and what it means")
        os.kill(running.child("lttng-sessiond"), signal.SIGKILL)
        said = pathlib.Path(f"{run}.err")
        poll(lambda: "the session daemon ended" in said.read_text(), "that is seen")
        os.kill(running.child("spin_transitions"), signal.SIGTERM)
        poll(lambda: "reading the trace back" in said.read_text(), "it reads back")
        os.kill(running.process.pid, signal.SIGTERM)
        running.wait().expect(128 + signal.SIGTERM)
    shutil.rmtree(pipe.parent)
    judged = check(run)
    assert "and of what was done after LTTng's session daemon had ended, some may be missing, uncounted\n" in judged.stdout
    assert "lost: at least 0 transitions" in judged.stdout and judged.stdout.endswith("good, but some may be missing, uncounted\n")
