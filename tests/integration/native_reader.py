"""The native reader gives what babeltrace2 gives, byte by byte, of good traces and bad ones: the log, what is said, the exit code."""

import json
import pathlib
import random
import re
import shutil
import struct
import subprocess

import pytest
from ctf_writer import Field, Trace, catalogue, life, worker
from kit import SOURCE, PrivateLttng, program

PALTRACE = program("paltrace")
HANG = 120  # seconds
SEED = 20261128
# An only trace becomes a log or a report in the process that decodes it; beside a log its records go to another process.
COMMANDS = {"convert": ["convert", "--ticks"], "without ticks": ["convert"], "check": ["check"], "stats": ["stats", "--json"],
            "beside a log": ["convert", SOURCE / "tests/golden/v1/lives/log.pal"]}


def read(reader, trace, command):
    done = subprocess.run([PALTRACE, *command, "--reader", reader, trace], capture_output=True, timeout=HANG)
    return done.returncode, done.stdout, done.stderr


def same(trace, *readers, commands=COMMANDS.values()):
    """Holds the readers against babeltrace2; returns how that one's first command ended."""
    first = None
    for command in commands:
        expected = read("babeltrace2", trace, command)
        first = first or expected
        for reader in readers:
            found = read(reader, trace, command)
            assert found[0] == expected[0], (reader, command, found[2], expected[2])
            assert found[2] == expected[2], (reader, command)
            assert found[1] == expected[1], (reader, command)
    return first


def assert_plain(trace):
    """The native reader takes it, and does not leave it to babeltrace2."""
    status, log, said = same(trace, "native", "auto")
    assert log.count(b"\n") > 2, said
    return status, log, said


@pytest.mark.parametrize("trace", sorted({path.parent for path in (SOURCE / "tests/golden").rglob("metadata")}),
                         ids=lambda path: str(path.relative_to(SOURCE / "tests/golden")))
def test_golden_traces(trace):
    assert_plain(trace)


@pytest.mark.parametrize("command", ["convert", "check", "stats"])
def test_a_decoder_that_comes_to_no_good_end_is_told_of(command):
    """With too few descriptors it is not even made; that the second way then fares no better is not the point."""
    trace = SOURCE / "tests/golden/v1/lives/trace"
    limit = 5  # the standard ones, and those of the shared blocks; none for the pipe of the decoder
    done = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", PALTRACE, command, trace], capture_output=True, text=True,
                          timeout=HANG)
    told = [line for line in done.stderr.splitlines() if line.endswith("; it is read once more, in another way")]
    assert len(told) == 1 and "Too many open files" in told[0], done.stderr


def channels(trace, streams=2):
    """Transitions and the rest in channels of their own, as paltrace records them: [stream], [stream]"""
    own = [event for event in trace.events if event.startswith("task_")]
    transitions = trace.channel("transitions", own)
    others = trace.channel("others", [event for event in trace.events if event not in own])
    return [transitions.stream() for _ in range(streams)], [others.stream() for _ in range(streams)]


def started(instance, ts, pid=12):
    return ("worker_started", ts, {"worker": worker(instance), "scheduler": "pool", "pid": pid, "thread": pid, "catalogue": 1})


def written_trace(directory, tasks=12, discarded=(), step_ns=1000):
    """Tasks that move from one CPU to the other; `discarded` so many before the packets of these numbers."""
    trace = Trace(catalogue())
    transitions, others = channels(trace)
    others[1].packet([started(7, 900)])
    seq = 1
    for task in range(tasks):
        lost = discarded[task] if task < len(discarded) else 0
        seq += max(0, lost)
        transitions[task % 2].packet(life(7, task + 1, seq, 1, 1000 + step_ns * task), discarded=lost)
        seq += 6
    others[0].packet([("worker_stopped", 1000 + step_ns * (tasks + 1), {"worker": worker(7), "seq": seq - 1})])
    return trace.write(pathlib.Path(directory) / "run")


def test_discarded_events_of_every_kind(tmp_path):
    # of the first packet, between packets, none, and a counter that two writers made go down
    written = written_trace(tmp_path, discarded=[3, 2, 0, 1, 5, 0, -2, 4])
    status, log, _ = assert_plain(written)
    assert status == 4 and b'"Gap"' in log


def test_packets_that_were_overwritten(tmp_path):
    trace = Trace(catalogue())
    transitions, others = channels(trace, streams=1)
    for task in range(6):
        transitions[0].packet(life(7, task + 1, 1 + 6 * task, 1, 1000 + 1000 * task))
    del transitions[0].packets[2:4]
    others[0].packet([started(7, 900)])
    status, log, _ = assert_plain(trace.write(tmp_path / "run"))
    assert status == 4 and b'"Gap"' in log


