"""The process's own log, live: `TIFFANY_PAL=unix:SOCKET`, and who reads it."""

import collections
import json
import re
import socket
import stat
import subprocess
import threading
import time

import pytest
import schema
from kit import DEADLINE, end_process, poll
from own_log import PALTRACE, files, problem, run, start, tell, transitions


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
    (tmp_path / "late.pal").write_bytes(late.rest())
    assert process.wait(DEADLINE) == 0
    done = subprocess.run([PALTRACE, "check", tmp_path / "late.pal"], text=True, capture_output=True, timeout=DEADLINE)
    assert re.search(r"^state dumps: 0 whole, \d+ not \(a runtime without list_tasks_by\(\), or ", done.stdout, re.M), done


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
