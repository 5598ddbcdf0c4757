"""Damaged traces: with each reader an error that names the file, or a log that can be checked, in no time and with no memory."""

import collections
import concurrent.futures
import itertools
import os
import random
import re
import shutil
import struct
import subprocess

import pytest
from bad_input import BAD_CONTENT, DEADLINE, GOOD, LOST, assert_refused, entries, paltrace, small_trace, twins
from ctf_writer import Trace, catalogue, life, worker
from kit import SOURCE, lacking, need_program, program
from process_use import MOST_CPU, MOST_MEMORY, ran

NIGHTLY = os.environ.get("TIFFANY_PART") == "whole"


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
    """Exit status, what was said, the log's bytes if there is one, CPU, memory; all that the row of docs/reliability.md promises of one trace holds."""
    log.unlink(missing_ok=True)
    status, said, cpu, memory = ran([program("paltrace"), "convert", f"--reader={reader}", trace, "-o", log], log.parent)
    assert status in (GOOD, BAD_CONTENT, LOST), (what, status, said)
    assert "killed by signal" not in said and "ended before its time" not in said, (what, said)
    assert cpu < MOST_CPU and "made no progress" not in said, (what, cpu, said)
    assert memory < MOST_MEMORY, (what, memory)
    if status == BAD_CONTENT:
        # of two seqs that cannot both be nobody knows which stream has the damaged one
        whole = ("the native reader: the metadata", f"cannot read all of {trace}: worker ")
        assert any(words in said for words in whole) or any(str(trace / name) in said for name in files), (what, said)
    else:
        assert log.exists(), (what, said)
    if log.exists():
        checked = paltrace("check", log)
        says_so = re.search("cannot read log .*the log was cut|cannot tell all of log .*or not to the end", checked.stderr)
        assert bool(says_so) == (status == BAD_CONTENT), (what, status, said, checked)
    return status, said, log.read_bytes() if log.exists() else None, cpu, memory


def damaged_ones(directory, make, damage, share, shares):
    """Each `shares`th damaged trace, read: (what was not as it should be, {reader: {exit status: traces}}, most CPU, most memory, how many)"""
    trace = make(directory)
    files = {str(path.relative_to(trace)): path.read_bytes() for path in trace.rglob("*") if path.is_file()}
    seen = {reader: {GOOD: 0, BAD_CONTENT: 0, LOST: 0} for reader in ("native", "babeltrace2", "auto")}
    wrong, most_cpu, most_memory, traces = [], 0, 0, 0
    readers = collections.deque(seen)
    for what, name, content in itertools.islice(damage(files), share, None, shares):
        (trace / name).write_bytes(content)
        logs = {}
        traces += 1
        readers.rotate()
        try:
            for reader in readers:
                status, said, logs[reader], cpu, memory = converted(trace, files, reader, directory / "run.pal", (what, reader))
                seen[reader][status] += 1
                most_cpu, most_memory = max(most_cpu, cpu), max(most_memory, memory)
                if f"cannot read metadata {trace}" in said:  # before there is a reader: one of them, in turn, is enough
                    break
            else:
                if b'"event":"End"' in (logs["native"] or b""):
                    assert logs["native"] == logs["babeltrace2"], what
                assert logs["auto"] == logs["babeltrace2"], what
        except AssertionError as error:  # the others are worth their time all the same
            wrong.append(str(error))
        (trace / name).write_bytes(files[name])
    return wrong, seen, most_cpu, most_memory, traces


@pytest.mark.parametrize("damage", [cut_files, changed_files])
@pytest.mark.parametrize("made", ["by_hand", "by_lttng"])
def test_a_damaged_trace_is_an_error_or_a_log_that_can_be_checked_and_takes_no_time_and_no_memory(tmp_path, made, damage):
    """With each reader; what the native one takes, to the End, is the log that babeltrace2 gives."""
    make = {"by_hand": small_trace, "by_lttng": lambda directory: golden_trace(directory / "run")}[made]
    shares = os.cpu_count()  # what takes long is processes that start: 60,000 of them, where it is each byte of a trace
    directories = [tmp_path / str(share) for share in range(shares)]
    for directory in directories:
        directory.mkdir()
    with concurrent.futures.ThreadPoolExecutor(shares) as pool:
        parts = list(pool.map(lambda share: damaged_ones(directories[share], make, damage, share, shares), range(shares)))
    wrong = [one for part in parts for one in part[0]]
    seen = {reader: {status: sum(part[1][reader][status] for part in parts) for status in count} for reader, count in parts[0][1].items()}
    most_cpu, most_memory = (max(part[at] for part in parts) for at in (2, 3))
    print(f"{sum(part[4] for part in parts)} damaged traces: {seen}, {most_cpu:.2f} s, {most_memory / 1024:.0f} MiB at the most")
    assert not wrong, f"{len(wrong)} traces, of which the first are:\n" + "\n".join(wrong[:10])
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


