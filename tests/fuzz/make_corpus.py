"""Writes the first inputs of each target, from the golden files: python3 tests/fuzz/make_corpus.py FOLDER

The corpora that are kept are what a longer run made of these: bin/fuzz_NAME -merge=1 tests/fuzz/corpus/NAME FOLDER/NAME
"""

import pathlib
import struct
import subprocess
import sys

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/v1"


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


def frames():
    """As FrameWriter writes them: kind, then what is in it."""
    worker = struct.pack("<Q", 0xABC << 16 | 1)
    record = struct.pack("<BBQ", 1, 3, 1_000_000) + text("host") + struct.pack("<I", 7) + worker
    record += struct.pack("<3Q", 1, 1, 1) + bytes(200)
    unknown = struct.pack("<BB", 1, 255) + text("odd") + struct.pack("<Q", 5) + text("") + bytes(60)
    yield "facts", sized(b"\0\1\0\1" + struct.pack("<I", 1) + text("task_done") + text("monotonic") + text("host"))
    yield "record", sized(record) + sized(record) + sized(unknown)
    yield "discarded", sized(b"\2" + struct.pack("<3Q", 1, 2, 3) + b"\1\0\1") + sized(record)
    begin = b"\3" + struct.pack("<Q", 1) + text("t") + text("run") + text("c") + struct.pack("<IHQ", 0, 1, 1) + worker
    yield "begin", sized(begin + struct.pack("<Q", 9)) + sized(record)
    yield "gap", sized(b"\4" + struct.pack("<Q", 5) + worker + struct.pack("<3Q", 1, 4, 3) + b"\1") + sized(record)
    yield "end", sized(record) + sized(b"\5" + struct.pack("<4Q", 1, 2, 3, 4) + b"\0" + bytes(8))
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
    made = {"pal_log": [], "pal_line": [], "frames": list(frames()), "trace_files": list(trace_files())}
    for number, (name, log) in enumerate(logs()):
        made["pal_line"].append((name, b"".join(log.splitlines(keepends=True)[1:-1])))
        made["pal_log"].append((name, compressed(log) if number % 8 == 0 else log))
    for target, inputs in made.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, content in inputs:
            (folder / target / name).write_bytes(content)


main(pathlib.Path(sys.argv[1]))
