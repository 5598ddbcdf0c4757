"""The process's own log: `TIFFANY_PAL`, in real processes that end, fork, and are killed."""

import collections
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest
import schema
from kit import DEADLINE, PrivateLttng, checked, end_process, lacking, need_root, poll, private_copy, program
from own_log import DEMO, ITSELF, PALTRACE, check, entries, environment, files, problem, run, start, tell, transitions


# ---- files ----


@pytest.mark.parametrize("name", ["run.pal", "run.pal.zst"])
def test_a_log_is_whole_after_exit_and_is_what_the_checker_takes(tmp_path, name):
    [said], _ = run(name, "return", 1000, tmp_path)
    assert said["active"] and said["where"] == name and said["fired"] == said["transitions"] == 3000
    assert files(tmp_path) == [name]
    path = tmp_path / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log = entries(path)
    assert log[0]["event"] == "Begin" and "first" not in log[0]
    assert log[-1]["event"] == "End" and log[-1]["lost"] == 0 and log[-1]["records"] == len(log) - 2
    assert len(transitions(log)) == len(set(transitions(log))) == 3000
    assert check(path).endswith("good\n")
    assert "life" in checked([PALTRACE, "stats", path]).stdout


def test_the_demo_writes_a_log_that_agrees_with_its_own_count(tmp_path):
    ring = environment("run.pal", TIFFANY_PAL_RING="64M")  # for all of it while the log's thread has no CPU
    checked([DEMO, "--transitions", "20000", "--report", "own.json"], env=ring, cwd=tmp_path)
    own = json.loads((tmp_path / "own.json").read_text())
    counts = collections.Counter(r["event"] for r in entries(tmp_path / "run.pal"))
    assert {event: counts[event] for event in own["events"]} == own["events"]
    assert check(tmp_path / "run.pal").endswith("good\n")


def test_stderr_and_the_names_of_process_and_host(tmp_path):
    _, done = run("-", "return", 10, tmp_path)
    log = [json.loads(line) for line in done.stderr.splitlines()]
    assert log[0]["event"] == "Begin" and log[-1]["event"] == "End" and len(transitions(log)) == 30
    run("%h-%p-100%%.pal", "return", 10, tmp_path)
    [name] = files(tmp_path)
    log = entries(tmp_path / name)
    pid = next(r["pid"] for r in log if "pid" in r)
    assert name == f"{socket.gethostname()}-{pid}-100%.pal"


def test_of_two_processes_the_second_adds_its_pid_and_leaves_the_first_alone(tmp_path):
    first = start("run.pal.zst", "wait", 10, tmp_path)
    try:
        first.stdout.readline()
        [said], _ = run("run.pal.zst", "return", 10, tmp_path)
        assert re.fullmatch(r"run\.pal\.\d+\.zst", said["where"])
        assert files(tmp_path) == sorted(["run.pal.zst", said["where"]])
        assert check(tmp_path / said["where"]).endswith("good\n")
    finally:
        end_process(first, signal.SIGKILL)
    # nobody has it now: the next run takes the name, and keeps what was there
    run("run.pal.zst", "return", 10, tmp_path)
    assert "run.pal.old.zst" in files(tmp_path)
    assert check(tmp_path / "run.pal.zst").endswith("good\n")


def test_a_forked_child_writes_its_own_and_nothing_twice(tmp_path):
    [child, said], _ = run("run.pal", "fork", 100, tmp_path)
    assert files(tmp_path) == ["run.pal", f"run.pal.{child}"]
    parents, childs = entries(tmp_path / "run.pal"), entries(tmp_path / f"run.pal.{child}")
    assert len(transitions(parents)) == 600 and len(transitions(childs)) == 300
    assert not {t[0] for t in transitions(parents)} & {t[0] for t in transitions(childs)}, "another instance"
    assert {r["pid"] for r in childs if "pid" in r} == {child}
    for name in files(tmp_path):
        assert check(tmp_path / name).endswith("good\n")
    checked([PALTRACE, "convert", "run.pal", f"run.pal.{child}", "-o", "both.pal"], cwd=tmp_path)
    assert len(transitions(entries(tmp_path / "both.pal"))) == 900