def test_events_of_one_time_in_several_streams(tmp_path):
    trace = Trace(catalogue())
    transitions, others = channels(trace, streams=3)
    for i, stream in enumerate(reversed(transitions + others)):
        own = stream.channel.name == "transitions"
        stream.packet([("task_yield", 1000, {"worker": worker(7), "tid": 1, "seq": 0, "step": 1, "run_ns": i})] * 3 if own
                      else [started(7, 1000, pid=100 + i), ("note", 1000, {"worker": worker(7), "text": f"n{i}"})])
    assert_plain(trace.write(tmp_path / "run"))


def test_many_events_of_one_time_come_in_the_order_of_their_seq(tmp_path):
    # late in the log, when few records wait at a time
    trace = Trace(catalogue())
    transitions, others = channels(trace)
    others[0].packet([started(7, 900)])
    before, at_once = 1000, 400
    for task in range(before):
        transitions[0].packet(life(7, task + 1, 1 + 6 * task, 1, 1000 + 1000 * task))
    first = 1 + 6 * before
    same_time = 2000 + 1000 * before
    for i, stream in enumerate(transitions):
        stream.packet([("task_yield", same_time, {"worker": worker(7), "tid": 1, "seq": seq, "step": 1, "run_ns": 1})
                       for seq in range(first + i, first + at_once, 2)])
    _, log, _ = assert_plain(trace.write(tmp_path / "run"))
    seqs = [int(seq) for seq in re.findall(rb'"seq":(\d+),"tid"', log)]
    assert seqs == list(range(1, first + at_once))


def test_events_and_fields_of_a_newer_catalogue_and_of_others(tmp_path):
    events = catalogue()
    events["task_pondered"] = [Field(name, 8) for name in ("worker", "tid", "seq", "step")] + [Field("why", "string")]
    events["rested"] = [Field("colour", 4)]
    events["else:thing"] = [Field("worker", 8), Field("text", "string")]
    events["task_done"] = [Field("mood", 2), *events["task_done"], Field("weight", 8), Field("taste", "string")]
    trace = Trace(events)
    stream = trace.channel("all").stream()
    same_worker = {"worker": worker(7), "tid": 1}
    stream.packet([started(7, 5), *life(7, 1, 1, 1, 10), ("task_pondered", 100, same_worker | {"seq": 7, "step": 1, "why": "x"}),
                   ("rested", 110, {"colour": 3}), ("else:thing", 120, {"worker": 5, "text": "not ours"}),
                   ("worker_stopped", 130, {"worker": worker(7), "seq": 7})])
    status, _, said = assert_plain(trace.write(tmp_path / "run"))
    assert b"unknown event task_pondered: 1" in said and b"unknown field task_done.mood: 1" in said


def test_a_stream_in_several_files_and_an_empty_one(tmp_path):
    run = written_trace(tmp_path)
    stream = run / "transitions_0"
    size = struct.unpack_from("<Q", stream.read_bytes(), 56)[0] // 8  # of its first packet
    (run / "zz_first").write_bytes(stream.read_bytes()[:size])
    stream.write_bytes(stream.read_bytes()[size:])
    (run / "transitions_9").write_bytes(b"")
    assert_plain(run)


def test_a_trace_without_a_stream(tmp_path):
    run = written_trace(tmp_path)
    for stream in run.glob("*_*"):
        stream.unlink()
    same(run, "native", "auto")


def recorded(directory, *arguments, program_arguments=()):
    done = subprocess.run([PALTRACE, "record", "-o", directory, *arguments, "--", program("tiffany-demo"), *program_arguments],
                          capture_output=True, text=True, timeout=HANG)
    assert done.returncode in (0, 4), done
    return directory


def test_a_recording_with_ticks(tmp_path):
    assert_plain(recorded(tmp_path / "run", "--ticks", program_arguments=["--transitions", "30000"]))


def test_a_recording_that_lost_much(tmp_path):
    run = recorded(tmp_path / "run", "--buffers", "4kx2", program_arguments=["--transitions", "60000"])
    status, log, _ = assert_plain(run)
    assert status == 4 and log.count(b'"Gap"') > 0


