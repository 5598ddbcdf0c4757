"""paltrace record without COMMAND: what runs already and what starts meanwhile, beside other people's sessions."""

import json
import os
import signal
import subprocess

import pytest
from attach import ROOM, Crowd, check, expect_the_account
from kit import DEADLINE, PrivateLttng, end_process, need_root, poll, program


def log_of(directory):
    return [json.loads(line) for line in (directory / "tiffany.pal").read_text().splitlines()]


def sessions(lttng):
    return lttng.lttng("list").stdout


def test_what_runs_already_is_recorded_for_so_many_seconds(tmp_path):
    with PrivateLttng(tmp_path) as lttng, Crowd(tmp_path, 140, "--busy", start=lttng.popen) as crowd:
        other = tmp_path / "other"
        lttng.lttng("create", "somebody-elses", f"--output={other}")
        lttng.lttng("enable-channel", "-u", "-s", "somebody-elses", *ROOM, "all")
        lttng.lttng("enable-event", "-u", "-s", "somebody-elses", "-c", "all", "tiffany:*")
        lttng.lttng("start", "somebody-elses")
        run = tmp_path / "run"
        done = lttng.run([program("paltrace"), "record", "-o", run, "--convert", "--seconds", "3"], check=False)
        assert done.returncode == 0, done
        assert f"using the session daemon that runs, process {lttng.daemon.pid}" in done.stderr
        assert "recording 1 process that runs, and those that start" in done.stderr
        assert "somebody-elses" in sessions(lttng) and "paltrace-join" not in sessions(lttng)
        expect_the_account(log_of(run), crowd.account())
        assert crowd.process.poll() is None and lttng.daemon.poll() is None
        crowd.end()
        lttng.lttng("destroy", "somebody-elses")
    checked = check(run)
    assert checked.returncode == 0 and "state dumps: 1\n" in checked.stdout, checked
    facts = json.loads((run / "record.json").read_text())
    assert facts["command"] == [] and facts["command_status"] is None and facts["seconds"] == 3
    assert facts["exit_status"] == 0 and facts["lttng"]["session_daemon"] == "system"
    assert check(other).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_starts_meanwhile_is_recorded_from_its_start_until_a_signal(tmp_path, number):
    with PrivateLttng(tmp_path) as lttng:
        run = tmp_path / "run"
        recorder = lttng.popen([program("paltrace"), "record", "-o", run, "--convert"], stderr=subprocess.PIPE, text=True)
        said = ""
        while "until Ctrl-C" not in said:
            line = recorder.stderr.readline()
            assert line, said
            said += line
        assert "recording 0 processes that run" in said
        report = tmp_path / "report.json"
        for _ in range(2):
            lttng.run([program("tiffany-demo"), "--tasks", "20", "--transitions", "2000", "--report", report])
        recorder.send_signal(number)
        said += recorder.stderr.read()
        assert recorder.wait(DEADLINE) == 0, said
    entries = log_of(run)
    assert len({entry["pid"] for entry in entries if "pid" in entry}) == 2
    last = json.loads(report.read_text())
    mine = sum(entry.get("pid") == last["pid"] and "step" in entry and "seq" in entry for entry in entries)
    assert mine >= last["transitions"], "what ended after the report is there as well"
    assert check(run / "tiffany.pal").stdout.endswith("good\n")


def test_without_a_daemon_it_starts_one_that_ends_with_it(tmp_path):
    need_root()
    script = """
        mount -t tmpfs tmpfs /run/lttng
        "$1" --crowd 70 > "$3/crowd" & crowd=$!
        while ! grep -q stand "$3/crowd"; do sleep 0.05; done
        "$2" record -o "$3/run" --convert --seconds 4
        code=$?
        kill -INT $crowd
        wait $crowd
        exit $code
    """
    os.makedirs("/run/lttng", exist_ok=True)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", program("tiffany-demo"),
               program("paltrace"), tmp_path]
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, timeout=2 * DEADLINE)
    assert done.returncode == 0, done
    assert "no session daemon ran: started one" in done.stderr
    states = {entry["tid"] for entry in log_of(tmp_path / "run") if entry["event"] == "State"}
    assert len(states) == 71
    assert check(tmp_path / "run").returncode == 0


def test_a_daemon_that_ends_is_an_error_and_what_was_recorded_is_there(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        demo = lttng.popen([program("tiffany-demo"), "--seconds", "0", "--tasks", "10"])
        run = tmp_path / "run"
        recorder = lttng.popen([program("paltrace"), "record", "-o", run, "--seconds", "60"], stderr=subprocess.PIPE,
                               text=True)
        poll(lambda: (run / "record.json").exists(), "the recording has begun")
        lttng.daemon.terminate()
        said = recorder.stderr.read()
        assert recorder.wait(DEADLINE) == 3, said
        assert "the session daemon ended" in said
        end_process(demo)


def test_what_belongs_to_a_command_is_refused_without_one(tmp_path):
    for options in (["--lossless"], ["--crash-safe"], ["--follow-fork"], ["--seconds", "3", "--", "true"]):
        done = subprocess.run([program("paltrace"), "record", "-o", tmp_path / "run", *options], capture_output=True,
                              text=True, timeout=DEADLINE)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
        assert not (tmp_path / "run").exists()
