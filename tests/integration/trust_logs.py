"""Damaged logs: an error with line and byte, in no time and with no memory; and logs of very many processes."""

import random
import subprocess

import pytest
from bad_input import BAD_CONTENT, GOOD
from kit import DEADLINE, SOURCE, need_program, program
from process_use import MOST_CPU, MOST_MEMORY, ran

MOST_FOR_A_PROCESS = 1500  # bytes, of one that did next to nothing (SECURITY.md: some 1 kB)


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