def test_a_forked_child_goes_on_with_its_parents_scheduler_in_a_file_of_its_own(tmp_path):
    [child, _], _ = run("%p.pal", "inherit", 100, tmp_path)
    assert len(files(tmp_path)) == 2 and f"{child}.pal" in files(tmp_path)
    log = entries(tmp_path / f"{child}.pal")
    assert sorted(seq for _, _, seq in transitions(log)) == list(range(1, 301))
    assert check(tmp_path / f"{child}.pal").endswith("good\n")


# How small a log becomes hangs on how alike its durations are. It has to be between one turn and two, so that both
# files together are all of it.
FITS = [("run.pal", "run.pal.old", [5_000]), ("run.pal.zst", "run.pal.old.zst", [90_000, 120_000, 160_000])]


@pytest.mark.parametrize("name,older,fits", FITS)
def test_a_full_file_turns_over_and_each_can_be_checked_and_both_together(tmp_path, name, older, fits):
    for fit in fits:
        place = tmp_path / str(fit)
        place.mkdir()
        [said], _ = run(name, "return", fit, place, TIFFANY_PAL_MAX="2M", TIFFANY_PAL_RING="64M")
        assert said["lost"] == 0
        if said["files"] > 1:
            break
    assert files(place) == sorted([name, older]) and said["files"] == 2
    for path in place.iterdir():
        assert path.stat().st_size <= (2 << 20) + (64 << 10)
    new = entries(place / name)
    [first] = new[0]["first"]
    assert first["seq"] == transitions(new)[0][2] > 1 and first["worker"] == transitions(new)[0][1]
    assert new[1]["event"] == "Worker" and new[1]["scheduler"] == "itself"
    for each in (name, older):
        assert "lost: 0 transitions" in check(place / each) and entries(place / each)[-1]["event"] == "End"
    checked([PALTRACE, "convert", older, name, "-o", "both.pal"], cwd=place)
    both = transitions(entries(place / "both.pal"))
    assert len(both) == len(set(both)) == 3 * fit
    assert check(place / "both.pal").endswith("good\n")


def test_only_the_last_two_files_stay(tmp_path):
    [said], _ = run("run.pal", "return", 20000, tmp_path, TIFFANY_PAL_MAX="256K", TIFFANY_PAL_RING="64M")
    assert files(tmp_path) == ["run.pal", "run.pal.old"] and said["files"] > 5
    old, new = transitions(entries(tmp_path / "run.pal.old")), transitions(entries(tmp_path / "run.pal"))
    assert old[-1][2] + 1 == new[0][2] and new[-1][2] == 60000


