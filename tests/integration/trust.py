"""What is not trusted does no harm: damaged traces and logs, hostile names, names and modes of what is written, and
clients of the metrics that want none."""

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
import urllib.request

import pytest
from bad_input import BAD_CONTENT, GOOD, LOST, SYSTEM, USAGE, entries, paltrace, small_trace
from ctf_writer import Trace, catalogue, life, worker
from kit import DEADLINE, SOURCE, end_process, need_program, poll, program
from prometheus import serving_demo

NIGHTLY = os.environ.get("TIFFANY_PART") == "whole"
MOST_CPU = 5  # seconds; what hangs turns round and round
MOST_MEMORY = 512 << 10  # KiB; a good trace of this size takes 20 MiB
MOST_FOR_A_PROCESS = 1500  # bytes, of one that did next to nothing (SECURITY.md: some 1 kB)


# ---- damaged traces ----


def ran(command, directory):
    """(exit status, stderr, CPU seconds, KiB at the most), of the process and of those that it waited for."""
    with open(directory / "said", "w+b") as said:
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=said)
        guard = threading.Timer(DEADLINE, os.kill, (process.pid, signal.SIGKILL))
        guard.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    return process.returncode, text, used.ru_utime + used.ru_stime, used.ru_maxrss


def cuts(size, step):
    """Lengths to cut a file at: its first bytes, its last ones, else each `step`th."""
    return sorted({*range(0, min(size, 40), 3), *range(40, size, step), *range(max(0, size - 2), size)})


def cut_files(files):
    """{file: bytes} for each damaged trace; `files` are those of a good one."""
    for name, content in files.items():
        step = len(content) // 12 + 1
        if NIGHTLY:
            step = 1 if name == "metadata" else len(content) // 400 + 1
        for cut in cuts(len(content), step):
            yield f"{name} cut at {cut}", name, content[:cut]


def changed_files(files):
    chance = random.Random(29)
    for number in range(2000 if NIGHTLY else 120):
        name = chance.choice([name for name, content in files.items() if content])
        damaged = bytearray(files[name])
        for _ in range(chance.choice([1, 1, 2, 8, 64])):
            at = chance.randrange(len(damaged))
            how = chance.randrange(4)
            if how == 0:
                damaged[at] = chance.randrange(256)
            elif how == 1:
                damaged[at] ^= 1 << chance.randrange(8)
            elif how == 2:
                damaged[at : at + 8] = chance.choice([b"\0", b"\xff", b"\x7f"]) * len(damaged[at : at + 8])
            else:
                length = min(chance.randrange(64), len(damaged) - at)
                damaged[at : at + length] = damaged[at : at + length][::-1]
        yield f"change {number} of {name}", name, bytes(damaged)


def golden_trace(directory):
    """One that LTTng wrote, with its index files."""
    whole = SOURCE / "tests/golden/v1/lives/trace/ust/uid/0/64-bit"
    shutil.copytree(whole, directory)
    return directory


def converted(trace, files, reader, log, what):
    """Exit status, whether there is a log, and its bytes; all that the row of docs/reliability.md promises of one trace holds."""
    log.unlink(missing_ok=True)
    status, said, cpu, memory = ran([program("paltrace"), "convert", f"--reader={reader}", trace, "-o", log], log.parent)
    assert status in (GOOD, BAD_CONTENT, LOST), (what, status, said)
    assert "killed by signal" not in said and "ended before its time" not in said, (what, said)
    assert cpu < MOST_CPU and "made no progress" not in said, (what, cpu, said)
    assert memory < MOST_MEMORY, (what, memory)
    if status == BAD_CONTENT:
        assert "the native reader: the metadata" in said or any(str(trace / name) in said for name in files), (what, said)
    else:
        assert log.exists(), (what, said)
    if log.exists():
        checked = paltrace("check", log)
        says_so = "cannot read log" in checked.stderr and "the log was cut" in checked.stderr
        assert says_so if status == BAD_CONTENT else "cannot read log" not in checked.stderr, (what, status, said, checked)
    return status, log.read_bytes() if log.exists() else None, cpu, memory