def with_a_bad_stream(directory, bad):
    """(A trace of three streams, the file of the one whose only packet ends within its last event)"""
    trace = Trace(catalogue())
    channel = trace.channel()
    for number in range(3):
        channel.stream().packet(life(number + 1, 1, 1, 1, 2000))
    written = trace.write(directory / "run")
    stream = sorted(written.glob("*_*"))[bad]
    content = stream.read_bytes()
    (bits,) = struct.unpack_from("<Q", content, 48)
    cut = bytearray(content[: bits // 8 - 1])
    struct.pack_into("<2Q", cut, 48, 8 * len(cut), 8 * len(cut))
    stream.write_bytes(cut)
    return written, stream


@pytest.mark.parametrize("reader", ["babeltrace2", "auto"])
@pytest.mark.parametrize("bad", range(3))
def test_of_three_streams_a_bad_one_is_named_whichever_is_read_first(tmp_path, bad, reader):
    """babeltrace2 2.0.4 gives the events before the bad one, and the error with them: if it is then asked for another stream it aborts,
    and if not it may say that this one is at its end."""
    trace, stream = with_a_bad_stream(tmp_path, bad)
    log = tmp_path / "run.pal"
    assert_refused(paltrace("convert", f"--reader={reader}", trace, "-o", log), BAD_CONTENT, stream, "packet 0")
    assert "End" not in {entry["event"] for entry in entries(log)}


@pytest.mark.parametrize("bad", range(3))
def test_the_plugin_writes_no_log_of_a_trace_with_a_bad_stream(tmp_path, bad):
    trace, _ = with_a_bad_stream(tmp_path, bad)
    plugins = program("babeltrace-plugin-tiffany.so").parent
    command = ["babeltrace2", f"--plugin-path={plugins}", trace, "-c", "sink.tiffany.pal", f'--params=path="{tmp_path}/run.pal"']
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode != 0 and not (tmp_path / "run.pal").exists(), done


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


OPENED = re.compile(r'^(\d+) +openat\([^,]+, "([^"]+)", ([A-Z_|]+)')


def opened(command, directory):
    """(process, path, how) of what a command and its children open; the command's own process, which opens something first."""
    calls = directory / "calls"
    # AddressSanitizer looks for leaks by ptrace at a process's end, which strace does not leave to it
    sanitizer = f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0".lstrip(":")
    done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=openat", "-o", calls, *map(str, command)], capture_output=True, text=True,
                          timeout=DEADLINE, env={**os.environ, "TMPDIR": str(directory / "temporary"), "ASAN_OPTIONS": sanitizer})
    if "ptrace" in done.stderr:
        lacking(f"strace may not look: {done.stderr}")
    found = [match.groups() for match in map(OPENED.match, calls.read_text().splitlines()) if match]
    return done.returncode, found, found[0][0]


@pytest.mark.parametrize("reader", ["auto", "native", "babeltrace2"])
def test_no_file_of_a_trace_is_opened_by_the_process_that_is_not_confined(tmp_path, reader):
    """One trace is good, of one a stream is cut, of one so is another stream of which an event is odd; metadata is lent to one."""
    need_program("strace")
    runs = [small_trace(tmp_path / "runs", name=name) for name in ("good", "cut", "odd")]
    for run in runs[1:]:
        stream = run / "others_0"
        stream.write_bytes(stream.read_bytes()[:-5])
    odd = bytearray((runs[2] / "transitions_0").read_bytes())
    odd[84:88] = struct.pack("<I", 77)  # no event has this number
    (runs[2] / "transitions_0").write_bytes(odd)
    cut, whole = twins(tmp_path)
    (tmp_path / "temporary").mkdir()  # links to streams may be there
    for traces in ([tmp_path / "runs", cut.parent, whole.parent], [runs[1]], [runs[2]]):
        status, calls, own = opened([program("paltrace"), "convert", "--reader", reader, *traces, "-o", tmp_path / "run.pal"], tmp_path)
        assert status == BAD_CONTENT
        files = [(process, path) for process, path, how in calls if re.match(f"{tmp_path}/(runs|run|temporary)/", path)
                 and how.startswith("O_RDONLY") and not re.search("O_DIRECTORY|O_PATH", how)]
        for trace in traces:
            for metadata in trace.rglob("metadata"):
                assert str(metadata) in {path for _, path in files}
        assert [path for process, path in files if process == own] == []
        assert not list((tmp_path / "temporary").iterdir())
