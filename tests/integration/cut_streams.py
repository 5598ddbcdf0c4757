"""A stream that ends in half a packet: each reader gives the whole packets before it, and says that there was more."""

import json
import struct

import pytest
from bad_input import BAD_CONTENT, GOOD, INSTANCE, assert_refused, paltrace, small_trace, verdict
from ctf_writer import Trace, catalogue, worker


def packet_starts(stream):
    starts, at = [], 0
    while at < len(stream):
        starts.append(at)
        at += int.from_bytes(stream[at + 56:at + 64], "little") // 8
    return starts


READERS = ["native", "babeltrace2", "auto"]


def converted(trace, log):
    """The log that each reader makes of a trace in which a stream is cut, and what is said; they agree."""
    made = {}
    for reader in READERS:
        log.unlink(missing_ok=True)
        done = paltrace("convert", "--reader", reader, trace, "-o", log)
        made[reader] = (done.returncode, done.stderr, log.read_bytes() if log.exists() else b"")
    assert made["native"] == made["babeltrace2"] == made["auto"], made
    return made["auto"]


def test_a_stream_file_cut_at_any_byte_gives_its_whole_packets_and_is_named(tmp_path):
    trace = small_trace(tmp_path)
    stream = trace / "transitions_0"
    whole = stream.read_bytes()
    starts = packet_starts(whole)  # a cut there is none that a reader can see
    log = tmp_path / "run.pal"
    cuts = [cut for cut in range(1, len(whole), 23) if cut not in starts] + [starts[1] + 1, starts[1] - 1, len(whole) - 1]
    for cut in cuts:
        stream.write_bytes(whole[:cut])
        status, said, made = converted(trace, log)
        there = sum(cut >= end for end in [*starts[1:], len(whole)])
        assert status == BAD_CONTENT, (cut, said)
        assert f"cannot read all of stream {stream}: packet {there} at byte {starts[there]} is cut\n" in said, (cut, said)
        end = json.loads(made.splitlines()[-1])
        assert (end["event"], end["records"], end["bad_parts"]) == ("End", 2 + 6 * there, 1), (cut, end)
        assert end["lost"] == 18 - 6 * there, "the worker's stop tells of all"
        assert stream.read_bytes() == whole[:cut], "a trace is not written to"
    for command in ("check", "stats"):
        assert paltrace(command, trace).returncode == BAD_CONTENT
    assert verdict(paltrace("check", trace)) == "bad: not all could be read"


def test_a_stream_without_a_whole_packet_costs_only_itself(tmp_path):
    trace = small_trace(tmp_path)
    (trace / "transitions_0").write_bytes((trace / "transitions_0").read_bytes()[:300])
    status, said, made = converted(trace, tmp_path / "run.pal")
    assert status == BAD_CONTENT and said.count("packet 0 at byte 0 is cut") == 1, said
    assert [json.loads(line)["event"] for line in made.splitlines()] == ["Begin", "Worker", "Worker", "End"]
    for stream in trace.glob("*_0"):
        stream.write_bytes(stream.read_bytes()[:50])
    status, said, made = converted(trace, tmp_path / "run.pal")
    assert status == BAD_CONTENT and said.count("packet 0 at byte 0 is cut") == 2, said
    assert json.loads(made.splitlines()[-1])["bad_parts"] == 1, "it is one trace"


def test_a_packet_in_the_middle_that_is_too_long_for_its_stream_is_an_error(tmp_path):
    """What lies behind it is whole: nobody cut it, and to leave it out would not be the whole truth."""
    trace = small_trace(tmp_path)
    stream = trace / "transitions_0"
    whole = stream.read_bytes()
    second = packet_starts(whole)[1]
    for more in (1, 4096, 1 << 40):
        changed = bytearray(whole)
        bits = (len(whole) - second + more) * 8
        changed[second + 48:second + 64] = bits.to_bytes(8, "little") * 2
        stream.write_bytes(changed)
        for reader in READERS:
            log = tmp_path / f"{reader}.pal"
            done = paltrace("convert", "--reader", reader, trace, "-o", log)
            assert_refused(done, BAD_CONTENT, stream, f"packet 1 at byte {second}", "another packet begins within")
            assert not log.exists()