def inode(path):
    """None: it has no name just now, between two files."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def dumped_in(path):
    """The tasks and groups that a dump told of, in a file that is still written."""
    if inode(path) is None:
        return set()
    lines = path.read_text().rpartition("\n")[0].splitlines()
    return {r.get("name") for r in map(json.loads, lines) if r["event"] in ("State", "Group")}


def test_after_two_turns_the_third_file_still_knows_who_lives(tmp_path):
    process = start("run.pal", "steps", 500, tmp_path, TIFFANY_PAL_MAX="256K")
    path = tmp_path / "run.pal"
    try:
        for _ in range(2):
            before = poll(lambda: inode(path), "there is a file")
            while inode(path) in (None, before):
                tell(process)
                time.sleep(0.2)
            # the second time it takes 10 s: a dump at each turn would be too much
            poll(lambda: {"long", "readers"} <= dumped_in(path), "the file tells of the task and its group")
        process.stdin.close()
        said = json.loads(process.stdout.readline())
        assert process.wait(DEADLINE) == 0 and said["files"] == 3
    finally:
        end_process(process, signal.SIGKILL)
    log = entries(path)
    assert schema.faults(log) == []
    assert {r["name"] for r in log if r["event"] == "State"} == {"long"} and not [r for r in log if r["event"] == "Spawned"]
    for each in (path, tmp_path / "run.pal.old"):
        assert check(each).endswith("good\n")


# ---- how a process ends ----


@pytest.mark.parametrize("name", ["run.pal", "run.pal.zst"])
def test_a_killed_process_leaves_all_but_the_last_200_ms(tmp_path, name):
    process = start(name, "wait", 10, tmp_path)
    try:
        told = []
        # long enough for some of it to be due, also if the test had no CPU and all lines come at once
        while len(told) < 12 or told[-1][1] - told[0][1] < 0.5:
            told.append((int(process.stdout.readline()), time.monotonic()))
        # what it had fired 200 ms before now: the log's bound, and 50 ms for its write and for the line to come here
        kill_at = time.monotonic()
        process.kill()
        process.wait()
    finally:
        end_process(process, signal.SIGKILL)
    due = max([count for count, at in told if at <= kill_at - 0.25], default=0)
    path = tmp_path / name
    assert "cut" in check(path, 1)
    subprocess.run([PALTRACE, "convert", path, "-o", tmp_path / "there.pal"], capture_output=True, timeout=DEADLINE)
    seqs = [seq for _, _, seq in transitions(entries(tmp_path / "there.pal"))]
    assert seqs == list(range(1, len(seqs) + 1)) and len(seqs) >= due > 0
    if not name.endswith(".zst"):  # and there is no more in it
        assert len(transitions(map(json.loads, path.read_text().splitlines()))) == len(seqs)


@pytest.mark.parametrize("name", ["run.pal", "run.pal.zst"])
def test_who_writes_a_log_that_has_no_end_yet_is_told_and_only_while_it_lives(tmp_path, name):
    path = tmp_path / name
    process = subprocess.Popen([DEMO, "--seconds", str(DEADLINE)], env=environment(path), stdout=subprocess.DEVNULL)
    writes = f"; process {process.pid} (tiffany-demo) is writing it: look again when that has ended\n"
    try:
        poll(lambda: path.exists() and path.stat().st_size > 4096, "some of it is on disk")
        assert writes in check(path, 1)
    finally:
        end_process(process, signal.SIGKILL)
    said = check(path, 1)
    assert "cut" in said and "is writing it" not in said


def test_abort_is_like_a_kill_and_what_was_flushed_is_there(tmp_path):
    [said], _ = run("run.pal", "abort", 100, tmp_path, code=-signal.SIGABRT)
    assert len(transitions(entries(tmp_path / "run.pal"))) == said["fired"] == 300
    assert "no End" in check(tmp_path / "run.pal", 1)
    run("hard.pal", "_exit", 100, tmp_path)
    assert "no End" in check(tmp_path / "hard.pal", 1)


def test_exit_in_the_middle_of_the_run_leaves_a_whole_log(tmp_path):
    run("run.pal", "exit", 100, tmp_path)
    log = entries(tmp_path / "run.pal")
    assert log[-1]["event"] == "End" and log[-1]["records"] == sum(r["event"] not in ("Begin", "Gap", "End") for r in log)
    check(tmp_path / "run.pal", 4 if log[-1]["lost"] else 0)


@pytest.mark.parametrize("name", ["run.pal", "run.pal.zst"])
@pytest.mark.parametrize("options", [[], ["--static"]], ids=["local", "static"])
def test_a_log_that_ends_while_workers_work_says_that_what_they_did_after_it_is_missing(tmp_path, name, options):
    """A static scheduler is closed by exit() just before the log ends: its workers' threads may go on after that."""
    spin = [program("spin_transitions"), "20000", "--quit", "--workers", "4", "--gently", *options]
    checked(spin, env=environment(tmp_path / name))
    log = entries(tmp_path / name)
    known = [(r["worker"], r["kind"]) for r in log if r["event"] == "Worker" and r["kind"] in ("started", "stopped")]
    count = sum(kind == "started" for _, kind in known) - sum(kind == "stopped" for _, kind in known)
    assert count >= 1
    [said] = log[-1]["uncounted"]
    assert said.startswith(f"{count} worker") and "not seen to stop before the log ended" in said
    done = check(tmp_path / name, 4 if log[-1]["lost"] else 0)
    assert f"note: {said}\n" in done and done.splitlines()[-1].endswith("some may be missing, uncounted"), done
    again = tmp_path / "again.pal"
    subprocess.run([PALTRACE, "convert", tmp_path / name, "-o", again], capture_output=True, timeout=DEADLINE)  # exit 4: lost
    assert entries(again)[-1]["uncounted"] == [said]