@pytest.mark.parametrize("damage", [cut_files, changed_files])
@pytest.mark.parametrize("made", ["by_hand", "by_lttng"])
def test_a_damaged_trace_is_an_error_or_a_log_that_can_be_checked_and_takes_no_time_and_no_memory(tmp_path, made, damage):
    """With each reader; what the native one takes without a word is the log that babeltrace2 gives."""
    trace = small_trace(tmp_path) if made == "by_hand" else golden_trace(tmp_path / "run")
    files = {str(path.relative_to(trace)): path.read_bytes() for path in trace.rglob("*") if path.is_file()}
    seen = {reader: {GOOD: 0, BAD_CONTENT: 0, LOST: 0} for reader in ("native", "babeltrace2", "auto")}
    most_cpu = most_memory = 0
    for what, name, content in damage(files):
        (trace / name).write_bytes(content)
        logs, taken = {}, None
        for reader, count in seen.items():
            status, logs[reader], cpu, memory = converted(trace, files, reader, tmp_path / "run.pal", (what, reader))
            count[status] += 1
            most_cpu, most_memory = max(most_cpu, cpu), max(most_memory, memory)
            if reader == "native" and status != BAD_CONTENT:
                taken = what
        if taken == what:
            assert logs["native"] == logs["babeltrace2"], what
        assert logs["auto"] == logs["babeltrace2"], what
        (trace / name).write_bytes(files[name])
    print(f"{sum(seen['auto'].values())} damaged traces: {seen}, {most_cpu:.2f} s, {most_memory / 1024:.0f} MiB at the most")
    assert all(count[BAD_CONTENT] > 20 for count in seen.values()), seen


@pytest.mark.parametrize("bad", [0, 4, 9], ids=["the first", "one in the middle", "the last"])
@pytest.mark.parametrize("damaged", ["stream", "metadata"])
def test_of_ten_traces_a_bad_one_costs_only_itself_and_is_named(tmp_path, bad, damaged):
    run, alone = tmp_path / "run", tmp_path / "alone/run"  # the log has the name of what was converted
    for number in range(10):
        trace = Trace(catalogue())
        stream = trace.channel().stream()
        told = life(number + 1, 1, 1, 1, 2000)
        stream.packet([("worker_started", 1000, {"worker": worker(number + 1), "catalogue": 1})] + told +
                      [("worker_stopped", 9000, {"worker": worker(number + 1), "seq": 6})])
        for directory in {run, run if number == bad else alone}:
            trace.write(directory / f"process{number}")
    file = next((run / f"process{bad}").glob("*_0")) if damaged == "stream" else run / f"process{bad}/metadata"
    whole = file.read_bytes()  # cut metadata would be lent by a twin
    file.write_bytes(whole[:-5] if damaged == "stream" else whole.replace(b"event {", b"event ["))
    logs = {}
    for directory, status in ((alone, GOOD), (run, BAD_CONTENT)):
        log = directory.parent / "run.pal"
        done = paltrace("convert", directory, "-o", log)
        assert done.returncode == status, done
        logs[directory] = log.read_bytes()
    missing = b',"bad_parts":1}\n'
    assert logs[run].endswith(missing), "End tells that one is not in it"
    assert logs[run].removesuffix(missing) + b"}\n" == logs[alone], "the nine are what they are without it"
    assert entries(log)[-1]["records"] == 9 * 8
    named = [line for line in done.stderr.splitlines() if "process" in line.replace(str(tmp_path.parent), "")]
    assert len(named) == 1 and str(file) in named[0], done


@pytest.mark.parametrize("metadata", ["fifo", "endless"])
def test_metadata_that_never_ends_is_not_waited_for(tmp_path, metadata):
    good = small_trace(tmp_path / "run", name="good")
    bad = small_trace(tmp_path / "run", name="bad") / "metadata"
    bad.unlink()
    if metadata == "fifo":
        os.mkfifo(bad)
    else:
        bad.symlink_to("/dev/zero")
    status, said, cpu, memory = ran([program("paltrace"), "convert", good.parent, "-o", tmp_path / "run.pal"], tmp_path)
    assert status == BAD_CONTENT and f"{bad}: it is no regular file" in said, said
    assert cpu < MOST_CPU and memory < MOST_MEMORY
    assert entries(tmp_path / "run.pal")[-1]["records"] == 20


