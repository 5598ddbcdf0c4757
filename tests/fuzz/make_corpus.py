"""Writes the first inputs of each target, from the golden files: python3 tests/fuzz/make_corpus.py FOLDER

The corpora that are kept are what a longer run made of these: bin/fuzz_NAME -merge=1 -use_counters=0
-max_len=N tests/fuzz/corpus/NAME FOLDER/NAME FOUND (what only repeats a line more often is left out);
of babeltrace2_reader only what native_reader's corpus, which it is run with, has not.
"""

import pathlib
import struct
import subprocess
import sys

from trace_inputs import CATALOGUE, TESTS, babeltrace2_reader, native_reader

GOLDEN = TESTS / "golden/v1"
EVENTS = [len(fields) for name, fields in CATALOGUE.items() if name]  # how many numbers each has, by EventId
RECORD = 1
WORKER = 0xABC << 16 | 1


def sized(content):
    return struct.pack("<H", len(content)) + content


def text(value):
    return struct.pack("<I", len(value)) + value.encode()


def logs():
    """Begin, some entries and End: whole logs are too long to change well."""
    for case in ("events", "lives", "own"):
        lines = (GOLDEN / case / "log.pal").read_bytes().splitlines(keepends=True)
        ends = [lines[0], lines[-1]]
        for at in range(1, len(lines) - 1, 6):
            yield f"{case}-{at}", b"".join([ends[0], *lines[at : at + 6], ends[1]])


def record(event, numbers, texts, ts_ns=1_000_000, seq=1, step=1, worker=WORKER):
    """As `RecordFrame` in tools/babeltrace/frame_kinds.hpp has it, but for its size. `texts`: the unknown event's name, the host, its own"""
    texts = [text.encode() for text in texts]
    head = struct.pack("<BB2xI4I4x", RECORD, event, 7, *map(len, texts))
    return sized(head + struct.pack("<5Q", ts_ns, worker, seq, 1, step) + struct.pack(f"<{len(numbers)}Q", *numbers) + b"".join(texts))


def records():
    """One of each event, with as many numbers as it has fields, and one that nobody knows."""
    for event in range(len(EVENTS)):
        yield record(event, range(1, EVENTS[event] + 1), ["", "host", "a", "b"], ts_ns=1000 + event, seq=event + 1, step=event + 1)
    yield record(255, [], ["odd", "host", "", ""])


def frames():
    """As FrameWriter writes them: kind, then what is in it."""
    one, two = (record(0, [1] * EVENTS[0], ["", "host", "x", ""], ts_ns=1000 * seq, seq=seq, step=seq) for seq in (1, 5))
    late = record(0, [1] * EVENTS[0], ["", "host", "x", ""], ts_ns=9000, seq=9, step=9)
    facts = sized(b"\0\1\0\1" + struct.pack("<I", 1) + text("task_done") + text("monotonic") + text("host"))
    begin = b"\3" + struct.pack("<Q", 1) + text("t") + text("run") + text("c") + struct.pack("<IHQ", 0, 1, 1)
    begin = sized(begin + struct.pack("<2Q", WORKER, 5))
    discarded = sized(b"\2" + struct.pack("<3Q", 1000, 6000, 3) + b"\1\0\1")
    packets = sized(b"\2" + struct.pack("<3Q", 6000, 9000, 0) + b"\0\0\0")
    gap = sized(b"\4" + struct.pack("<Q", 4000) + struct.pack("<Q", WORKER) + struct.pack("<3Q", 2, 4, 3) + b"\1")
    end = sized(b"\5" + struct.pack("<4Q", 10_000, 2, 3, 0) + b"\0" + bytes(16))
    everything = list(records())
    for at in range(0, len(everything), 3):
        yield f"records-{at}", b"".join(everything[at : at + 3])
    yield "facts", facts + one + two
    yield "discarded", facts + discarded + packets + one + two + late
    yield "begin", begin + two + gap + late
    yield "gap", begin + one + gap + two + end
    yield "end", one + two + end
    yield "counts", sized(b"\6" + struct.pack("<I", 1) + text("odd") + struct.pack("<QI", 4, 0)) + sized(b"\7" + bytes(8))
    yield "rest", sized(b"\x08" + text("a buffer")) + sized(b"\x09") + sized(b"\x0b")
    yield "failed", sized(b"\x0a\0" + struct.pack("<I", 2) + text("cannot read") + text("it is cut"))


def trace_files():
    trace = GOLDEN / "lives/trace/ust/uid/0/64-bit"
    metadata = (trace / "metadata").read_bytes()
    begin, end = metadata[:2000], metadata[-700:]
    packed = b"/* CTF 1.8 */\ntrace { byte_order = le; };\n"
    header = struct.pack("<I16sI", 0x75D11D57, bytes(16), 0)
    packet = header + struct.pack("<II", (37 + len(packed)) * 8, (40 + len(packed)) * 8) + b"\0\0\0\1\x08" + packed + bytes(3)
    stream = (trace / "all_0").read_bytes()
    index = (trace / "index/all_0.idx").read_bytes()
    yield "whole", sized(metadata[:60000]) + sized(index) + stream[:4096]
    yield "begin", sized(begin + end) + sized(index) + stream[:512]
    yield "packets", sized(packet * 2) + sized(index[:88]) + stream[:100]
    yield "empty", sized(b"") + sized(b"")


def compressed(content):
    return subprocess.run(["zstd", "-q", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout


def main(folder):
    made = {"pal_log": [], "pal_line": [], "frames": list(frames()),
            "babeltrace2_reader": [(name, b"".join(map(sized, parts))) for name, parts in babeltrace2_reader()],
            "native_reader": [(name, b"".join(map(sized, parts))) for name, parts in native_reader()],
            "trace_files": list(trace_files())}
    for number, (name, log) in enumerate(logs()):
        made["pal_line"].append((name, b"".join(log.splitlines(keepends=True)[1:-1])))
        made["pal_log"].append((name, compressed(log) if number % 8 == 0 else log))
    for target, inputs in made.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, content in inputs:
            (folder / target / name).write_bytes(content)


main(pathlib.Path(sys.argv[1]))
