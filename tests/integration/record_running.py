"""paltrace record without COMMAND: what runs already and what starts meanwhile, beside other people's sessions."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest
from attach import ROOM, Crowd, check, expect_the_account, whole_dumps
from kit import DEADLINE, OrdinaryUser, PrivateLttng, alive, children, end_process, need_program, need_root, poll, program
from kit import run_to_end, stop
from recording import PROMISED_END


def log_of(directory):
    return [json.loads(line) for line in (directory / "tiffany.pal").read_text().splitlines()]


@contextlib.contextmanager
def killed_after(recorder, within=DEADLINE):
    """So that who reads what it says comes to an end."""
    in_vain = threading.Timer(within, recorder.kill)
    in_vain.start()
    try:
        yield
    finally:
        in_vain.cancel()


def said_until(recorder, words):
    """What it says until it has said that; one that does not say it is killed."""
    said = ""
    with killed_after(recorder):
        while words not in said:
            line = recorder.stderr.readline()
            assert line, said
            said += line
    return said


def said_until_its_end(recorder, within=DEADLINE):
    """What it says from now on; one that does not end is killed, and has an exit status that nobody expects."""
    with killed_after(recorder, within):
        said = recorder.stderr.read()
        recorder.wait(within)
        return said


def registered(lttng, process):
    poll(lambda: f"PID: {process.pid} " in lttng.lttng("list", "--userspace").stdout, "it is registered")


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
    assert checked.returncode == 0 and whole_dumps(checked.stdout) >= 1, checked
    facts = json.loads((run / "record.json").read_text())
    assert facts["command"] == [] and facts["command_status"] is None and facts["seconds"] == 3
    assert facts["exit_status"] == 0 and facts["lttng"]["session_daemon"] == "system"
    assert check(other).returncode in (0, 4), "its buffers may have been too small for a machine that is busy"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_starts_meanwhile_is_recorded_from_its_start_until_a_signal(tmp_path, number):
    with PrivateLttng(tmp_path) as lttng:
        run = tmp_path / "run"
        recorder = lttng.popen([program("paltrace"), "record", "-o", run, "--convert"], stderr=subprocess.PIPE, text=True)
        said = said_until(recorder, "until Ctrl-C")
        first = f"paltrace: no COMMAND: every instrumented process of this daemon is to be recorded, into {run}; Ctrl-C ends it\n"
        assert first in said[:said.index("buffers: ")], said
        assert "recording 0 processes that run" in said
        report = tmp_path / "report.json"
        for _ in range(2):
            lttng.run([program("tiffany-demo"), "--tasks", "20", "--transitions", "2000", "--report", report])
        recorder.send_signal(number)
        said += said_until_its_end(recorder)
        assert recorder.wait(DEADLINE) == 0, said
    entries = log_of(run)
    assert len({entry["pid"] for entry in entries if "pid" in entry}) == 2
    last = json.loads(report.read_text())
    mine = sum(entry.get("pid") == last["pid"] and "step" in entry and "seq" in entry for entry in entries)
    facts = json.loads((run / "record.json").read_text())
    assert [process["ended"] for process in facts["processes"]] == [True, True]
    assert facts["tail_unknown"] is False, "they ended by themselves"
    assert mine >= last["transitions"], "what ended after the report is there as well"
    assert check(run / "tiffany.pal").stdout.endswith("good\n")


def beside_a_crowd(directory, script):
    """Runs the script, in which `record NAME OPTIONS...` records, where no session daemon runs and a demo of 71 tasks does."""
    need_root()
    whole = f"""
        mount -t tmpfs tmpfs /run/lttng
        "$1" --crowd 70 > "$3/crowd" & crowd=$!
        while ! grep -q stand "$3/crowd"; do sleep 0.05; done
        record() {{ name=$1; shift; "$paltrace" record -o "$directory/$name" --convert "$@"; }}
        paltrace=$2 directory=$3
        {script}
        code=$?
        kill -INT $crowd
        wait $crowd
        exit $code
    """
    os.makedirs("/run/lttng", exist_ok=True)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", whole, "sh", program("tiffany-demo"),
               program("paltrace"), directory]
    done = run_to_end(command, timeout=2 * DEADLINE)
    assert done.returncode == 0, done
    return done


def tasks_dumped(directory):
    return {entry["tid"] for entry in log_of(directory) if entry["event"] == "State"}


def test_without_a_daemon_it_starts_one_that_ends_with_it(tmp_path):
    done = beside_a_crowd(tmp_path, "record run --seconds 4")
    assert "no session daemon ran: started one" in done.stderr
    assert len(tasks_dumped(tmp_path / "run")) == 71
    assert check(tmp_path / "run").returncode == 0


def test_a_program_is_recorded_again_though_its_first_daemon_is_gone(tmp_path):
    """It looks for a new one every 5 s: the second recording, which is shorter, begins when it has."""
    done = beside_a_crowd(tmp_path, "record first --seconds 3 && record second --seconds 3")
    assert "to find the new session daemon\n" in done.stderr
    for run in ("first", "second"):
        assert len(tasks_dumped(tmp_path / run)) == 71, run


def test_a_daemon_that_ends_is_an_error_and_what_was_recorded_is_there(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        demo = lttng.popen([program("tiffany-demo"), "--seconds", "0", "--tasks", "10"])
        run = tmp_path / "run"
        recorder = lttng.popen([program("paltrace"), "record", "-o", run, "--seconds", "60"], stderr=subprocess.PIPE,
                               text=True)
        poll(lambda: (run / "record.json").exists(), "the recording has begun")
        lttng.daemon.terminate()
        said = said_until_its_end(recorder)
        assert recorder.wait(DEADLINE) == 3, said
        assert "the session daemon ended" in said
        end_process(demo)


def test_a_consumer_daemon_that_is_killed_ends_the_recording_and_no_program(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        demo = lttng.popen([program("tiffany-demo"), "--seconds", "0", "--tasks", "10"])
        registered(lttng, demo)  # else it may be recorded as one that started meanwhile
        run = tmp_path / "run"
        recorder = lttng.popen([program("paltrace"), "record", "-o", run], stderr=subprocess.PIPE, text=True)
        said = said_until(recorder, "paltrace: recording 1 process")
        for pid in lttng.consumers():
            os.kill(pid, signal.SIGKILL)
        said += said_until_its_end(recorder)
        assert recorder.wait(DEADLINE) in (1, 4), said
        assert "the consumer daemon ended, and with it the recording" in said
        assert demo.poll() is None
        end_process(demo)
        assert demo.returncode == 0


def test_anothers_consumer_daemon_that_hangs_at_the_end_is_left_alone_and_what_it_has_not_written_is_said_to_be_missing(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        demo = lttng.popen([program("tiffany-demo"), "--seconds", "0", "--tasks", "10"])
        run = tmp_path / "run"
        recorder = lttng.popen([program("paltrace"), "record", "-o", run], stderr=subprocess.PIPE, text=True)
        stream = poll(lambda: next((file for file in run.glob("trace/**/transitions_?") if file.stat().st_size > 8192), None), "it writes")
        stop(*lttng.consumers())
        size = stream.stat().st_size
        recorder.send_signal(signal.SIGINT)
        try:
            said = said_until_its_end(recorder)
            assert recorder.wait(DEADLINE) in (1, 4), said  # 1: another's daemon may write only later what the events mean
            assert stream.stat().st_size == size, "nobody cuts what may still be written"
        finally:
            for pid in lttng.consumers():
                os.kill(pid, signal.SIGCONT)
        end_process(demo)
    missing = "what was done after LTTng's consumer daemon had stopped answering is missing, and not counted"
    assert "cannot end the recording in good order: LTTng's consumer daemon hangs (it was stopped" in said
    assert "lost no transition\n" not in said
    facts = json.loads((run / "record.json").read_text())
    assert (facts["hung_daemon"], facts["tail_unknown"]) == ("consumer", True)
    judged = poll(lambda: (done := check(run)).returncode in (0, 4) and done, "the daemon went on, and has written it")
    assert f"note: {missing}\n" in judged.stdout and judged.stdout.splitlines()[-1].endswith("some may be missing, uncounted"), judged


def idle(lttng):
    """A process that has made its scheduler, and does nothing until its stdin ends."""
    process = lttng.popen([program("log_itself"), "burst", "1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    registered(lttng, process)
    return process


def test_a_process_that_made_no_transition_is_named(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        silent = idle(lttng)
        name = f"process {silent.pid} (log_itself)"
        run = tmp_path / "run"
        done = lttng.run([program("paltrace"), "record", "-o", run, "--convert", "--seconds", "1"], check=False)
        assert done.returncode == 1, done
        assert f"no tiffany events in {run}: {name} was there, and made none while LTTng was ready for it\n" in done.stderr
        facts = json.loads((run / "record.json").read_text())
        assert facts["processes"] == [{"pid": silent.pid, "name": "log_itself", "records": 0, "transitions": 0,
                                       "ended": False, "tail_unknown": False}]
        assert facts["records"] == facts["transitions"] == facts["lost"] == 0 and facts["tail_unknown"] is False
        assert not (run / "tiffany.pal").exists()
        for input_ in (run, run / "trace"):
            judged = check(input_)
            assert judged.returncode == 1
            assert judged.stdout == f"note: no transition was recorded of {name}\nbad: it holds no tiffany events\n"
            assert judged.stderr == f"paltrace: cannot check {input_}: it holds no tiffany events\n"
        beside = tmp_path / "beside"
        registered(lttng, lttng.popen([program("steady"), "0", "100"], stdout=subprocess.DEVNULL))
        done = lttng.run([program("paltrace"), "record", "-o", beside, "--seconds", "2"], check=False)
        assert done.returncode == 0 and f"paltrace: no transition was recorded of {name}\n" in done.stderr, done
        judged = check(beside)
        assert judged.returncode == 0 and f"note: no transition was recorded of {name}\n" in judged.stdout
        assert judged.stdout.endswith("\ngood\n"), judged


def test_a_recording_of_nobody_says_so_when_it_is_checked(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        run = tmp_path / "run"
        done = lttng.run([program("paltrace"), "record", "-o", run, "--seconds", "0.2"], check=False)
        assert done.returncode == 1 and "no instrumented process is registered" in done.stderr, done
    assert json.loads((run / "record.json").read_text())["processes"] == []
    judged = check(run)
    assert judged.returncode == 1
    why = "none made a scheduler, or TIFFANY_LTTNG=0 was set, or libtiffany-lttng.so or liblttng-ust was missing"
    said = f"note: no process with tracepoints of Tiffany registered with LTTng: {why}\nbad: it holds no tiffany events\n"
    assert (judged.stdout, judged.stderr) == (said, f"paltrace: cannot check {run}: it holds no tiffany events\n")


def test_the_tail_of_a_process_that_was_killed_is_unknown_and_of_others_it_is_not(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        steady = [program("steady"), "0", "100"]
        killed, ended, goes_on = (lttng.popen(steady, stdout=subprocess.DEVNULL) for _ in range(3))
        for process in (killed, ended, goes_on):
            registered(lttng, process)
        run = tmp_path / "run"
        recorder = record_without_end(lttng.popen, program("paltrace"), run, "--convert")
        poll(lambda: sum(file.stat().st_size > 4096 for file in run.rglob("transitions_*")) >= 3, "all three are on disk")
        killed.kill()
        ended.terminate()
        assert (killed.wait(DEADLINE), ended.wait(DEADLINE)) == (-signal.SIGKILL, 0)
        recorder.send_signal(signal.SIGINT)
        said = said_until_its_end(recorder)
        assert recorder.wait(DEADLINE) == 0, said
        goes_on.terminate()
    name = f"process {killed.pid} (steady)"
    assert f"paltrace: {name} ended, and did not tell that its workers had stopped (killed, or exit() while they worked?): of the last second, as a rule up to " in said
    facts = json.loads((run / "record.json").read_text())
    assert facts["tail_unknown"] is True
    told = {process["pid"]: (process["ended"], process["tail_unknown"]) for process in facts["processes"]}
    assert told == {killed.pid: (True, True), ended.pid: (True, False), goes_on.pid: (False, False)}
    assert all(process["transitions"] > 0 for process in facts["processes"])
    for input_ in (run, run / "trace", run / "tiffany.pal"):
        judged = check(input_)
        assert judged.returncode == 0
        assert f"note: {name} ended, and did not tell that its workers had stopped (killed, or exit() while they worked?): of the last second" in judged.stdout
        assert "lost: at least 0 transitions (" in judged.stdout, judged
        assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"


def test_a_process_whose_lttng_is_switched_off_is_named(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        off = lttng.popen([program("steady"), "0", "1000"], env={"TIFFANY_LTTNG": "0"}, stdout=subprocess.PIPE, text=True)
        assert off.stdout.readline() == "lttng disabled\n"
        other = lttng.popen(["sleep", "60"], env={"TIFFANY_LTTNG": "0"})  # nothing of ours
        done = lttng.run([program("paltrace"), "record", "-o", tmp_path / "run", "--seconds", "0.2"], check=False)
    assert f"not recorded: process {off.pid} (steady): its LTTng is off by TIFFANY_LTTNG=0; mend: " in done.stderr, done
    assert str(other.pid) not in done.stderr, done


def test_what_belongs_to_a_command_is_refused_without_one(tmp_path):
    for options in (["--lossless"], ["--crash-safe"], ["--follow-fork"], ["--seconds", "3", "--", "true"]):
        done = subprocess.run([program("paltrace"), "record", "-o", tmp_path / "run", *options], capture_output=True,
                              text=True, timeout=DEADLINE)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
        assert not (tmp_path / "run").exists()


def record_without_end(popen, paltrace, directory, *options):
    """Starts it, and waits until it records."""
    recorder = popen([paltrace, "record", "-o", directory, *options], stderr=subprocess.PIPE, text=True)
    said_until(recorder, "until Ctrl-C")
    return recorder


def test_the_current_session_of_an_ordinary_user_stays_what_it_is():
    with OrdinaryUser("paltrace", "tiffany-demo") as user:
        daemon = user.start_daemon()
        demo = user.popen([user.program("tiffany-demo"), "--seconds", "0", "--tasks", "10"], stdout=subprocess.DEVNULL)
        poll(lambda: "tiffany:task_spawned" in user.run(["lttng", "list", "--userspace"]).stdout, "the demo is registered")
        assert user.run(["lttng", "create", "mine", f"--output={user.home}/mine"]).returncode == 0
        current = (user.home / ".lttngrc").read_text()
        assert "mine" in current
        recorder = record_without_end(user.popen, user.program("paltrace"), "run")
        assert (user.home / ".lttngrc").read_text() == current
        # they go on with it while it records
        assert user.run(["lttng", "enable-event", "--userspace", "tiffany:*"]).returncode == 0
        assert user.run(["lttng", "start"]).returncode == 0
        recorder.send_signal(signal.SIGINT)
        said = said_until_its_end(recorder)
        assert recorder.wait(DEADLINE) == 0, said
        assert f"{user.home}" not in said
        assert (user.home / ".lttngrc").read_text() == current
        assert daemon.poll() is None
        stopped = user.run(["lttng", "stop"])
        assert stopped.returncode == 0 and "mine" in stopped.stdout, stopped
        assert user.run(["lttng", "destroy"]).returncode == 0
        end_process(demo)
        assert {entry.name for entry in user.home.iterdir()} <= {"run", "mine", ".lttng"}, "no private directory is left"
        for trace in ("run", "mine"):
            found = user.run([user.program("paltrace"), "check", trace])
            assert found.returncode == 0, found


def test_an_ordinary_user_without_a_daemon_gets_one_that_their_programs_find():
    with OrdinaryUser("paltrace", "tiffany-demo") as user:
        recorder = record_without_end(user.popen, user.program("paltrace"), "run")
        demo = [user.program("tiffany-demo"), "--tasks", "20", "--transitions", "2000"]
        assert user.run(demo).returncode == 0
        recorder.send_signal(signal.SIGTERM)
        said = said_until_its_end(recorder)
        assert recorder.wait(DEADLINE) == 0, said
        assert user.run([user.program("paltrace"), "check", "run"]).stdout.endswith("good\n")
        assert not (user.home / ".lttngrc").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_daemon_that_it_started_stays_while_others_have_sessions_in_it(number):
    with OrdinaryUser("paltrace", "tiffany-demo") as user:
        recorder = record_without_end(user.popen, user.program("paltrace"), "run")
        daemon = int((user.home / ".lttng" / "lttng-sessiond.pid").read_text())
        try:
            for words in (["create", "mine", f"--output={user.home}/mine"], ["enable-event", "-u", "tiffany:*"], ["start"]):
                done = user.run(["lttng", "--no-sessiond", *words])
                assert done.returncode == 0, done
            is_keeper = lambda pid: pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "paltrace-keeper"
            keepers = [pid for pid in children(recorder.pid) if is_keeper(pid)]
            assert keepers
            recorder.send_signal(number)
            said = said_until_its_end(recorder)
            assert recorder.wait(DEADLINE) == (-number if number == signal.SIGKILL else 1), said
            assert number == signal.SIGKILL or f"others have sessions in it; to end it later: kill {daemon}\n" in said, said
            for pid in keepers:
                poll(lambda: not alive(pid), "its keeper is gone")
            listing = user.run(["lttng", "--no-sessiond", "list"]).stdout
            assert "mine" in listing and "paltrace-join" not in listing
            assert user.run([user.program("tiffany-demo"), "--tasks", "20", "--transitions", "2000"]).returncode == 0
            assert user.run(["lttng", "--no-sessiond", "destroy"]).returncode == 0
            assert user.run([user.program("paltrace"), "check", "mine"]).returncode == 0
        finally:
            os.kill(daemon, signal.SIGTERM)
            poll(lambda: not alive(daemon), "the daemon ends")


def test_the_daemon_that_it_started_is_ended_when_it_hangs_and_its_buffers_are_read():
    need_program("lttng-crash")
    with OrdinaryUser("paltrace", "tiffany-demo") as user:
        demo = user.popen([user.program("tiffany-demo"), "--seconds", "0", "--tasks", "10"], stdout=subprocess.DEVNULL)
        recorder = record_without_end(user.popen, user.program("paltrace"), "run")
        daemon = int((user.home / ".lttng" / "lttng-sessiond.pid").read_text())
        poll(lambda: any(file.stat().st_size for file in user.home.glob("run/trace/**/transitions_*")), "it records")
        mine = user.run(["lttng", "--no-sessiond", "create", "mine", f"--output={user.home}/mine"])
        assert mine.returncode == 0, mine
        os.kill(daemon, signal.SIGSTOP)
        recorder.send_signal(signal.SIGINT)
        said = said_until_its_end(recorder, PROMISED_END)
        assert recorder.returncode == 3 and not alive(daemon), said
        assert "started here answers nobody, and is ended: so is what others may have in it\n" in said, said
        end_process(demo)
        facts = json.loads((user.home / "run" / "record.json").read_text())
    assert "session daemon hangs (it was stopped, by a signal or a debugger): what it did not write is read from" in said
    assert (facts["hung_daemon"], facts["hangs_on"], facts["bad_parts"]) == ("session", False, []), said
    assert "may write it" not in said and "what was done after LTTng's session daemon" not in said


def test_a_process_that_is_stopped_and_so_not_registered_is_called_that():
    with OrdinaryUser("paltrace", "tiffany-demo") as user:
        demo = user.popen([user.program("tiffany-demo"), "--seconds", "0", "--crowd", "3"], stdout=subprocess.PIPE, text=True)
        assert "stand" in demo.stdout.readline()
        demo.send_signal(signal.SIGSTOP)
        try:
            user.start_daemon()
            done = user.run([user.program("paltrace"), "record", "-o", "run", "--seconds", "1"])
        finally:
            demo.send_signal(signal.SIGCONT)
        assert f"not recorded: process {demo.pid} is stopped; mend: kill -CONT {demo.pid}\n" in done.stderr, done
        assert "TIFFANY_LTTNG=0, in a container" not in done.stderr, done
        end_process(demo)


def test_stats_and_convert_warn_of_a_broken_record_file(tmp_path):
    run = tmp_path / "run"
    subprocess.run([program("paltrace"), "record", "-o", run, "--", program("tiffany-demo"), "--tasks", "5"], check=True,
                   capture_output=True, timeout=DEADLINE)
    for command in (["stats", run], ["convert", run, "-o", tmp_path / "log"]):
        read = lambda: subprocess.run([program("paltrace"), *command], capture_output=True, text=True, timeout=DEADLINE)
        whole = (run / "record.json").read_text()
        assert "record.json" not in read().stderr
        (run / "record.json").write_text("{")
        done = read()
        assert done.returncode == 0 and "record.json: it is no JSON object; what the recording missed" in done.stderr, done
        (run / "record.json").write_text(whole)


def expect_refused(done, daemon):
    assert done.returncode == 3, done
    assert f"(pid {daemon.pid}): it is stopped; mend: kill -CONT {daemon.pid}\n" in done.stderr, done
    assert done.stderr.count("\n") == 1 and "cannot start" not in done.stderr, done


def test_a_session_daemon_that_is_stopped_is_named_and_no_other_is_started():
    with OrdinaryUser("paltrace") as user:
        daemon = user.start_daemon()
        daemon.send_signal(signal.SIGSTOP)
        expect_refused(user.run([user.program("paltrace"), "record", "-o", "run", "--seconds", "2"]), daemon)
        assert {entry.name for entry in user.home.iterdir()} == {".lttng"}
        daemon.send_signal(signal.SIGCONT)
        done = user.run([user.program("paltrace"), "record", "-o", "run", "--seconds", "1"])
        assert "using the session daemon that runs" in done.stderr and "cannot use" not in done.stderr, done


def test_a_stopped_daemon_of_root_is_named_too(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        lttng.daemon.send_signal(signal.SIGSTOP)
        try:
            done = lttng.run([program("paltrace"), "record", "-o", tmp_path / "run", "--seconds", "2"], check=False)
        finally:
            lttng.daemon.send_signal(signal.SIGCONT)
        expect_refused(done, lttng.daemon)
        assert not (tmp_path / "run").exists()


def expect_killed_without_a_session(recorder, listing):
    keepers = children(recorder.pid)
    assert keepers
    recorder.kill()
    recorder.wait(DEADLINE)
    poll(lambda: "paltrace-join" not in listing(), "its session is destroyed")
    for pid in keepers:
        poll(lambda: not alive(pid), "its keeper is gone")


def test_kill_9_destroys_its_session_and_no_other(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "somebody-elses", f"--output={tmp_path / 'other'}")
        demo = lttng.popen([program("tiffany-demo"), "--seconds", "0", "--tasks", "10"])
        recorder = record_without_end(lttng.popen, program("paltrace"), tmp_path / "run")
        trace = tmp_path / "run" / "trace"
        poll(lambda: any(file.stat().st_size > 4096 for file in trace.rglob("transitions_*")), "something is on disk")
        assert "paltrace-join" in sessions(lttng)
        expect_killed_without_a_session(recorder, lambda: sessions(lttng))
        assert "somebody-elses" in sessions(lttng)
        assert demo.poll() is None and lttng.daemon.poll() is None
        facts = json.loads((tmp_path / "run" / "record.json").read_text())
        assert facts["ended"] is None
        judged = check(tmp_path / "run")
        assert judged.returncode == 0 and "record.json has no end" in judged.stdout, judged
        end_process(demo)
        lttng.lttng("destroy", "somebody-elses")


def test_kill_9_by_an_ordinary_user_leaves_no_session_and_no_private_directory():
    with OrdinaryUser("paltrace") as user:
        user.start_daemon()
        recorder = record_without_end(user.popen, user.program("paltrace"), "run")
        expect_killed_without_a_session(recorder, lambda: user.run(["lttng", "--no-sessiond", "list"]).stdout)
        poll(lambda: {entry.name for entry in user.home.iterdir()} == {"run", ".lttng"}, "its private directory is gone")