@pytest.mark.parametrize("whole_entries", [False, True], ids=["cut", "whole entries"])
def test_an_index_far_longer_than_its_stream_takes_no_time_and_no_memory(tmp_path, whole_entries):
    trace = golden_trace(tmp_path / "run")
    log = tmp_path / "run.pal"
    convert = [program("paltrace"), "convert", trace, "-o", log]
    assert ran(convert, tmp_path)[0] == GOOD
    good = log.read_bytes()
    log.unlink()
    index = next(path for path in sorted(trace.rglob("*.idx")) if path.stat().st_size > 16)
    header = 16
    (entry,) = struct.unpack_from(">I", index.read_bytes(), 12)
    size = (4200 << 20) // entry * entry + header + (0 if whole_entries else 1)
    os.truncate(index, size)
    status, said, cpu, memory = ran(convert, tmp_path)
    assert cpu < MOST_CPU and memory < MOST_MEMORY, (cpu, memory, said)
    if whole_entries:  # the first of them lies where no packet can
        assert status == BAD_CONTENT and f"cannot read index {index}" in said, (status, said)
    else:  # babeltrace2 does not use it
        assert (status, log.read_bytes() if log.exists() else said) == (GOOD, good)


# ---- damaged logs ----


def bad_logs():
    """{what: (bytes, line, byte)}"""
    log = (SOURCE / "tests/golden/v1/lives/log.pal").read_bytes()
    lines = log.splitlines(keepends=True)
    at = len(b"".join(lines[:20]))
    return {
        "corrupt": (log[: at + 9] + b"\xff\xfe" + log[at + 11 :], 21, at),
        "cut": (log[: at + 30], 21, at),
        "huge-lined": (log[:at] + b'{"v":1,"x":"' + b"x" * (3 << 20) + b'"}\n' + log[at:], 21, at),
        "binary": (random.Random(3).randbytes(1 << 20), 1, 0),
        "nothing but zeros": (bytes(8 << 20), 1, 0),
        "deeply nested": (log[:at] + b"[" * (1 << 19) + b"\n" + log[at:], 21, at),
    }


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("what", bad_logs())
def test_a_bad_log_is_an_error_with_line_and_byte(tmp_path, what, packed):
    content, line, byte = bad_logs()[what]
    log = tmp_path / "bad.pal"
    log.write_bytes(content)
    if packed:
        log = compress(log)
    assert_bad_log(log, line, byte)


@pytest.mark.parametrize("what", ["cut", "corrupt", "followed by what is none", "of another kind behind the magic number"])
def test_bad_compressed_data_is_an_error_with_line_and_byte(tmp_path, what):
    lines = (SOURCE / "tests/golden/v1/lives/log.pal").read_bytes().splitlines(keepends=True)
    whole, log = tmp_path / "whole.pal", tmp_path / "bad.pal.zst"
    whole.write_bytes(b"".join(lines))
    packed = compress(whole).read_bytes()
    log.write_bytes({
        "cut": packed[:-2],
        "corrupt": packed[: len(packed) // 2] + bytes([packed[len(packed) // 2] ^ 0xFF]) + packed[len(packed) // 2 + 1 :],
        "followed by what is none": packed + b"no frame",
        "of another kind behind the magic number": packed[:4] + random.Random(4).randbytes(1 << 16),
    }[what])
    read_before = what in ("cut", "followed by what is none")  # all of the log, but not the end of what holds it
    assert_bad_log(log, *((len(lines) + 1, len(b"".join(lines))) if read_before else (1, 0)))


def compress(log):
    need_program("zstd")
    subprocess.run(["zstd", "-q", "--rm", log], check=True, timeout=DEADLINE)
    return log.with_name(log.name + ".zst")


def assert_bad_log(log, line, byte):
    """All that read it say so, in one sentence that names the place, and take no time and no memory."""
    for command in (["check", log], ["stats", log], ["convert", log, "-o", log.parent / "out.pal"]):
        status, said, cpu, memory = ran([program("paltrace"), *command], log.parent)
        assert status == BAD_CONTENT, (command, status, said)
        assert str(log) in said and f"line {line} at byte {byte}: " in said and said.count("\n") == 1, (command, said)
        assert cpu < MOST_CPU and memory < MOST_MEMORY, (command, cpu, memory)


def log_of_instances(directory, instances):
    """A compressed log in which each process spawns a task, of which nothing else is told."""
    need_program("zstd")
    log = directory / f"{instances}.pal.zst"
    with subprocess.Popen(["zstd", "-q", "-o", log], stdin=subprocess.PIPE, text=True) as zstd:
        at = '{"v":1,"ts":"2026-11-28T12:00:00.000000000Z",'
        zstd.stdin.write(at + '"event":"Begin","tool":"none","catalogue":1}\n')
        for instance in range(1, instances + 1):
            zstd.stdin.write(f'{at}"host":"h","pid":1,"instance":"{instance:012x}","worker":0,"seq":1,"tid":1,"step":1,"event":"Spawned",'
                             '"state":"Ready","name":"unit","site":"a.cpp:1","priority":10,"group":0,"parent":0}\n')
        zstd.stdin.write(f'{at}"event":"End","records":{instances},"lost":0}}\n')
    assert zstd.returncode == 0
    return log


@pytest.mark.parametrize("command", ["stats", "check"])
def test_a_log_of_very_many_processes_takes_little_memory_for_each(tmp_path, command):
    few, many = 1_000, 200_000
    used = {}
    for instances in (few, many):
        log = log_of_instances(tmp_path, instances)
        status, said, _, used[instances] = ran([program("paltrace"), command, log], tmp_path)
        assert status == GOOD and not said, (status, said)
    assert used[many] - used[few] < MOST_FOR_A_PROCESS * many / 1024, used


# ---- hostile names ----

NAME = "\x1b]0;owned\x07\x9b31m\x7f\r\n{}\"'$(reboot)\u202e\u2066\u2069\u200e\u061c"
CONTROL = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]"  # those that turn the direction of a text, too