@pytest.mark.parametrize("options", [["--workers", "4"], ["--workers", "4", "--static"]], ids=["local", "static"])
def test_a_log_whose_workers_have_stopped_raises_no_doubt(tmp_path, options):
    log = tmp_path / "run.pal"
    checked([program("spin_transitions"), "2000", "--gently", *options], env=environment(log))
    assert "uncounted" not in entries(log)[-1]
    assert check(log).endswith("\ngood\n")


# ---- beside others ----


def test_a_sink_of_the_programs_own_and_the_log_both_get_everything(tmp_path):
    [said], _ = run("run.pal", "sink", 1000, tmp_path)
    assert said["sink"] == said["fired"] == 3000
    assert len(transitions(entries(tmp_path / "run.pal"))) == 3000
    assert check(tmp_path / "run.pal").endswith("good\n")


def test_configure_says_the_same_by_the_program(tmp_path):
    [said], _ = run("environment.pal", "configure", 10, tmp_path)
    assert files(tmp_path) == ["configured.pal"] and said["where"] == "configured.pal"
    assert check(tmp_path / "configured.pal").endswith("good\n")


def without_seq(records):
    """What is no transition, by what it says: the two exits stamp it with times of their own."""
    return collections.Counter(
        json.dumps({key: value for key, value in r.items() if key != "ts"}, sort_keys=True)
        for r in records
        if "step" not in r and r["event"] not in ("Begin", "Gap", "End")
    )


def test_a_recording_and_the_log_of_one_run_give_each_record_once(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path}/trace")
        lttng.lttng("enable-channel", "-u", "--buffers-pid", "--subbuf-size=1M", "--num-subbuf=8", "transitions")
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "transitions")
        lttng.lttng("start")
        demo = [DEMO, "--transitions", "5000", "--stall", "300", "--report", tmp_path / "own.json"]
        lttng.run(demo, env={"TIFFANY_PAL": tmp_path / "own.pal", "TIFFANY_PAL_RING": "64M", "TIFFANY_STALL": "50ms"})
        lttng.lttng("destroy", "run")
    own = json.loads((tmp_path / "own.json").read_text())
    checked([PALTRACE, "convert", tmp_path / "trace", tmp_path / "own.pal", "-o", tmp_path / "both.pal"])
    both = entries(tmp_path / "both.pal")
    assert len(transitions(both)) == len(set(transitions(both))) == own["transitions"]
    assert collections.Counter(r["event"] for r in both if "step" in r and r["event"] != "State") == own["events"]
    assert check(tmp_path / "both.pal").endswith("good\n")
    # each Worker, Park, Group, Note, Stalled is there as often as in either log
    checked([PALTRACE, "convert", tmp_path / "trace", "-o", tmp_path / "trace.pal"])
    told = without_seq(both)
    assert told == without_seq(entries(tmp_path / "own.pal")) == without_seq(entries(tmp_path / "trace.pal"))
    kinds = {json.loads(record)["event"] for record in told}
    assert kinds >= {"Worker", "Park", "Group", "Note", "Stalled"}, kinds


# ---- what is refused ----