def test_a_recording_of_which_a_stream_was_cut(tmp_path):
    run = recorded(tmp_path / "run", "--buffers", "4kx8", program_arguments=["--transitions", "60000"])
    whole = int(re.search(rb"of them transitions: (\d+)", read("native", run, ["check"])[1])[1])
    stream = max((path for path in run.rglob("transitions_*") if path.suffix != ".idx"), key=lambda path: path.stat().st_size)
    *_, before, (last, end) = packets(stream.read_bytes())
    for cut in (end - 1, last + 90, last + 1, before[0] + 7):
        with open(stream, "r+b") as file:
            file.truncate(cut)
        status, log, said = assert_plain(run)
        assert status == 1 and b"cannot read all of stream %b: packet " % str(stream).encode() in said, said
        end = json.loads(log.splitlines()[-1])
        assert end["bad_parts"] == 1 and 0 < log.count(b'"step":') < whole


@pytest.mark.parametrize("channel", [[], ["--tracefile-size=65536"], ["--tracefile-size=65536", "--tracefile-count=2"]],
                         ids=["one file", "files one after the other", "a ring of files"])
def test_two_processes_in_one_buffer_with_contexts(tmp_path, channel):
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path}/trace")
        lttng.lttng("enable-channel", "-u", "all", "--buffers-uid", "--subbuf-size=16384", "--num-subbuf=4", *channel)
        lttng.lttng("enable-event", "-u", "tiffany*", "-c", "all")
        lttng.lttng("add-context", "-u", "-c", "all", "-t", "vtid", "-t", "procname")
        lttng.lttng("start")
        both = [lttng.popen([program("tiffany-demo"), "--transitions", "30000"]) for _ in range(2)]
        for process in both:
            assert process.wait(HANG) == 0
        lttng.lttng("destroy", "run")
    assert_plain(tmp_path / "trace")


def test_a_session_of_one_event_has_the_compact_header(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path}/trace")
        lttng.lttng("enable-event", "-u", "tiffany:task_done")
        lttng.lttng("start")
        lttng.run([program("tiffany-demo"), "--transitions", "30000"])
        lttng.lttng("destroy", "run")
    assert_plain(tmp_path / "trace")


def commands(number):
    """Of many traces each becomes a log, and every other one something else too."""
    others = [COMMANDS["beside a log"], None, COMMANDS["check"], None]
    return [COMMANDS["convert"], *filter(None, [others[number % 4]])]


def damaged(run, chance):
    """A file of a trace is cut, or some of its bytes are others."""
    victim = chance.choice(sorted(path for path in run.iterdir() if path.is_file()))
    content = bytearray(victim.read_bytes())
    if chance.random() < 0.25:
        del content[chance.randrange(len(content)):]
    else:
        near_the_start = chance.random() < 0.3
        for _ in range(chance.choice([1, 1, 2, 5])):
            at = chance.randrange(min(len(content), 200) if near_the_start else len(content))
            content[at] = chance.randrange(256) if chance.random() < 0.7 else content[at] ^ 1 << chance.randrange(8)
    victim.write_bytes(content)


def test_damaged_traces(tmp_path):
    good = written_trace(tmp_path, discarded=[0, 2])
    chance = random.Random(SEED)
    bad = partial = 0
    for number in range(240):
        run = shutil.copytree(good, tmp_path / f"damaged{number}")
        damaged(run, chance)
        status, log, _ = same(run, "auto", commands=commands(number))
        bad += status == 1
        partial += status == 1 and log != b""
        shutil.rmtree(run)
    assert bad > 60 and partial > 10, (bad, partial)


def packets(content):
    """(where it begins, where it ends) of each packet of a stream."""
    at = 0
    while at < len(content):
        size = struct.unpack_from("<Q", content, at + 56)[0] // 8
        yield at, at + size
        at += size


def test_what_is_odd_late_in_a_long_trace(tmp_path):
    # thousands of records were given by then: they are not given twice, and none is missing
    good = written_trace(tmp_path, tasks=1500)
    chance = random.Random(SEED)
    partial = 0
    for number in range(24):
        run = shutil.copytree(good, tmp_path / f"damaged{number}")
        stream = run / f"transitions_{number % 2}"
        content = bytearray(stream.read_bytes())
        begin, end = chance.choice(list(packets(content))[375:])
        if number % 3 == 0:
            struct.pack_into("<I", content, begin + 84, 77)  # no event has this number
        elif number % 3 == 1:
            struct.pack_into("<Q", content, begin + 88, 5)  # long ago
        else:
            content[chance.randrange(begin + 84, end)] ^= 1 << chance.randrange(8)
        stream.write_bytes(content)
        status, log, _ = same(run, "auto", commands=commands(number))
        partial += status == 1 and log.count(b"\n") > 3000
        shutil.rmtree(run)
    assert partial >= 16, partial