def test_names_cannot_act_on_a_terminal(tmp_path):
    """A task's, a group's, an event's, a file's."""
    directory = tmp_path / NAME.replace("/", "_")
    events = catalogue()
    events["odd\x1b[2J"] = events["task_ready"]
    trace = Trace(catalogue())
    stream = trace.channel().stream()
    told = life(1, 1, 1, 1, 2000)
    told[0][2]["name"] = NAME
    stream.packet([("worker_started", 1000, {"worker": worker(1), "catalogue": 1, "scheduler": NAME})] + told +
                  [("worker_stopped", 9000, {"worker": worker(1), "seq": 6})])
    trace.write(directory)
    log = directory / "run.pal"
    converted = paltrace("convert", directory, "-o", log)
    assert converted.returncode == GOOD, converted
    lines = log.read_text().splitlines()
    spawned = json.loads(next(line for line in lines if '"Spawned"' in line))
    assert spawned["name"] == NAME
    assert not re.search(r"[\x00-\x1f]", "".join(lines)), "in JSON they are escaped"
    unknown = spawned | {"event": "odd\x1b[2J"}
    odd = tmp_path / "odd.pal"
    odd.write_text("\n".join([lines[0], json.dumps(unknown)]))
    for command in (["stats", log], ["check", log], ["check", odd], ["stats", odd], ["convert", odd, "-o", tmp_path / "x"], [NAME],
                    ["check", directory / "nowhere"], ["record", "-o", directory / "nowhere" / "x", "--", "true"]):
        said = paltrace(*command)
        text = said.stdout + said.stderr
        assert text and not re.search(CONTROL, text), (command, text)
        assert "\n{}" not in text, (command, text)
    assert "?]0;owned?" in paltrace("stats", log).stdout


# ---- what is written: who can read it, and what a link does ----


def writers(tmp_path):
    """{output: (command, environment)}; `{}` is where it goes"""
    trace = small_trace(tmp_path / "in")
    demo = [program("tiffany-demo"), "--seconds", "0.1"]
    return {
        "convert -o": ([program("paltrace"), "convert", trace, "-o", "{}"], {}),
        "convert -o, compressed": ([program("paltrace"), "convert", trace, "-o", "{}.zst"], {}),
        "demo --report": ([*demo, "--report", "{}"], {}),
        "TIFFANY_PAL": (demo, {"TIFFANY_PAL": "{}"}),
        "TIFFANY_PAL, compressed": (demo, {"TIFFANY_PAL": "{}.zst"}),
    }


OUTPUTS = ["convert -o", "convert -o, compressed", "demo --report", "TIFFANY_PAL", "TIFFANY_PAL, compressed"]