@pytest.mark.parametrize("end", [None, 0, 2**64 - 2], ids=["as it was", "0, as a crash leaves it", "never"])
def test_a_last_packet_with_a_size_that_no_file_has_is_damaged_and_not_cut(tmp_path, end):
    """babeltrace2 aborts at its header, which it reads if it refuses an index for what the packet before it says of its end."""
    trace = small_trace(tmp_path)
    stream = trace / "transitions_0"
    changed = bytearray(stream.read_bytes())
    last = packet_starts(changed)[-1]
    if end is not None:
        for before in packet_starts(changed)[:-1]:
            changed[before + 40:before + 48] = end.to_bytes(8, "little")
    for size in (1 << 63, 0xFF00000000700E00, 2**64 - 8):
        changed[last + 56:last + 64] = size.to_bytes(8, "little")
        stream.write_bytes(changed)
        for reader in READERS:
            log = tmp_path / f"{reader}.pal"
            done = paltrace("convert", "--reader", reader, trace, "-o", log)
            assert_refused(done, BAD_CONTENT, stream, f"at byte {last}: its sizes are wrong", f"packet {size} bits")
            assert not log.exists()


@pytest.mark.parametrize("at", [24, 32, 40, 64, 72], ids=["instance", "begin", "end", "number", "discarded"])
def test_a_packet_with_a_number_of_all_ones_is_damaged(tmp_path, at):
    """babeltrace2 takes it for none, and aborts, if events were discarded or another stream has the number: then no file would be named."""
    trace = small_trace(tmp_path)
    stream = trace / "transitions_0"
    changed = bytearray(stream.read_bytes())
    second = packet_starts(changed)[1]
    changed[second + 72] = 9  # events discarded
    changed[second + at:second + at + 8] = b"\xff" * 8
    stream.write_bytes(changed)
    for reader in READERS:
        log = tmp_path / f"{reader}.pal"
        done = paltrace("convert", "--reader", reader, trace, "-o", log)
        assert_refused(done, BAD_CONTENT, stream, f"packet 1 at byte {second}: it has a number or a time that stands for none")
        assert not log.exists()


@pytest.mark.parametrize("ends", [[0], [1], [0, 1]], ids=["the first", "the second", "both"])
@pytest.mark.parametrize("reader", ["babeltrace2", "auto"])
def test_half_a_packet_behind_one_whose_end_was_not_written_costs_no_whole_one(tmp_path, reader, ends):
    """As a crash leaves it: babeltrace2 takes 0 for such an end, and refuses an index that says so."""
    trace = small_trace(tmp_path)
    stream = trace / "transitions_0"
    changed = bytearray(stream.read_bytes())
    starts = packet_starts(changed)
    for packet in ends:
        changed[starts[packet] + 40:starts[packet] + 48] = bytes(8)
    stream.write_bytes(changed)
    log = tmp_path / "run.pal"
    assert paltrace("convert", "--reader", reader, trace, "-o", log).returncode == GOOD
    whole = [line for line in log.read_bytes().splitlines() if b'"step":' in line]
    stream.write_bytes(changed[:starts[2] + 300])
    done = paltrace("convert", "--reader", reader, trace, "-o", log)
    assert done.returncode == BAD_CONTENT and f"cannot read all of stream {stream}: packet 2 at byte {starts[2]} is cut\n" in done.stderr, done
    *records, end = log.read_bytes().splitlines()
    assert [line for line in records if b'"step":' in line] == whole[:12]
    assert (json.loads(end)["lost"], json.loads(end)["bad_parts"]) == (6, 1), end
    assert verdict(paltrace("check", "--reader", reader, trace)) == "bad: not all could be read"
    refused = paltrace("convert", "--reader", "native", trace, "-o", log)
    assert_refused(refused, BAD_CONTENT, stream, f"packet {ends[0]} at byte {starts[ends[0]]}: it ends before it begins")


def index_of(stream, entry_bytes=72):
    """As LTTng writes it, of the packets of a stream."""
    made = struct.pack(">4I", 0xC1F1DCC1, 1, 1, entry_bytes)
    for at in packet_starts(stream):
        begin, end, content, size, number, discarded = struct.unpack_from("<6Q", stream, at + 32)
        identity, instance = struct.unpack_from("<IQ", stream, at + 20)
        made += struct.pack(">9Q", at, size, content, begin, end, discarded, identity, instance, number)
    return made


@pytest.mark.parametrize("index, left", [("none for it", 1), ("none for it", 100), ("half of one", 1), ("half of one", 100)] +
                         [(index, left) for index in ("one for it in the place of the last", "one for it that ends where it began", "one for each that was")
                          for left in (0, 1, 100)])
