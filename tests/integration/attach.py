"""Tracers that come late: the demo stands with tasks in every state, and what a trace, or bpftrace, is told of them is
what the demo itself says of them; sessions that come and go, and a million tasks."""

import calendar
import json
import re
import shutil
import signal
import statistics
import subprocess
import time

import pytest
from bpftrace_scripts import SCRIPTS, Script
from kit import DEADLINE, PrivateLttng, end_process, need_bpftrace, need_files_of, poll, program

ROOM = ["--buffers-pid", "--subbuf-size=4M", "--num-subbuf=8", "--switch-timer=50000"]
# for what a million tasks and two seconds of a busy loop fire, also while the consumer gets no CPU: some 150 MB each
ALL_OF_IT = ["--buffers-pid", "--subbuf-size=32M", "--num-subbuf=8", "--switch-timer=50000"]
TRANSITIONS = "tiffany:task_*"
# of `dump_worker`: the name, then pid, thread, catalogue, seq, on_seq and generation, and then the phase
DUMP_END = re.compile(rb"demo\0.{30}\x01", re.DOTALL)


class Crowd:
    """A demo whose tasks stand; started where a session daemon sees it, or anywhere."""

    def __init__(self, directory, tasks, *options, start=subprocess.Popen):
        self._account = directory / "account"
        account = [] if tasks > 100_000 else ["--account", self._account]
        command = [program("tiffany-demo"), "--crowd", tasks, *account, *options]
        self.process = start([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == f"{tasks} tasks stand\n", self.process.stderr.read()

    def account(self):
        return {task["tid"]: task for task in map(json.loads, self._account.read_text().splitlines())}

    def end(self):
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == 0, said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_process(self.process, signal.SIGINT)


class Session:
    """One of perhaps several sessions; `start` and `stop` as often as one likes."""

    def __init__(self, lttng, directory, name, room=ROOM, **channels):
        self.lttng, self.name, self.trace = lttng.lttng, name, directory / name
        self.lttng("create", name, f"--output={self.trace}")
        for channel, events in (channels or {"all": "tiffany:*"}).items():
            self.lttng("enable-channel", "-u", "-s", name, *room, channel)
            self.lttng("enable-event", "-u", "-s", name, "-c", channel, events)

    def start(self):
        self.lttng("start", self.name)

    def stop(self):
        self.lttng("stop", self.name)

    def destroy(self):
        self.lttng("destroy", self.name)

    def entries(self):
        log = self.trace.with_suffix(".pal")
        subprocess.run([program("paltrace"), "convert", self.trace, "-o", log], capture_output=True, timeout=DEADLINE)
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def wait_for_dump(self, count=1, deadline=DEADLINE):
        """Until so many dumps have ended; one that a later one overtakes only begins. A trace that goes on cannot be decoded; but
        the demo's name is in what tells of a dump's begin and end, and in nothing else of a process that runs."""

        def ended():
            return sum(len(DUMP_END.findall(file.read_bytes())) for file in self.trace.rglob("*_[0-9]*") if file.is_file())

        poll(lambda: ended() >= count, f"{count} dumps end in {self.name}", deadline)


def ends(entries):
    return [entry for entry in entries if entry.get("kind") == "dumped" and entry["phase"] == "end"]


def whole_dumps(said):
    """How many `check` has counted, where none is not whole. Of one session they may be two: LTTng registers the events one
    by one, and the process may look in between."""
    return int(re.search(r"^state dumps: (\d+)$", said, re.M)[1])


def check(log, *options):
    return subprocess.run([program("paltrace"), "check", log, *options], capture_output=True, text=True,
                          timeout=DEADLINE)


def stats(log):
    return json.loads(
        subprocess.run([program("paltrace"), "stats", "--json", log], capture_output=True, text=True, timeout=DEADLINE)
        .stdout)


def nanoseconds(ts):
    whole, fraction = re.fullmatch(r"(.*)\.(\d{9})Z", ts).groups()
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1_000_000_000 + int(fraction)


def expect_the_account(entries, account):
    groups = {entry["group"]: entry["name"] for entry in entries if entry["event"] == "Group"}
    states = {}
    for entry in entries:
        if entry["event"] == "State":
            states[entry["tid"]] = entry
    assert set(account) <= set(states)
    assert len(states) - len(account) <= 2, "the task that waits for signals, and the one that keeps busy"
    late = []
    for tid, task in account.items():
        seen = states[tid]
        for key in ("name", "site", "priority", "state", "waited", "step"):
            assert seen[key] == task[key], (task, seen)
        assert groups.get(seen["group"], "") == task["group"], (task, seen, groups)
        # it came into its state before the account was written, and not before the program began; the clock was read
        # for some tasks together, a little before they were told of: long before if the worker had no CPU in between
        late.append(nanoseconds(seen["ts"]) - seen["age_ns"] - task["ts"])
        assert -60_000_000_000 < late[-1] < 10_000_000_000, (task, seen)
    assert statistics.median(late) < 100_000_000
    return states


@pytest.mark.parametrize("busy", [False, True])
def test_a_session_that_starts_late_knows_every_task(tmp_path, busy):
    with PrivateLttng(tmp_path) as lttng, Crowd(tmp_path, 700, *["--busy"] * busy, start=lttng.popen) as crowd:
        account = crowd.account()
        assert len(account) == 700
        session = Session(lttng, tmp_path, "late", transitions=TRANSITIONS, others="tiffany:dump_*,tiffany:worker_*,tiffany:scheduler_group")
        session.start()
        session.wait_for_dump()
        crowd.end()
        session.destroy()
    entries = session.entries()
    states = expect_the_account(entries, account)
    assert ends(entries)[-1]["tasks"] == len(states)
    done = check(session.trace.with_suffix(".pal"), "--strict")
    assert done.returncode == 0, done
    assert whole_dumps(done.stdout) >= 1, done.stdout
    assert f"told of first by a state dump: {len(states)}\n" in done.stdout
    # each was cancelled in the end: the whole of its life from the dump on is there
    assert f"cancelled {len(states)}" in done.stdout or f"cancelled {len(states) - 1}" in done.stdout, done.stdout
    told = stats(session.trace.with_suffix(".pal"))
    assert told["coverage"]["tasks_start_not_seen"] == told["coverage"]["tasks_dumped"] == len(states)
    assert told["coverage"]["tasks_name_unknown"] == 0
    assert {kind["name"] for kind in told["tasks_by_name"]} >= {task["name"] for task in account.values()}


def test_a_second_session_knows_every_task_while_a_first_one_records(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        first = Session(lttng, tmp_path, "first")
        first.start()
        with Crowd(tmp_path, 350, "--busy", start=lttng.popen) as crowd:
            account = crowd.account()
            second = Session(lttng, tmp_path, "second")
            second.start()
            second.wait_for_dump()
            second.destroy()
            third = Session(lttng, tmp_path, "third")
            third.start()
            third.wait_for_dump()
            crowd.end()
        third.destroy()
        first.destroy()
    for session in (second, third):
        expect_the_account(session.entries(), account)
        assert check(session.trace.with_suffix(".pal"), "--strict").returncode == 0
    whole = first.entries()
    spawned = {entry["tid"] for entry in whole if entry["event"] == "Spawned"}
    assert set(account) <= spawned
    done = check(first.trace.with_suffix(".pal"), "--strict")
    assert done.returncode == 0, done
    assert "start not seen: 0\n" in done.stdout and whole_dumps(done.stdout) >= 2, done.stdout


def test_bpftrace_alone_knows_every_task(tmp_path):
    need_bpftrace()
    with Crowd(tmp_path, 210) as crowd:
        account = crowd.account()
        need_files_of(crowd.process.pid)
        with Script([SCRIPTS / "tasks", crowd.process.pid]) as script:
            script.wait_for(1, r"^scheduler demo has told of its tasks$")
            crowd.end()
            said = script.ended()
    groups = dict(re.findall(r"^group (\d+): (.*)$", said, re.M))
    seen = {}
    for line in said.splitlines():
        if found := re.fullmatch(r"(\d+) +(\w+) +(\d+) +(\d+) +(\d+) (.*) \((.*)\)", line):
            tid, state, age_us, priority, group, name, site = found.groups()
            seen.setdefault(int(tid), (state, int(priority), groups.get(group, ""), name, site))
            assert int(age_us) > 0
    assert set(account) <= set(seen)
    for tid, task in account.items():
        assert seen[tid] == (task["state"], task["priority"], task["group"], task["name"], task["site"])
    assert f"@tasks[demo]: {len(seen)}\n" in said


def test_bpftrace_counts_the_tasks_that_two_workers_told_of_together():
    need_bpftrace()
    process = subprocess.Popen([program("tell_tasks")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "20 tasks stand\n"
        with Script([SCRIPTS / "tasks", process.pid]) as script:
            script.wait_for(1, r"^scheduler two\b")
            script.wait_for(20, r"^\d+ +\w+ .* stands \(")
            said = script.stop()
    finally:
        end_process(process)
    tids = re.findall(r"^(\d+) +\w+ .* stands \(", said, re.M)
    assert len(tids) == len(set(tids)) == 20
    assert re.findall(r"^@.*$", said, re.M) == ["@tasks[two]: 20"] and "scheduler two has told of its tasks\n" in said


def test_recording_starts_and_stops_a_hundred_times(tmp_path):
    """No false gap in the session that starts and stops; the one with tiny buffers misses what it misses, and says so."""
    with PrivateLttng(tmp_path) as lttng:
        spin = lttng.popen([program("steady"), "0", "20"], stdout=subprocess.PIPE, text=True)
        assert spin.stdout.readline() == "lttng available\n"
        on_off = Session(lttng, tmp_path, "on-off", transitions=TRANSITIONS, others="tiffany:dump_*,tiffany:worker_*")
        # emptied five times a second, it holds what is fired in a few milliseconds
        rarely_read = ["--buffers-pid", "--subbuf-size=4096", "--num-subbuf=2", "--read-timer=200000"]
        tiny = Session(lttng, tmp_path, "tiny", rarely_read,
                       transitions=TRANSITIONS, others="tiffany:dump_*,tiffany:worker_*")
        tiny.start()
        for _ in range(100):
            on_off.start()
            on_off.stop()
        on_off.start()
        spin.terminate()
        made = int(re.search(r"transitions (\d+)", spin.communicate(timeout=DEADLINE)[0]).group(1))
        on_off.destroy()
        tiny.destroy()
    entries = on_off.entries()
    gaps = [entry for entry in entries if entry["event"] == "Gap"]
    assert all(gap["lost"] == 0 for gap in gaps), [gap for gap in gaps if gap["lost"]]
    seqs = sorted(entry["seq"] for entry in entries if "step" in entry and "seq" in entry)
    untraced = sum(gap["to_seq"] - gap["from_seq"] + 1 for gap in gaps)
    assert len(seqs) + untraced == made - (seqs[0] - 1), "each transition from the first on is there, or in a Gap"
    generations = {entry["generation"] for entry in entries if entry.get("kind") == "dumped"}
    assert len(generations) > 50, "a session that starts is seen as such, unless it stopped within a tick"
    assert check(on_off.trace.with_suffix(".pal"), "--strict").returncode == 0
    # of the other one all that is missing was lost: it recorded all the time
    lossy = tiny.entries()
    gaps = [entry for entry in lossy if entry["event"] == "Gap"]
    seqs = [entry["seq"] for entry in lossy if "step" in entry and "seq" in entry]
    began = min(seqs + [gap["from_seq"] for gap in gaps])
    end = lossy[-1]
    assert end["event"] == "End" and end["lost"] > 0, "nothing was lost: the buffers are too large for this test"
    assert sum(gap["lost"] for gap in gaps) + end["tail"] == end["lost"]
    assert len(seqs) + end["lost"] == made - began + 1


def test_a_million_tasks_are_told_of_and_none_is_lost(tmp_path):
    if shutil.disk_usage("/dev/shm").free < 3 << 30:
        pytest.skip("/dev/shm has no 3 GiB: three channels that hold all of it take nearly two")
    with PrivateLttng(tmp_path) as lttng, Crowd(tmp_path, 1_000_000, "--busy", start=lttng.popen) as crowd:
        # what tells of the begin and the end, apart: it is small
        watch = Session(lttng, tmp_path, "watch", dumps="tiffany:dump_worker")
        watch.start()
        watch.wait_for_dump()
        session = Session(lttng, tmp_path, "late", ALL_OF_IT, ticks="tiffany_tick:*", transitions=TRANSITIONS,
                          others="tiffany:dump_*,tiffany:worker_*,tiffany:scheduler_group")
        session.start()
        watch.wait_for_dump(2, 5 * DEADLINE)
        session.stop()
        crowd.process.kill()
        for each in (session, watch):
            each.destroy()
    told, between, most, whole = 0, 0, 0, None
    reader = subprocess.Popen(["babeltrace2", str(session.trace)], stdout=subprocess.PIPE, text=True)
    for line in reader.stdout:
        if " tiffany:dump_task:" in line:
            told += 1
            between += "keeps busy" not in line  # it has events, and is told of before the first of them
            most = max(most, between)
        elif " tiffany_tick:" in line or " tiffany:worker_park:" in line:
            between = 0
        elif found := re.search(r'phase = \( "(begin|end)" .*tasks = (\d+)', line):
            if found[1] == "end":
                whole = (told, int(found[2]))
            told = 0  # another one tells of all of them once more
    assert reader.wait(DEADLINE) == 0
    assert whole and whole[0] == whole[1] >= 1_000_000, whole
    assert most <= 256, "tasks told of between two ticks of the loop"