def write(tmp_path, output, place):
    command, variables = writers(tmp_path)[output]
    return subprocess.run(
        [str(part).replace("{}", str(place)) for part in command],
        env={**os.environ, "TIFFANY_LTTNG": "0", **{key: value.replace("{}", str(place)) for key, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        umask=0,
    )


def modes(directory):
    """{mode} of the files, and of the directories, below it."""
    found = [path.lstat().st_mode for path in directory.rglob("*")]
    return ({stat.S_IMODE(mode) for mode in found if stat.S_ISREG(mode)},
            {stat.S_IMODE(mode) for mode in found if stat.S_ISDIR(mode)})


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_is_written_is_its_owners_alone_whatever_the_umask(tmp_path, output):
    place = tmp_path / "out"
    place.mkdir()
    assert write(tmp_path, output, place / "file").returncode == 0
    assert modes(place) == ({0o600}, set())


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("leads_to", ["a file", "nothing"])
def test_a_link_at_an_outputs_path_is_not_followed(tmp_path, output, leads_to):
    ending = ".zst" if "compressed" in output else ""
    victim, place = tmp_path / "victim", tmp_path / "out"
    if leads_to == "a file":
        victim.write_text("dear diary")
    place.mkdir()
    (place / f"file{ending}").symlink_to(victim)
    done = write(tmp_path, output, place / "file")
    if not output.startswith("TIFFANY_PAL"):  # whose program runs on, and tells it in its metrics
        assert done.returncode != 0 and "symbolic link" in done.stderr, done
    assert [path.name for path in place.iterdir()] == [f"file{ending}"] and (place / f"file{ending}").is_symlink()
    assert victim.read_text() == "dear diary" if leads_to == "a file" else not victim.exists()


def test_the_logs_socket_is_its_owners_alone_and_takes_no_links_place(tmp_path):
    victim, place = tmp_path / "victim", tmp_path / "out"
    victim.write_text("")
    place.mkdir()
    (place / "planted").symlink_to(victim)
    def serving(name, seconds):
        return subprocess.Popen(
            [program("tiffany-demo"), "--seconds", str(seconds), "--tasks", "2"],
            env={**os.environ, "TIFFANY_LTTNG": "0", "TIFFANY_PAL": f"unix:{place / name}"},
            stdout=subprocess.DEVNULL,
            umask=0,
        )

    demo = serving("socket", 0)
    try:
        poll(lambda: (place / "socket").exists(), "its socket")
        assert {stat.S_IMODE((place / name).lstat().st_mode) for name in ("socket", "socket.lock")} == {0o600}
    finally:
        end_process(demo)
    assert serving("planted", 0.1).wait(DEADLINE) == 0
    assert (place / "planted").is_symlink() and victim.read_text() == ""


def test_a_recording_is_its_owners_alone_whatever_the_umask(tmp_path):
    need_program("lttng-sessiond")
    run = tmp_path / "run"
    done = subprocess.run(
        [program("paltrace"), "record", "-o", run, "--convert", "--", program("spin_transitions"), "1000"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        umask=0,
    )
    assert done.returncode == 0, done
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert modes(run) == ({0o600}, {0o700})
    assert (run / "tiffany.pal").exists() and list(run.rglob("metadata"))


def test_a_recording_goes_into_no_directory_that_others_planted(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o777)
    planted = tmp_path / "planted"
    planted.symlink_to(theirs)
    for name in (planted, f"{planted}/"):
        refused = paltrace("record", "-o", name, "--", program("spin_transitions"), "10")
        assert refused.returncode == USAGE and "symbolic link" in refused.stderr, refused
    if os.geteuid() == 0:
        tmp_path.chmod(0o1777)
        os.chown(theirs, 65534, 65534)
        refused = paltrace("record", "-o", theirs, "--", program("spin_transitions"), "10")
        assert refused.returncode == SYSTEM and "another user has made it" in refused.stderr, refused
    assert list(theirs.iterdir()) == []


# ---- clients of the metrics ----


@pytest.mark.skipif(not NIGHTLY, reason="a minute of it is for the night; server_test.cpp has a shorter one")
def test_a_minute_of_a_thousand_bad_clients_keeps_no_scrape_waiting():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    chance = random.Random(1)
    junk = [b"", b"GET /metrics HT", b"\0" * 64, b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b"\x16\x03\x01"]
    clients, late, scrapes = [], 0, 0
    with serving_demo("--seconds", 0, "--tasks", 10) as (demo, address):
        host, port = address.split(":")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            while len(clients) < 1000:
                client = socket.create_connection((host, int(port)), timeout=DEADLINE)
                client.setblocking(False)
                clients.append(client)
            for client in chance.sample(clients, 200):
                with contextlib.suppress(OSError):
                    client.send(chance.choice(junk))
            for client in chance.sample(clients, 100):
                client.close()
                clients.remove(client)
            begin = time.monotonic()
            text = urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE).read().decode()
            late = late + 1 if time.monotonic() - begin > 1 else 0
            scrapes += 1
            # a machine may stand still for a second, but hardly for two times in a row
            assert late < 2 and "scheduler_workers" in text, f"scrape {scrapes}"
            assert demo.poll() is None
        for client in clients:
            client.close()
    print(f"{scrapes} scrapes")