def test_half_a_packet_is_left_out_whatever_the_index_says_of_it(tmp_path, index, left):
    """`left` bytes of it are there: a full disk can leave none, and LTTng counts the packet all the same."""
    trace = small_trace(tmp_path, tasks=4)
    stream = trace / "transitions_0"
    whole = stream.read_bytes()
    half = packet_starts(whole)[2]
    stream.write_bytes(whole[:half + left])
    full = index_of(whole)
    there, entry = 16 + 2 * 72, 72
    # LTTng takes the packet's size from where the stream ends, though it did not write it: here one of another size than the last
    size = half - 100
    misplaced = struct.pack(">3Q", half - size, size * 8, size * 8) + full[there + 24:there + entry]
    told = {"none for it": full[:there], "one for it in the place of the last": full[:there] + full[there - entry:there],
            "one for it that ends where it began": full[:there] + misplaced,
            "half of one": full[:there + 30], "one for each that was": full}[index]
    (trace / "index").mkdir()
    (trace / "index/transitions_0.idx").write_bytes(told)
    status, said, made = converted(trace, tmp_path / "run.pal")
    assert status == BAD_CONTENT and f"stream {stream}: packet 2 at byte {half} is cut" in said, said
    assert json.loads(made.splitlines()[-1])["bad_parts"] == 1
    assert made.count(b'"tid":') == 12, made


def recording_without_an_end(directory, uncounted=True, stops=False):
    """Two workers; the second one's last record is a Running, and the first one goes on with that task two steps later."""
    run = directory / f"run-{uncounted}-{stops}"
    trace = Trace(catalogue())
    own = [event for event in trace.events if event.startswith("task_")]
    transitions, others = trace.channel("transitions", own), trace.channel("others", [e for e in trace.events if e not in own])
    first, second = transitions.stream(), transitions.stream()
    by = [{"worker": worker(INSTANCE, index), "tid": 1} for index in (0, 1)]
    first.packet([("task_spawned", 2000, by[0] | {"seq": 1, "step": 1, "state": "Ready", "name": "unit", "site": "a.cpp:1"})])
    second.packet([("task_running", 3000, by[1] | {"seq": 1, "step": 2, "ready_ns": 1000})])
    first.packet([("task_ready", 4000, by[0] | {"seq": 2, "step": 4, "cause": "timer"})])
    told = [("worker_started", 1000 + index, {"worker": worker(INSTANCE, index), "scheduler": "pool", "pid": 12, "thread": 12 + index,
                                              "catalogue": 1}) for index in (0, 1)]
    if stops:
        told.append(("worker_stopped", 5000, {"worker": worker(INSTANCE, 1), "seq": 1}))
    others.stream().packet(told)
    trace.write(run / "trace")
    process = {"pid": 12, "name": "pool", "transitions": 3, "tail_unknown": uncounted}
    (run / "record.json").write_text(json.dumps({"ended": "now", "disk_was_full": True, "processes": [process]}))
    return run


def test_a_life_is_not_broken_by_what_the_recording_says_is_missing_uncounted(tmp_path):
    for reader in READERS:
        done = paltrace("check", "--reader", reader, recording_without_an_end(tmp_path))
        assert (done.returncode, verdict(done)) == (GOOD, "good, but some may be missing, uncounted"), done
        for run in (recording_without_an_end(tmp_path, uncounted=False), recording_without_an_end(tmp_path, stops=True)):
            done = paltrace("check", "--reader", reader, run)
            assert done.returncode == BAD_CONTENT and "Ready: expected step 3, found step 4" in done.stdout, done
    log = tmp_path / "run.pal"
    assert paltrace("convert", recording_without_an_end(tmp_path), "-o", log).returncode == GOOD
    assert verdict(paltrace("check", log)) == "good, but some may be missing, uncounted", "the log says it itself"


def test_a_task_whose_maker_has_no_record_at_all_is_not_broken_where_more_is_missing_uncounted(tmp_path):
    """The first packet of its CPU found the disk full: of a worker that was there alone nothing tells, not even that it was."""
    for uncounted, status, judged in ((True, GOOD, "good, but some may be missing, uncounted"), (False, BAD_CONTENT, "bad: 1 findings")):
        run = tmp_path / f"run-{uncounted}"
        trace = Trace(catalogue())
        own = [event for event in trace.events if event.startswith("task_")]
        transitions, others = trace.channel("transitions", own), trace.channel("others", [e for e in trace.events if e not in own])
        by = {"worker": worker(INSTANCE, 1), "tid": 1}
        transitions.stream().packet([("task_running", 3000, by | {"seq": 1, "step": 2, "ready_ns": 1000})])
        others.stream().packet([("worker_started", 1000, {"worker": worker(INSTANCE, 1), "scheduler": "pool", "pid": 12, "thread": 13,
                                                          "catalogue": 1}),
                                ("worker_stopped", 5000, {"worker": worker(INSTANCE, 1), "seq": 1})])
        trace.write(run / "trace")
        process = {"pid": 12, "name": "pool", "transitions": 1, "tail_unknown": uncounted}
        (run / "record.json").write_text(json.dumps({"ended": "now", "disk_was_full": True, "processes": [process]}))
        for reader in READERS:
            done = paltrace("check", "--reader", reader, run)
            assert (done.returncode, verdict(done)) == (status, judged), done
            assert uncounted or "Running: expected step 1, Spawned, found step 2" in done.stdout, done