def test_what_is_odd_late_in_a_trace_of_which_a_stream_is_cut(tmp_path):
    """babeltrace2 needs an index of our own then, and another process: that one goes on where the first stopped."""
    good = written_trace(tmp_path, tasks=1500)
    content = bytearray((good / "transitions_0").read_bytes())
    begin, end = list(packets(content))[600]
    struct.pack_into("<I", content, begin + 84, 77)
    odd = shutil.copytree(good, tmp_path / "odd")
    (odd / "transitions_0").write_bytes(content)
    for run in (good, odd):
        stream = run / "transitions_1"
        stream.write_bytes(stream.read_bytes()[:-7])
        status, log, said = same(run, "auto")
        assert status == 1 and b"cannot read all of stream %b: packet 749 " % str(stream).encode() in said, said
        assert log.count(b"\n") > 6000 and (b'"End"' in log) == (run == good)


def test_metadata_with_a_damaged_letter(tmp_path):
    good = written_trace(tmp_path)
    plain = (good / "metadata").read_bytes()
    chance = random.Random(SEED)
    for _ in range(120):
        changed = bytearray(plain)
        at = chance.randrange(37, len(changed))
        changed[at] = ord(chance.choice("abxz_;{}=:019 \"<>[]().,"))
        (good / "metadata").write_bytes(changed)
        same(good, "auto", commands=[COMMANDS["convert"]])


def changed_metadata(run, old, new):
    """Packets as they were, but for one text of the same length."""
    assert len(old) == len(new)
    content = (run / "metadata").read_bytes()
    assert content.count(old) == 1, content.count(old)
    (run / "metadata").write_bytes(content.replace(old, new))


def test_another_tracers_trace_is_left_to_babeltrace2(tmp_path):
    run = written_trace(tmp_path)
    changed_metadata(run, b'tracer_name = "lttng-ust"', b'tracer_name = "other-ust"')
    assert same(run, "auto")[0] == 0
    status, log, said = read("native", run, ["convert"])
    assert status == 1 and log == b""
    assert re.fullmatch(rb"paltrace: cannot decode trace %b with the native reader: the metadata declares another tracer "
                        rb"than lttng-ust 2.11 or later\n" % str(run).encode(), said), said


def test_the_native_reader_alone_names_file_and_cause(tmp_path):
    run = written_trace(tmp_path)
    stream = run / "transitions_1"
    content = bytearray(stream.read_bytes())
    struct.pack_into("<I", content, 84, 77)  # the number of the first event
    stream.write_bytes(content)
    status, _, said = read("native", run, ["convert"])
    assert status == 1
    assert str(stream).encode() in said and b"an event has the number 77, which the metadata does not declare" in said


def test_the_native_reader_alone_gives_all_that_it_read_before(tmp_path):
    trace = Trace(catalogue())
    (transitions, ), (others, ) = channels(trace, streams=1)
    others.packet([started(7, 900)])
    for task in range(50):
        transitions.packet(life(7, task + 1, 1 + 6 * task, 1, 1000 + 1000 * task))
    run = trace.write(tmp_path / "run")
    stream = next(path for path in run.iterdir() if path.name.startswith("transitions"))
    content = bytearray(stream.read_bytes())
    good = 43  # lives; no number of records that a reader would take at once
    struct.pack_into("<I", content, list(packets(content))[good][0] + 84, 77)
    stream.write_bytes(content)
    status, log, _ = read("native", run, ["convert"])
    assert status == 1
    assert len(log.splitlines()) == 1 + 1 + 6 * good, "Begin, the start of the worker, the lives before"


def test_an_index_that_tells_another_story_is_left_to_babeltrace2(tmp_path):
    run = shutil.copytree(SOURCE / "tests/golden/v1/lives/trace", tmp_path / "trace")
    index = next(path for path in run.rglob("*.idx") if path.stat().st_size > 16)
    content = bytearray(index.read_bytes())
    content[16 + 31] ^= 8  # when the first packet begins
    index.write_bytes(content)
    same(run, "auto")
    assert b"the index tells another story" in read("native", run, ["convert"])[2]


def test_a_wrong_reader_is_wrong_usage(tmp_path):
    status, _, said = read("ctf", tmp_path, ["convert"])
    assert status == 2 and said.count(b"\n") == 1