def test_the_demo_says_that_no_log_is_written_and_why(tmp_path):
    (tmp_path / "notes").write_text("mine")
    for target, told in [(tmp_path / "none/a.pal", "refused (No such file or directory)"), (tmp_path / "notes", "not_a_log")]:
        done = subprocess.run([DEMO, "--tasks", "1", "--seconds", "0.01"], env={**os.environ, "TIFFANY_PAL": str(target)},
                              text=True, capture_output=True, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (0, f"tiffany-demo: no log is written: {told}\n")


def test_convert_keeps_a_gap_that_no_transition_follows(tmp_path):
    run("run.pal", "return", 10, tmp_path)
    log = entries(tmp_path / "run.pal")
    last = [i for i, entry in enumerate(log) if "step" in entry and entry["event"] != "State"][-3:]  # a whole life
    keys = ("v", "ts", "host", "pid", "instance", "worker")
    gap = {key: log[last[0]][key] for key in keys if key in log[last[0]]}
    gap |= {"event": "Gap", "from_seq": log[last[0]]["seq"], "to_seq": log[last[-1]]["seq"], "lost": 3}
    log[last[0]] = gap
    del log[last[1]], log[last[2] - 1]
    log[-1]["records"] -= 3
    log[-1]["lost"] = 3
    (tmp_path / "lossy.pal").write_text("".join(json.dumps(entry) + "\n" for entry in log))
    check(tmp_path / "lossy.pal", 4)
    for inputs in (["lossy.pal"], ["lossy.pal", "lossy.pal"]):
        done = subprocess.run([PALTRACE, "convert", *inputs, "-o", "again.pal"], cwd=tmp_path, capture_output=True, text=True,
                              timeout=DEADLINE)
        assert done.returncode == 4, done
        [told] = [entry for entry in entries(tmp_path / "again.pal") if entry["event"] == "Gap"]
        assert {key: told[key] for key in ("worker", "from_seq", "to_seq", "lost")} == {key: gap[key] for key in
                                                                                   ("worker", "from_seq", "to_seq", "lost")}
        assert "lost: 3 transitions (gaps: 1, after the last record: 0, not explained: 0)" in check(tmp_path / "again.pal", 4)


def test_a_bad_setting_stops_nothing_and_says_why(tmp_path):
    assert problem("run%q.pal", tmp_path) == "bad_target"
    assert problem("unix:", tmp_path) == "bad_target"
    assert problem("run.pal", tmp_path, TIFFANY_PAL_MAX="lots") == "bad_size"
    assert problem("no/such/folder.pal", tmp_path) == "refused"
    assert files(tmp_path) == []


def test_what_is_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "diary").write_text("dear diary")
    assert problem("diary", tmp_path) == "not_a_log"
    (tmp_path / "link.pal").symlink_to("diary")
    assert problem("link.pal", tmp_path) == "symbolic_link"
    (tmp_path / "dangling.pal").symlink_to("nowhere")
    assert problem("dangling.pal", tmp_path) == "symbolic_link"
    assert (tmp_path / "diary").read_text() == "dear diary" and not (tmp_path / "nowhere").exists()


def test_a_set_uid_program_does_not_trust_its_environment(tmp_path):
    need_root()
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    copy = private_copy(ITSELF, tmp_path)
    os.chown(copy, 1, 1)
    copy.chmod(0o4755)
    mounted = subprocess.run(["findmnt", "-no", "OPTIONS", "-T", copy], text=True, capture_output=True)
    if "nosuid" in mounted.stdout:
        lacking("set-uid programs are not honoured here")
    as_nobody = dict(user=65534, group=65534, extra_groups=[])
    (tmp_path / "plain").mkdir()
    plain = private_copy(ITSELF, tmp_path / "plain")
    for binary, expected in ((copy, []), (plain, ["run.pal"])):  # the second shows that the first could have
        done = subprocess.run(
            [binary, "return", "10"],
            env=environment("run.pal"),
            cwd=tmp_path,
            text=True,
            capture_output=True,
            timeout=DEADLINE,
            user=65534,
            group=65534,
            extra_groups=[],
        )
        assert done.returncode == 0, done.stderr
        assert [name for name in files(tmp_path) if name.endswith(".pal")] == expected
