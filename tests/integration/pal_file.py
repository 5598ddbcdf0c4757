"""The process's own log: `TIFFANY_PAL`, in real processes that end, fork, are killed, and run out of disk."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.request

import pytest
import schema
from kit import DEADLINE, PrivateLttng, checked, end_process, full_device, lacking, need_root, poll, private_copy, program

PALTRACE = program("paltrace")
ITSELF = program("log_itself")
DEMO = program("tiffany-demo")


def environment(target, **more):
    return dict(os.environ, TIFFANY_LTTNG="0", TIFFANY_PAL=str(target), **{k: str(v) for k, v in more.items()})


def run(target, action, count, cwd, code=0, **more):
    done = subprocess.run(
        [ITSELF, action, str(count)], env=environment(target, **more), cwd=cwd, text=True, capture_output=True, timeout=DEADLINE
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert target == "-" or done.stderr == "", "nothing is printed"
    return [json.loads(line) for line in done.stdout.splitlines()], done


def start(target, action, count, cwd, **more):
    return subprocess.Popen(
        [ITSELF, action, str(count)],
        env=environment(target, **more),
        cwd=cwd,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def check(path, code=0):
    done = subprocess.run([PALTRACE, "check", path], text=True, capture_output=True, timeout=DEADLINE)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def entries(path):
    if str(path).endswith(".zst"):
        text = checked(["zstdcat", path]).stdout
    else:
        text = path.read_text()
    return [json.loads(line) for line in text.splitlines()]


def transitions(records):
    return [(r["instance"], r["worker"], r["seq"]) for r in records if "step" in r and r["event"] != "State"]


def files(directory):
    return sorted(path.name for path in directory.iterdir())


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
    checked([DEMO, "--transitions", "20000", "--report", "own.json"], env=environment("run.pal"), cwd=tmp_path)
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
        for _ in range(12):
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
        lttng.run(demo, env={"TIFFANY_PAL": tmp_path / "own.pal", "TIFFANY_STALL": "50ms"})
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


def problem(target, cwd, **more):
    [said], _ = run(target, "return", 10, cwd, **more)
    assert not said["active"]
    return said["problem"]


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


# ---- full disks ----


def test_a_device_that_is_full_costs_the_log_and_nothing_else(tmp_path):
    [said], _ = run(full_device(tmp_path), "return", 50_000, tmp_path, TIFFANY_PAL_RING="64M")
    assert said["active"] and said["error"] == 28 and said["lost"] > 0 and said["fired"] == 150_000


class Disk:
    """A tmpfs in a mount namespace of its own, behind a shell that the test talks to."""

    def __init__(self, tmp_path, options):
        self.tmp_path = tmp_path
        self.path = tmp_path / "disk"
        self.options = options

    def __enter__(self):
        self.path.mkdir()
        mount = f"mount -t tmpfs -o {self.options} tmpfs {self.path} && exec sh"
        self.shell = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.inside = pathlib.Path(f"/proc/{self.shell.pid}/root{self.path}")
        return self

    def __exit__(self, *_):
        self.shell.kill()
        self.shell.wait()

    def do(self, command):
        self.shell.stdin.write(f"{command}; echo done\n")
        self.shell.stdin.flush()
        assert self.shell.stdout.readline() == "done\n"

    def burst(self, count, between, **more):
        """A program bursts while the disk has no room, then `between` is done, and it ends. Returns what it said."""
        settings = " ".join(f"{name}={value}" for name, value in more.items())
        self.do(f"cd {self.tmp_path} && mkfifo in out")
        self.do(f"TIFFANY_LTTNG=0 TIFFANY_PAL={self.path}/run.pal TIFFANY_PAL_RING=64M {settings} {ITSELF} burst {count} < in > out & true")
        with open(self.tmp_path / "in", "w") as commands, open(self.tmp_path / "out") as answers:
            commands.write("go\n")
            commands.flush()
            said = json.loads(answers.readline())
            between()
            commands.write("end\n")
            commands.flush()
            self.do("wait")
        for name in files(self.inside):
            shutil.copy(self.inside / name, self.tmp_path / name)
        return said


def lost_in(log):
    assert log[-1]["event"] == "End"
    lost = sum(r["lost"] for r in log if r["event"] == "Gap")
    assert log[-1]["lost"] == lost
    return lost


def test_a_full_disk_becomes_an_exact_gap_when_there_is_room_again(tmp_path):
    need_root()
    with Disk(tmp_path, "size=14m") as disk:
        disk.do(f"head -c 12000000 /dev/zero > {disk.path}/ballast")

        def make_room():
            os.unlink(disk.inside / "ballast")
            before = os.stat(disk.inside / "run.pal").st_size
            poll(lambda: os.stat(disk.inside / "run.pal").st_size > before, "it writes again")

        said = disk.burst(20_000, make_room)
    assert said["fired"] == 120_000 and said["lost"] > 0 and said["error"] == 28, "the disk was full"
    log = entries(tmp_path / "run.pal")
    lost = lost_in(log)
    there = transitions(log)
    assert lost == said["lost"]
    assert len(set(there)) == len(there) == said["fired"] - lost
    assert f"good, but {lost} transitions lost" in check(tmp_path / "run.pal", 4)


@pytest.mark.parametrize("name", ["run.pal", "run.pal.zst"])
def test_a_disk_that_is_full_at_a_turn_hides_no_loss(tmp_path, name):
    need_root()
    with Disk(tmp_path, "size=2m") as disk:
        disk.do(f"head -c 1200000 /dev/zero > {disk.path}/ballast")
        said = disk.burst(
            20_000 if name == "run.pal" else 150_000,
            lambda: os.unlink(disk.inside / "ballast"),
            TIFFANY_PAL_MAX="898K",
            TIFFANY_PAL=f"{disk.path}/{name}",
        )
    assert said["lost"] > 0
    logs = [entries(tmp_path / each) for each in files(tmp_path) if each.startswith("run.")]
    assert sum(lost_in(log) for log in logs) >= said["lost"]
    there = [t for log in logs for t in transitions(log)]
    assert len(set(there)) == len(there) == said["fired"] - sum(lost_in(log) for log in logs)


def test_where_no_file_can_be_made_for_the_next_turn_the_full_one_stays(tmp_path):
    need_root()
    with Disk(tmp_path, "nr_inodes=3") as disk:  # the folder, the ballast and one log
        disk.do(f"touch {disk.path}/ballast")
        said = disk.burst(5_000, lambda: os.unlink(disk.inside / "ballast"), TIFFANY_PAL_MAX="256K")
    assert said["lost"] > 0 and said["error"] == 28 and said["files"] == 1
    old, new = entries(tmp_path / "run.pal.old"), entries(tmp_path / "run.pal")
    assert lost_in(old) == 0 and lost_in(new) == said["lost"]
    there = transitions(old) + transitions(new)
    assert len(transitions(old)) > 1000 and len(set(there)) == len(there) == said["fired"] - said["lost"]


# ---- metrics ----


@contextlib.contextmanager
def scraped_demo(target, cwd, *arguments, **more):
    """The demo, and what calls for a metric's samples: {its labels: its value}."""
    demo = subprocess.Popen(
        [DEMO, "--metrics-port", "0", "--stay", *arguments],
        env=environment(target, **more),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search(r"metrics on (http://\S+)", demo.stderr.readline()).group(1)

        def samples(metric):
            text = urllib.request.urlopen(url, timeout=DEADLINE).read().decode()
            return {labels: float(value) for labels, value in re.findall(rf"^{metric}(\{{.*\}})? (\S+)$", text, re.M)}

        yield demo, samples
    finally:
        end_process(demo, signal.SIGTERM)
    assert demo.returncode == 0


def test_the_metrics_say_why_there_is_no_log(tmp_path):
    with scraped_demo("run%q.pal", tmp_path, "--transitions", "100") as (_, samples):
        assert samples("tiffany_pal_unavailable") == {'{reason="bad_target"}': 1}
        assert samples("tiffany_pal_lost_total") == {}
    with scraped_demo("", tmp_path, "--transitions", "100") as (_, samples):
        assert samples("tiffany_pal_unavailable") == samples("tiffany_pal_lost_total") == {}, "nobody asked for one"
    assert files(tmp_path) == []


def test_the_metrics_tell_what_the_log_lacks_and_the_logs_gaps_say_the_same(tmp_path):
    with scraped_demo("run.pal", tmp_path, "--transitions", "300000", TIFFANY_PAL_RING="64K") as (demo, samples):
        demo.stdout.readline()  # its work is finished
        fired = sum(samples("task_transitions_total").values())
        # nothing follows that would tell of it
        poll(lambda: log_so_far(tmp_path / "run.pal")[0] == fired, "the log tells of all")
        assert samples("tiffany_pal_unavailable") == {}
        assert samples("tiffany_pal_lost_total") == {"": log_so_far(tmp_path / "run.pal")[1]}
    with scraped_demo(full_device(tmp_path), tmp_path, "--transitions", "100000", TIFFANY_PAL_RING="64M") as (demo, samples):
        poll(lambda: samples("tiffany_pal_lost_total").get("", 0) > 0, "what a full disk costs is seen")


def log_so_far(path):
    """The transitions that a log tells of while it is written, and how many of them as lost."""
    log = [json.loads(line) for line in path.read_text().rpartition("\n")[0].splitlines()]
    lost = sum(r["lost"] for r in log if r["event"] == "Gap")
    return len(transitions(log)) + lost, lost


# ---- the socket ----


class Reader:
    """One at the socket, which has its name before it takes anybody."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        poll(lambda: self.socket.connect_ex(str(path)) == 0, "it is taken at the socket")
        self.text = b""

    def begun(self):
        """Waits until the stream has begun, and keeps it."""
        self.text = self.socket.recv(1 << 16)
        return self

    def until(self, wanted):
        """Reads on until what came is as it is wanted, whole lines of it, which it returns; keeps all."""
        until = time.monotonic() + DEADLINE
        while True:
            log = [json.loads(line) for line in self.text.rpartition(b"\n")[0].splitlines()]
            if wanted(log):
                return log
            assert time.monotonic() < until, log[-5:]
            self.text += self.socket.recv(1 << 16)

    def rest(self):
        parts = [self.text]
        while part := self.socket.recv(1 << 20):
            parts.append(part)
        return b"".join(parts)


def in_thread(reader):
    kept = {}
    thread = threading.Thread(target=lambda: kept.update(text=reader.rest()))
    thread.start()

    def text():
        thread.join(DEADLINE)
        return kept["text"]

    return text


def served(tmp_path, count=5000, **more):
    process = start("unix:sock", "burst", count, tmp_path, **more)
    poll(lambda: (tmp_path / "sock").exists(), "the socket is there")
    return process


def tell(process, line="\n"):
    process.stdin.write(line)
    process.stdin.flush()


def accounted(text, fired):
    """Each transition once, as a record or in a gap."""
    log = [json.loads(line) for line in text.decode().splitlines()]
    assert log[0]["event"] == "Begin" and log[-1]["event"] == "End"
    next_seq = collections.defaultdict(lambda: 1)
    lost = 0
    for entry in log:
        if entry["event"] == "Gap":
            first, last = entry["from_seq"], entry["to_seq"]
            assert entry["lost"] == last - first + 1
            lost += entry["lost"]
        elif "step" in entry and entry["event"] != "State":
            first = last = entry["seq"]
        else:
            continue
        assert first == next_seq[entry["worker"]], entry
        next_seq[entry["worker"]] = last + 1
    assert sum(after - 1 for after in next_seq.values()) == fired
    assert log[-1]["lost"] == lost
    return lost


def test_without_readers_a_socket_costs_nothing_but_the_ring_and_goes_at_the_end(tmp_path):
    process = served(tmp_path, TIFFANY_PAL_RING="64M")
    assert stat.S_ISSOCK((tmp_path / "sock").stat().st_mode) and stat.S_IMODE((tmp_path / "sock").stat().st_mode) == 0o600
    tell(process)
    said = json.loads(process.stdout.readline())
    assert said["readers"] == 0 and said["transitions"] == said["fired"] == 30_000
    tell(process)
    assert process.wait(DEADLINE) == 0
    assert files(tmp_path) == []


def test_each_of_three_readers_gets_all_of_it(tmp_path):
    process = served(tmp_path, 2000, TIFFANY_PAL_RING="64M")  # what nobody reads meanwhile is kept
    readers = [in_thread(Reader(tmp_path / "sock").begun()) for _ in range(3)]
    tell(process)
    said = json.loads(process.stdout.readline())
    assert said["readers"] == 3
    tell(process)
    for text_of in readers:
        text = text_of()
        assert accounted(text, 12_000) == 0
        done = subprocess.run([PALTRACE, "check", "-"], input=text, capture_output=True, timeout=DEADLINE)
        assert done.returncode == 0, done.stdout
    assert process.wait(DEADLINE) == 0


def test_a_slow_reader_and_a_quick_one_each_get_an_exact_gap_of_what_they_lost(tmp_path):
    process = served(tmp_path, 40_000, TIFFANY_PAL_RING="64M")
    slow, quick = Reader(tmp_path / "sock").begun(), Reader(tmp_path / "sock").begun()
    text_of_quick = in_thread(quick)
    tell(process)
    said = json.loads(process.stdout.readline())
    assert said["fired"] == 240_000 and said["lost"] == 0 and said["readers_lost"] > 0
    text_of_slow = in_thread(slow)  # it reads now
    tell(process)
    assert process.wait(DEADLINE) == 0
    lost_by_slow = accounted(text_of_slow(), 240_000)
    assert lost_by_slow > 0
    assert accounted(text_of_quick(), 240_000) + lost_by_slow == said["readers_lost"]


def test_a_reader_that_goes_is_no_matter_and_one_that_comes_late_learns_who_is_there(tmp_path):
    process = served(tmp_path)
    gone = Reader(tmp_path / "sock").begun()
    gone.socket.close()
    tell(process)
    said = json.loads(process.stdout.readline())
    assert said["fired"] == 30_000
    late = Reader(tmp_path / "sock").begun()
    tell(process)
    log = [json.loads(line) for line in late.rest().decode().splitlines()]
    assert log[0]["event"] == "Begin" and log[-1]["event"] == "End"
    assert process.wait(DEADLINE) == 0


def stepping(tmp_path):
    process = start("unix:sock", "steps", 10, tmp_path)
    poll(lambda: (tmp_path / "sock").exists(), "the socket is there")
    return process


def test_one_that_comes_late_is_told_what_lives(tmp_path):
    process = stepping(tmp_path)
    first = Reader(tmp_path / "sock")
    first.until(lambda log: len(transitions(log)) > 10)
    late = Reader(tmp_path / "sock")
    log = late.until(lambda log: [r for r in log if r["event"] == "State"])
    assert log[0]["event"] == "Begin" and (log[1]["event"], log[1]["kind"]) == ("Worker", "started")
    [dumped] = [r for r in log if r["event"] == "Worker" and r["kind"] == "dumped"]
    assert dumped["scheduler"] == "itself" and dumped["phase"] == "begin"
    [state] = [r for r in log if r["event"] == "State"]
    assert state["name"] == "long" and state["state"] in ("Ready", "Running")
    [group] = [r for r in log if r["event"] == "Group"]
    assert group["name"] == "readers" and group["group"] == state["group"]
    assert schema.faults(log) == []
    process.stdin.close()
    assert process.wait(DEADLINE) == 0


def test_a_reader_that_is_turned_away_causes_no_dump(tmp_path):
    process = stepping(tmp_path)
    readers = [Reader(tmp_path / "sock").begun() for _ in range(64)]
    last = readers[-1]

    def dumps_after_twenty_more():  # a dump that is due comes with the next transitions
        before = len(transitions(last.until(lambda log: [r for r in log if r["event"] == "State"])))
        log = last.until(lambda log: len(transitions(log)) > before + 20)
        return [r["generation"] for r in log if r.get("kind") == "dumped"]

    dumps = dumps_after_twenty_more()  # its own, and that of one before it if that was still under way
    refused = Reader(tmp_path / "sock")
    assert refused.socket.recv(1) == b""
    assert dumps_after_twenty_more() == dumps
    process.stdin.close()
    for reader in readers:
        reader.socket.close()
    assert json.loads(process.stdout.readline())["readers_refused"] == 1
    assert process.wait(DEADLINE) == 0


def test_a_file_that_is_called_like_the_sockets_lock_is_left_alone(tmp_path):
    (tmp_path / "sock.lock").write_text("my notes")
    assert problem("unix:sock", tmp_path) == "not_a_log"
    assert files(tmp_path) == ["sock.lock"] and (tmp_path / "sock.lock").read_text() == "my notes"
    (tmp_path / "sock.lock").unlink()
    (tmp_path / "sock").write_text("no socket")
    assert problem("unix:sock", tmp_path) == "not_a_log"
    assert files(tmp_path) == ["sock"], "it leaves no lock behind"


@pytest.mark.parametrize("command", ["check", "stats", "convert"])
def test_who_gives_the_socket_to_a_command_that_reads_files_is_told_how_to_read_it(tmp_path, command):
    process = served(tmp_path)
    try:
        for name in (f"{tmp_path}/sock", f"unix:{tmp_path}/sock"):
            done = subprocess.run([PALTRACE, command, name], text=True, capture_output=True, timeout=DEADLINE)
            assert done.returncode == 2 and done.stdout == "", done
            said = f"paltrace: cannot read {name}: it is a socket, which serves a log from now until its process ends; "
            line = f"curl -sSN --http0.9 --unix-socket {tmp_path}/sock http://log | paltrace check -"
            assert done.stderr == f"{said}to read that: {line}\n"
    finally:
        end_process(process)


def test_a_reader_that_asked_for_something_gets_the_log_to_its_end(tmp_path):
    process = start("unix:sock", "burst", 10, tmp_path)
    reader = Reader(tmp_path / "sock").begun()
    reader.socket.sendall(b"GET / HTTP/1.1\r\nHost: log\r\n\r\n")  # as curl does
    tell(process)
    process.stdout.readline()
    tell(process)
    assert accounted(reader.rest(), 60) == 0
    assert process.wait(DEADLINE) == 0


def test_a_dead_socket_is_replaced_and_a_live_one_is_not(tmp_path):
    killed = served(tmp_path)
    killed.kill()
    killed.wait()
    assert (tmp_path / "sock").exists()
    alive = start("unix:sock", "burst", 10, tmp_path)
    reader = Reader(tmp_path / "sock")  # the dead socket is replaced
    [said], _ = run("unix:sock", "return", 10, tmp_path)
    assert re.fullmatch(r"unix:sock\.\d+", said["where"])
    tell(alive)
    alive.stdout.readline()
    tell(alive)
    assert accounted(reader.begun().rest(), 60) == 0
    assert alive.wait(DEADLINE) == 0
    assert files(tmp_path) == []


def test_a_forked_childs_socket_has_its_pid(tmp_path):
    [child, said], _ = run("unix:sock", "fork", 10, tmp_path)
    assert said["where"] == "unix:sock" and files(tmp_path) == []
