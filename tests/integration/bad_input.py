"""Bad input to `paltrace convert` and `check`: one line that names the file and the cause, the right exit code, nothing
half-written, no hang. The traces are written by hand, so that the cut is where the test says."""

import ctypes
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess

import pytest

from ctf_writer import Field, Trace, catalogue, life, worker
from kit import full_device, need_root, program

DEADLINE = 60  # seconds: a hang is an endless loop, so any deadline finds it
INSTANCE = 0xABC
GOOD, BAD_CONTENT, USAGE, SYSTEM, LOST = range(5)


def paltrace(*arguments, stdin=None):
    return subprocess.run([program("paltrace"), *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE,
                          input=stdin)


def small_trace(directory, events=None, name="run", tasks=3, program="fixture"):
    """A good trace: one worker, a few tasks, transitions in a channel of their own."""
    events = catalogue() if events is None else events
    trace = Trace(events, program=program)
    own = [event for event in trace.events if event.startswith("task_")]
    transitions = trace.channel("transitions", own)
    others = trace.channel("others", [event for event in trace.events if event not in own])
    stream = transitions.stream()
    for task in range(tasks):
        stream.packet(life(INSTANCE, task + 1, 1 + 6 * task, 1, 2000 + 1000 * task))
    stream = others.stream()
    stream.packet([("worker_started", 1000, {"worker": worker(INSTANCE), "scheduler": "pool", "pid": 12, "thread": 12,
                                             "catalogue": 1})])
    stream.packet([("worker_stopped", 900000, {"worker": worker(INSTANCE), "seq": 6 * tasks})])
    return trace.write(pathlib.Path(directory) / name)


def entries(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def assert_refused(result, code, *words):
    """Exit code, and one line on stderr that has all the words; nothing on stdout."""
    assert result.returncode == code, result
    assert result.stdout == "", result
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result
    for word in words:
        assert str(word) in lines[0], f"{word!r} is not in {lines[0]!r}"


def verdict(result):
    return result.stdout.splitlines()[-1]


def test_a_good_trace_converts_and_is_good(tmp_path):
    trace = small_trace(tmp_path)
    log = tmp_path / "run.pal"
    assert paltrace("convert", trace, "-o", log).returncode == GOOD
    assert [entry["event"] for entry in entries(log)][:2] == ["Begin", "Worker"]
    assert entries(log)[-1] | {"ts": ""} == {"v": 1, "ts": "", "event": "End", "records": 20, "lost": 0}
    for checked in (paltrace("check", trace), paltrace("check", log)):
        assert checked.returncode == GOOD
        assert verdict(checked) == "good"


@pytest.mark.parametrize("name, others_read_it", [('a"b', False), ('"', False), ("b\\", False), ('say "hi"', False), ("\n", True),
                                                  ('";\n};\n', False), ('{"}', False), ('\\"' * 7, True), ('h\xe9"', False)])
def test_a_program_may_have_any_name(tmp_path, name, others_read_it):
    """LTTng does not escape it in the metadata, which then is none; the events are whole."""
    plain, odd = (small_trace(tmp_path, name=kind, program=program) for kind, program in (("plain", "fixture"), ("odd", name)))
    converted = {}
    for trace in (plain, odd):
        log = tmp_path / f"{trace.name}.pal"
        assert paltrace("convert", trace, "-o", log).returncode == GOOD
        converted[trace] = entries(log)[1:]
        assert verdict(paltrace("check", trace)) == "good"
    assert converted[odd] == converted[plain]
    other = paltrace("convert", "--reader", "babeltrace2", odd, "-o", tmp_path / "x")
    if others_read_it:
        assert other.returncode == GOOD, other
    else:
        assert_refused(other, BAD_CONTENT, "the program's name has a quote", "--reader native")
        (odd / "transitions_0").write_bytes((odd / "transitions_0").read_bytes()[:-7])
        cut = paltrace("convert", "--reader", "babeltrace2", odd, "-o", tmp_path / "x")
        assert cut.returncode == BAD_CONTENT and "the program's name has a quote" in cut.stderr and "--reader native" in cut.stderr, cut


@pytest.mark.parametrize("of", ["/dev/fd/", "/proc/self/fd/"])
@pytest.mark.parametrize("number", [3, 4, 63])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_log_can_be_a_descriptor_of_the_shells(tmp_path, of, number, kind):
    whole, log = tmp_path / "whole.pal", tmp_path / "run.pal"
    assert paltrace("convert", small_trace(tmp_path), "-o", whole).returncode == GOOD
    opening = f"{number}<{whole}" if kind == "file" else f"{number}< <(cat {whole})"
    done = subprocess.run(["bash", "-c", f"{program('paltrace')} convert {of}{number} -o {log} {opening}"], capture_output=True,
                          text=True, timeout=DEADLINE)
    assert done.returncode == GOOD and entries(log)[1:] == entries(whole)[1:], done


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "link", "link to a link", "relative"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_log_can_be_the_standard_input(tmp_path, name, packed, kind):
    """Whatever it is called: all that read logs say of it what they say of the file."""
    log, into = tmp_path / ("whole.pal.zst" if packed else "whole.pal"), tmp_path / "run.pal"
    assert paltrace("convert", small_trace(tmp_path), "-o", log).returncode == GOOD
    (tmp_path / "in").symlink_to("/dev/stdin")
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "fd").symlink_to("/proc/self/fd")
    called = {"link": tmp_path / "in", "link to a link": tmp_path / "link", "relative": "fd/0"}.get(name, name)
    for command in (["check"], ["stats"], ["stats", "--json"], ["convert", "-o", into]):
        done = {}
        for path in (log, called):
            into.unlink(missing_ok=True)
            shell = [program("paltrace"), *command, path]
            with open(log) as opened, subprocess.Popen(["cat", log], stdout=subprocess.PIPE) as cat:
                given = {"file": opened, "pipe": cat.stdout}[kind]
                one = subprocess.run(shell, stdin=given, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE)
                cat.stdout.close()
            done[path] = one.returncode, one.stdout, entries(into)[1:] if into.exists() else []
            said = one.stderr
        assert done[called] == done[log] and done[log][0] == GOOD, (command, said, done)


def refused_inputs(tmp_path):
    """[(what it is, path, exit code, words of the error)]"""
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("no trace")
    text = tmp_path / "text"
    text.write_text("no log either\n")
    folder = tmp_path / "folder"
    (folder / "metadata" / "notes").mkdir(parents=True)
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "metadata").write_text("no metadata\n")
    return [("missing", tmp_path / "nowhere", SYSTEM, ["nowhere", "No such file"]),
            ("a name that is empty", "", SYSTEM, ["cannot read the input: its name is empty"]),
            ("an empty directory", empty, BAD_CONTENT, ["empty", "no trace"]),
            ("no trace", other, BAD_CONTENT, ["other", "no trace"]),
            ("a folder called metadata", folder, BAD_CONTENT, ["folder: it holds no trace"]),
            ("no log", text, BAD_CONTENT, ["text"]),
            ("no metadata", fake, BAD_CONTENT, ["fake/metadata", "no CTF metadata"])]


@pytest.mark.parametrize("case", range(7))
def test_what_is_no_input_is_named_and_nothing_is_written(tmp_path, case):
    _, path, code, words = refused_inputs(tmp_path)[case]
    log = tmp_path / "out" / "run.pal"
    log.parent.mkdir()
    assert_refused(paltrace("convert", path, "-o", log), code, *words)
    assert list(log.parent.iterdir()) == []
    checked = paltrace("check", path)
    assert checked.returncode == code, checked
    assert len(checked.stderr.splitlines()) == 1, checked
    assert checked.stdout == ("bad: it cannot be read\n" if code == BAD_CONTENT else "")


@pytest.mark.parametrize("content", [b"", b"\0" * (3 << 20), random.Random(1).randbytes(100_000), b"{", b"[1]\n",
                                     b'{"v":1}\n'], ids=["empty", "zeros", "random", "brace", "array", "object"])
def test_check_calls_bad_what_is_no_log_and_tells_nothing_of_its_tasks(tmp_path, content):
    log = tmp_path / "run.pal"
    log.write_bytes(content)
    checked = paltrace("check", log)
    assert checked.returncode == BAD_CONTENT, checked
    assert checked.stdout == "bad: it cannot be read\n"
    assert len(checked.stderr.splitlines()) == 1 and str(log) in checked.stderr, checked


def test_check_calls_bad_a_log_that_was_cut_anywhere(tmp_path):
    whole = tmp_path / "whole.pal"
    assert paltrace("convert", small_trace(tmp_path), "-o", whole).returncode == GOOD
    content = whole.read_bytes()
    log = tmp_path / "run.pal"
    for cut in [*range(1, len(content), 97), len(content) - 2]:
        log.write_bytes(content[:cut])
        checked = paltrace("check", log)
        assert checked.returncode == BAD_CONTENT, (cut, checked)
        assert verdict(checked).startswith("bad: "), (cut, checked)
        assert checked.stdout.count("\n") == 1 or "not all could be read" in verdict(checked), (cut, checked)
        assert len(checked.stderr.splitlines()) == 1 and str(log) in checked.stderr, (cut, checked)


def test_a_trace_without_tiffany_events_is_refused(tmp_path):
    trace = Trace({"wakeup": [Field("cpu", 4)], None: {}}, provider="sched")
    trace.channel().stream().packet([("wakeup", 5, {"cpu": 1})])
    trace.write(tmp_path / "foreign")
    log = tmp_path / "run.pal"
    assert_refused(paltrace("convert", tmp_path / "foreign", "-o", log), BAD_CONTENT, "foreign", "no tiffany events")
    assert not log.exists()


def test_metadata_cut_at_any_byte_is_named_and_does_not_hang(tmp_path):
    trace = small_trace(tmp_path)
    metadata = trace / "metadata"
    whole = metadata.read_bytes()
    log = tmp_path / "run.pal"
    # every byte where the packets' headers are, and a few hundred in between
    cuts = sorted(set(range(0, 45)) | {packet + i for packet in range(4096, len(whole), 4096) for i in range(-2, 40)} |
                  set(range(45, len(whole), 97)))
    for cut in cuts:
        metadata.write_bytes(whole[:cut])
        assert_refused(paltrace("convert", trace, "-o", log), BAD_CONTENT, metadata)
        assert not log.exists()


def test_text_metadata_cut_anywhere_does_not_hang(tmp_path):
    trace = small_trace(tmp_path)
    text = Trace(catalogue())
    text.channel()
    whole = text.metadata_text().encode()
    log = tmp_path / "run.pal"
    for cut in range(0, len(whole), 211):
        (trace / "metadata").write_bytes(whole[:cut])
        result = paltrace("convert", trace, "-o", log)
        assert result.returncode == BAD_CONTENT, (cut, result)
        assert len(result.stderr.splitlines()) == 1, (cut, result)
        assert not log.exists()


def test_a_corrupt_stream_is_named_in_one_line_without_addresses(tmp_path):
    trace = small_trace(tmp_path)
    stream = trace / "transitions_0"
    whole = stream.read_bytes()
    log = tmp_path / "run.pal"
    refused = 0
    for at in range(0, len(whole) - 32, 37):
        for fill in (b"\xee", b"\0"):
            stream.write_bytes(whole[:at] + fill * 32 + whole[at + 32:])
            result = paltrace("convert", trace, "-o", log)
            assert "addr" not in result.stderr and "0x" not in result.stderr, (at, result)
            if result.returncode == BAD_CONTENT:  # else it is another event: for `check` to find
                refused += 1
                if f"cannot read all of {trace}: worker 0 has seq " not in result.stderr:  # it can be read, and cannot be true
                    assert_refused(result, BAD_CONTENT, stream)
    assert refused > 20, "a field's value is what can change without a reader's noticing; the rest of a packet is more"


@pytest.mark.parametrize("at, cause", [(84, "event class"), (88, "time stamp")])
def test_what_is_wrong_in_a_packet_is_told_with_its_number(tmp_path, at, cause):
    trace = small_trace(tmp_path)
    stream = trace / "transitions_0"
    whole = stream.read_bytes()
    second = int.from_bytes(whole[56:64], "little") // 8  # where it starts
    stream.write_bytes(whole[:second + at] + b"\xee" * 8 + whole[second + at + 8:])
    assert_refused(paltrace("convert", trace, "-o", tmp_path / "run.pal"), BAD_CONTENT, stream, "packet 1", cause)


def cut_trace(directory, name):
    """One whose metadata is cut, of another process than small_trace's: that is told by the UUID."""
    cut = small_trace(directory, name=name)
    for file in (cut / "metadata", *cut.glob("[to]*_0")):
        file.write_bytes(file.read_bytes().replace(b"\xf0\x0d\xfe\xed", b"\xf0\x0d\xfe\xee").replace(b"f00dfeed", b"f00dfeee"))
    (cut / "metadata").write_bytes((cut / "metadata").read_bytes()[:100])
    return cut


@pytest.mark.parametrize("reader", ["native", "babeltrace2"])
def test_a_worker_that_says_that_it_made_more_transitions_than_it_had_ns_is_damage_and_no_number_of_lost_ones(tmp_path, reader):
    trace = small_trace(tmp_path)
    stream = trace / "channel1_0" if (trace / "channel1_0").exists() else trace / "others_0"
    whole = stream.read_bytes()
    assert whole.count((18).to_bytes(8, "little")) == 1, "where worker_stopped has its seq"
    stream.write_bytes(whole.replace((18).to_bytes(8, "little"), (2089670227099910144).to_bytes(8, "little")))
    checked = paltrace("check", "--reader", reader, trace)
    assert (checked.returncode, verdict(checked)) == (BAD_CONTENT, "bad: not all could be read"), checked
    assert f"cannot read all of {trace}: worker 0 has seq 2089670227099910144 in its WorkerStopped, and 18 was its last" in checked.stderr, checked
    assert "20896702270999" not in checked.stdout, checked
    log = tmp_path / "run.pal"
    assert paltrace("convert", "--reader", reader, trace, "-o", log).returncode == BAD_CONTENT
    assert (entries(log)[-1]["lost"], entries(log)[-1]["bad_parts"]) == (0, 1)


def test_a_bad_trace_costs_only_itself(tmp_path):
    small_trace(tmp_path / "run", name="good")
    metadata = cut_trace(tmp_path / "run", "bad") / "metadata"
    log = tmp_path / "run.pal"
    result = paltrace("convert", tmp_path / "run", "-o", log)
    assert result.returncode == BAD_CONTENT
    assert str(metadata) in result.stderr
    assert entries(log)[-1]["records"] == 20
    checked = paltrace("check", tmp_path / "run")
    assert checked.returncode == BAD_CONTENT, checked
    assert checked.stdout.startswith("records: 20,"), checked
    assert verdict(checked) == "bad: not all could be read"


def test_a_log_tells_that_an_input_is_missing_from_it(tmp_path):
    good, cut = small_trace(tmp_path, name="good"), cut_trace(tmp_path, "cut")
    log, again, both = (tmp_path / name for name in ("log.pal", "again.pal", "both.pal"))
    assert paltrace("convert", good, cut, tmp_path / "nowhere", "-o", log).returncode == SYSTEM
    assert entries(log)[-1]["bad_parts"] == 2
    assert paltrace("convert", log, "-o", again).returncode == BAD_CONTENT
    assert entries(again)[1:] == entries(log)[1:]
    assert paltrace("convert", log, good, "-o", both).returncode == BAD_CONTENT
    assert entries(both)[-1]["bad_parts"] == 2, "a trace that is there beside it may be one of the two, or not"
    for made in (log, again, both):
        checked = paltrace("check", made)
        assert checked.returncode == BAD_CONTENT, checked
        assert verdict(checked) == "bad: not all could be read"
        assert f"cannot tell all of log {made}: when it was made 2 traces or logs could not be read" in checked.stderr
        counted = paltrace("stats", "--json", made)
        assert counted.returncode == BAD_CONTENT and json.loads(counted.stdout)["coverage"]["complete"] is False
    piped = paltrace("check", "-", stdin=log.read_text())
    assert piped.returncode == BAD_CONTENT and "of log from the standard input" in piped.stderr, piped
    assert paltrace("convert", good, "-o", log).returncode == GOOD
    assert "bad_parts" not in entries(log)[-1] and paltrace("check", log).returncode == GOOD


def twins(directory):
    """(A trace that its consumer daemon did not finish, what lttng-crash made of the same process's buffers)"""
    cut = small_trace(directory / "run" / "trace", name="ust")
    whole = small_trace(directory / "run" / "recovered", name="ust")
    (whole / "transitions_0").unlink()
    metadata = (cut / "metadata").read_bytes()
    assert len(metadata) > 2 * 4096
    # the first packet whole, as it was found after such kills; lttng-crash writes text
    (cut / "metadata").write_bytes(metadata[:4096])
    trace = Trace(catalogue())
    own = [event for event in trace.events if event.startswith("task_")]
    trace.channel("transitions", own)
    trace.channel("others", [event for event in trace.events if event not in own])
    (whole / "metadata").write_text(trace.metadata_text())
    return cut, whole


@pytest.mark.parametrize("cut_at", [0, 100, 4096])
def test_a_trace_with_cut_metadata_is_read_with_that_of_its_twin(tmp_path, cut_at):
    cut, whole = twins(tmp_path)
    (cut / "metadata").write_bytes((cut / "metadata").read_bytes()[:cut_at])
    alone = paltrace("convert", cut, "-o", tmp_path / "alone.pal")
    assert alone.returncode == BAD_CONTENT, alone
    log = tmp_path / "run.pal"
    for inputs in ((cut.parent, whole.parent), (tmp_path / "run",)):
        result = paltrace("convert", *inputs, "-o", log)
        assert result.returncode == GOOD, result
        assert f"the metadata of {cut} is cut: read with that of {whole}" in result.stderr, result
        assert [entry["seq"] for entry in entries(log) if "step" in entry] == list(range(1, 19))
        assert entries(log)[-1]["records"] == 20 and entries(log)[-1]["lost"] == 0


def test_what_is_bad_in_a_trace_with_lent_metadata_is_named_where_it_is(tmp_path):
    cut, _ = twins(tmp_path)
    stream = cut / "transitions_0"
    stream.write_bytes(stream.read_bytes()[:-10])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [program("paltrace"), "check", tmp_path / "run"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=DEADLINE,
                            env={**os.environ, "TMPDIR": str(temporary)})
    assert result.returncode == BAD_CONTENT, result
    assert str(stream) in result.stderr and str(temporary) not in result.stderr, result
    assert not list(temporary.iterdir())


def test_an_output_above_the_limit_of_files_is_an_error_and_leaves_nothing(tmp_path):
    small_trace(tmp_path, tasks=50)
    limited = f'ulimit -f 1; "{program("paltrace")}" convert run -o run.pal; echo "exit $?"'
    done = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE)
    assert done.stdout == f"exit {SYSTEM}\n" and done.stderr == "paltrace: cannot write run.pal: File too large\n", done
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_an_output_that_is_a_socket_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as serving:
        serving.bind("p.sock")
        result = paltrace("convert", small_trace(tmp_path), "-o", "p.sock")
    assert_refused(result, SYSTEM, "cannot write p.sock: it is a socket")


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    trace = small_trace(tmp_path)
    assert_refused(paltrace("convert", trace, "-o", tmp_path / "nowhere" / "run.pal"), SYSTEM, "nowhere/run.pal",
                   "No such file or directory")
    (tmp_path / "directory").mkdir()
    result = paltrace("convert", trace, "-o", tmp_path / "directory")
    assert result.returncode == SYSTEM, result
    assert "directory" in result.stderr.splitlines()[0]
    device = full_device(tmp_path)
    full = paltrace("convert", trace, "-o", device)
    assert full.returncode == SYSTEM, full
    assert str(device) in full.stderr and "No space left on device" in full.stderr


@pytest.mark.parametrize("name, arguments", [("paltrace", ["--help"]), ("paltrace", ["--version"]), ("paltrace", ["check"]),
                                             ("paltrace", ["convert"]), ("tiffany-demo", ["--help"]),
                                             ("tiffany-demo", ["--seconds", "0.1"])])
def test_a_standard_output_that_takes_nothing_is_an_error_with_its_cause(tmp_path, name, arguments):
    if arguments in (["check"], ["convert"]):
        arguments = [*arguments, small_trace(tmp_path, tasks=200)]
    with open(full_device(tmp_path), "w") as full:
        result = subprocess.run([program(name), *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True,
                                timeout=DEADLINE, env={**os.environ, "TIFFANY_LTTNG": "0"})
    assert result.returncode == (SYSTEM if name == "paltrace" else 1), result
    assert result.stderr == f"{name}: cannot write the standard output: No space left on device\n"


def test_a_report_into_a_device_is_written_into_it(tmp_path):
    device = full_device(tmp_path)
    result = subprocess.run([program("tiffany-demo"), "--seconds", "0.1", "--report", device], capture_output=True,
                            text=True, timeout=DEADLINE, env={**os.environ, "TIFFANY_LTTNG": "0"})
    assert result.returncode == 1, result
    assert result.stderr == f"tiffany-demo: cannot write {device}: No space left on device\n"
    assert device.is_char_device() and [entry.name for entry in tmp_path.iterdir()] == ["full"]


def test_a_full_disk_is_named_and_nothing_is_left_on_it(tmp_path):
    need_root()
    trace = small_trace(tmp_path, tasks=2000)
    disk = tmp_path / "disk"
    disk.mkdir()

    def small_disk():  # in the child, in a mount namespace of its own, which ends with it
        libc = ctypes.CDLL(None, use_errno=True)
        clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 1 << 18
        if (libc.unshare(clone_newns) or libc.mount(None, b"/", None, ms_rec | ms_private, None) or
                libc.mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 0, b"size=64k")):
            raise OSError(ctypes.get_errno(), "no private tmpfs")

    script = f'"{program("paltrace")}" convert "{trace}" -o "{disk}/run.pal"; echo "exit $?"; ls -A "{disk}"'
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=DEADLINE,
                            preexec_fn=small_disk)
    assert result.stdout.splitlines() == [f"exit {SYSTEM}"], result
    assert len(result.stderr.splitlines()) == 1, result
    assert "run.pal" in result.stderr and "No space left on device" in result.stderr


def test_a_log_that_was_cut_is_named(tmp_path):
    log = tmp_path / "run.pal"
    assert paltrace("convert", small_trace(tmp_path), "-o", log).returncode == GOOD
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    again = tmp_path / "again.pal"
    assert_refused(paltrace("convert", log, "-o", again), BAD_CONTENT, log, f"{again} has what could be read, and no End")
    printed = paltrace("convert", log)
    assert printed.returncode == BAD_CONTENT, printed
    assert again.read_text() == printed.stdout == log.read_text()
    compressed = tmp_path / "again.pal.zst"
    assert_refused(paltrace("convert", log, "-o", compressed), BAD_CONTENT, log, compressed)
    assert subprocess.run(["zstdcat", compressed], capture_output=True, text=True).stdout == log.read_text()
    checked = paltrace("check", log)
    assert checked.returncode == BAD_CONTENT, checked
    assert str(log) in checked.stderr


@pytest.mark.parametrize("arguments, word", [
    (["foo"], "there is no command 'foo'"), (["record", "--bogus", "--", "ls", "-l"], "not expected: --bogus ("),
    (["check", "a", "b"], "check takes one INPUT, so not expected: b; give each by itself, or what `paltrace convert` makes of all ("),
    (["stats", "--json", "a", "b", "-"], "stats takes one INPUT, so not expected: b -; give each"), (["check", "a", "b", "--bogus"], "not expected: b --bogus ("),
    (["record", "--bogus", "more", "--", "ls"], "--bogus"), (["record", "--", ""], "cannot run COMMAND: its name is empty"),
    (["record", "-o", "", "--", "ls"], "the directory has no name"),
    *((["record", "--seconds", value], f"--seconds: '{value}' is no number of seconds from 0.1 to 10000000 (") for value in ("x", "2s", "nan", "0", "1e9"))])
def test_wrong_usage_names_the_word(tmp_path, arguments, word):
    result = subprocess.run([program("paltrace"), *arguments], capture_output=True, text=True, timeout=DEADLINE,
                            cwd=tmp_path)
    assert_refused(result, USAGE, word)
    assert not list(tmp_path.iterdir())


def test_a_recording_that_has_lost_a_whole_file_is_not_good(tmp_path):
    run = tmp_path / "run"
    trace = small_trace(run / "trace")
    others = (trace / "others_0").read_bytes()

    def checked(counted, of=run):
        (run / "record.json").write_text(json.dumps({"ended": "now", "processes": [], "records": counted}))
        return paltrace("check", of)

    for counted in (20, 19, None, "20", -1):
        assert verdict(checked(counted)) == "good", counted
    assert paltrace("convert", trace, "-o", run / "tiffany.pal").returncode == GOOD
    (trace / "others_0").unlink()
    done = checked(20)
    assert (done.returncode, verdict(done)) == (BAD_CONTENT, "bad: not all could be read"), done
    assert done.stderr == f"paltrace: cannot check all of {run}: 2 records that `paltrace record` had counted are not here\n"
    assert verdict(checked(20, tmp_path)) == "bad: not all could be read", "of all recordings in it"
    assert verdict(checked(20, trace)) == "good", "a part is asked for"
    assert verdict(checked(None)) == "good", "it was not read back"
    assert verdict(checked(20, run / "tiffany.pal")) == "good"
    assert "1 record that" in checked(21, run / "tiffany.pal").stderr
    (trace / "others_0").write_bytes(others)
    assert verdict(checked(20)) == "good"


def test_of_recordings_that_share_transitions_none_is_missing(tmp_path):
    runs = [tmp_path / "all" / name for name in ("run", "copy")]
    for run in runs:
        small_trace(run / "trace")
        (run / "record.json").write_text(json.dumps({"ended": "now", "processes": [], "records": 20}))
    assert verdict(paltrace("check", tmp_path / "all")) == "good"
    (runs[0] / "record.json").write_text(json.dumps({"ended": "now", "processes": [], "records": 25}))
    done = paltrace("check", tmp_path / "all")
    assert (done.returncode, verdict(done)) == (BAD_CONTENT, "bad: not all could be read"), done


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "link", "-"])
def test_a_directory_on_the_standard_input_is_called_one(tmp_path, name):
    trace = small_trace(tmp_path)
    (tmp_path / "link").symlink_to("/dev/stdin")
    for command in (["check"], ["stats"], ["convert", "-o", tmp_path / "run.pal"]):
        opened = os.open(trace, os.O_RDONLY)
        try:
            done = subprocess.run([program("paltrace"), *command, name], stdin=opened, cwd=tmp_path, capture_output=True, text=True,
                                  timeout=DEADLINE)
        finally:
            os.close(opened)
        assert_refused(done, SYSTEM, "the standard input: Is a directory" if name == "-" else f"cannot read {name}: it is a directory")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    locked = tmp_path / "run" / "deep" / "locked"
    locked.mkdir(parents=True)
    locked.chmod(0)
    as_another = []
    if os.geteuid() == 0:  # root may list anything, unless it gives that right up
        as_another = ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
                      "--inh-caps=-dac_override,-dac_read_search"]
    tmp_path.chmod(0o755)
    command = [*as_another, program("paltrace"), "check", tmp_path / "run"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=DEADLINE)
    locked.chmod(0o755)
    assert result.returncode == SYSTEM, result
    assert f"cannot read {locked}: Permission denied" in result.stderr, result


def test_the_catalogue_program_tells_its_usage():
    asked = subprocess.run([program("tiffany-catalogue"), "--help"], capture_output=True, text=True)
    assert asked.returncode == 0 and asked.stdout.startswith("usage: ") and asked.stderr == ""
    wrong = subprocess.run([program("tiffany-catalogue")], capture_output=True, text=True)
    assert wrong.returncode == USAGE and wrong.stdout == "" and wrong.stderr.startswith("usage: ")


def test_wrong_usage_is_told_as_such():
    assert paltrace("convert").returncode == USAGE
    assert paltrace("check").returncode == USAGE
    assert paltrace("convert", "--nonsense", "x").returncode == USAGE


# ---- what is odd, but good ----


def test_a_trace_of_a_later_catalogue_converts_and_says_what_it_did_not_know(tmp_path):
    events = catalogue()
    events["task_sleep"] = events["task_sleep"] + [Field("colour", 8), Field("mood", "string")]
    events["task_frozen"] = [Field(name, 8) for name in ("worker", "tid", "seq", "step", "degrees")]
    events["weather"] = [Field("worker", 8), Field("rain", 8)]
    trace = Trace(events)
    stream = trace.channel().stream()
    told = life(INSTANCE, 1, 1, 1, 2000)
    same = {"worker": worker(INSTANCE), "tid": 1, "seq": 7, "step": 7}
    stream.packet([("worker_started", 1000, {"worker": worker(INSTANCE), "scheduler": "pool", "catalogue": 2})] + told +
                  [("task_frozen", 3000, same | {"degrees": 3}), ("weather", 3100, {"worker": worker(INSTANCE)}),
                   ("worker_stopped", 4000, {"worker": worker(INSTANCE), "seq": 7})])
    trace.write(tmp_path / "later")
    log = tmp_path / "run.pal"
    result = paltrace("convert", tmp_path / "later", "-o", log)
    assert result.returncode == GOOD, result
    for unknown in ("field task_sleep.colour: 1 times", "field task_sleep.mood: 1 times", "event task_frozen: 1 times",
                    "event weather: 1 times"):
        assert unknown in result.stderr, result.stderr
    told = entries(log)
    assert [entry["dur_ns"] for entry in told if entry["event"] == "Sleep"] == [100]
    assert [entry["seq"] for entry in told if entry["event"] == "task_frozen"] == [7]
    assert told[0]["catalogue"] == 2
    assert told[-1]["lost"] == 0
    checked = paltrace("check", tmp_path / "later")
    assert "unknown event: task_frozen 1 times" in checked.stdout, checked
    assert "unknown field: task_sleep.colour 1 times" in checked.stdout, checked


def test_a_selection_is_named_as_one_and_is_no_loss(tmp_path):
    trace = Trace(catalogue())
    stream = trace.channel("channel0", ["task_failed"]).stream()
    for seq in (5, 90):
        stream.packet([("task_failed", 1000 * seq, {"worker": worker(INSTANCE), "tid": seq, "seq": seq, "step": 9,
                                                    "error": "no"})])
    trace.write(tmp_path / "run")
    log = tmp_path / "run.pal"
    result = paltrace("convert", tmp_path / "run", "-o", log)
    assert result.returncode == GOOD, result
    assert "selection" in result.stderr and "task_failed" in result.stderr
    assert entries(log)[0]["events"] == ["task_failed"]
    assert entries(log)[-1]["lost"] == 0
    checked = paltrace("check", tmp_path / "run")
    assert checked.returncode == GOOD, checked
    assert "selection: lives are not judged" in checked.stdout


def test_transitions_in_two_channels_are_not_lost_because_one_of_them_discarded_some(tmp_path):
    trace = Trace(catalogue())
    small, whole = trace.channel("small").stream(), trace.channel("whole").stream()
    told = life(INSTANCE, 1, 1, 1, 2000)
    small.packet(told[:1])
    small.packet(told[-1:], discarded=4)
    whole.packet([("worker_started", 1000, {"worker": worker(INSTANCE), "catalogue": 1})] + told +
                 [("worker_stopped", 4000, {"worker": worker(INSTANCE), "seq": 6})])
    trace.write(tmp_path / "run")
    log = tmp_path / "run.pal"
    assert paltrace("convert", tmp_path / "run", "-o", log).returncode == GOOD
    assert [entry["seq"] for entry in entries(log) if "step" in entry] == [1, 2, 3, 4, 5, 6]
    assert entries(log)[-1]["lost"] == 0


def lossy_trace(directory, discarded, missing):
    trace = Trace(catalogue())
    own = [event for event in trace.events if event.startswith("task_")]
    stream = trace.channel("transitions", own).stream()
    stream.packet(life(INSTANCE, 1, 1, 1, 2000))
    stream.packet(life(INSTANCE, 2, 7 + missing, 1, 3000), discarded=discarded)
    others = trace.channel("others", [event for event in trace.events if event not in own]).stream()
    others.packet([("worker_started", 1000, {"worker": worker(INSTANCE), "catalogue": 1})])
    return trace.write(pathlib.Path(directory) / "lossy")


def test_loss_is_gaps_and_tail_and_exit_4(tmp_path):
    log = tmp_path / "run.pal"
    result = paltrace("convert", lossy_trace(tmp_path, discarded=10, missing=3), "-o", log)
    assert result.returncode == LOST, result
    told = entries(log)
    assert [(e["from_seq"], e["to_seq"], e["lost"]) for e in told if e["event"] == "Gap"] == [(7, 9, 3)]
    assert told[-1]["lost"] == 10 and told[-1]["tail"] == 7
    checked = paltrace("check", log)
    assert checked.returncode == LOST
    assert verdict(checked) == "good, but 10 transitions lost"


def test_a_gap_that_nothing_explains_is_an_error_only_when_strict(tmp_path):
    trace = lossy_trace(tmp_path, discarded=0, missing=3)
    log = tmp_path / "run.pal"
    assert paltrace("convert", trace, "-o", log).returncode == LOST
    assert [e["explained"] for e in entries(log) if e["event"] == "Gap"] == [False]
    assert paltrace("convert", "--strict", trace, "-o", log).returncode == BAD_CONTENT
    assert paltrace("check", trace).returncode == LOST
    for strict in (paltrace("check", "--strict", trace), paltrace("check", "--strict", log)):
        assert strict.returncode == BAD_CONTENT, strict
        assert verdict(strict) == "bad: 3 missing transitions that nothing explains"
        assert strict.stderr.count("3 transitions are missing that the tracer did not discard") == 1, strict


def test_a_log_given_twice_and_with_its_trace_is_the_same_log(tmp_path):
    trace = lossy_trace(tmp_path, discarded=10, missing=3)
    log, again, compressed = tmp_path / "lossy", tmp_path / "again", tmp_path / "lossy.pal.zst"
    log = tmp_path / "run.pal"
    for output in (log, compressed):
        assert paltrace("convert", trace, "-o", output).returncode == LOST
    for inputs in ([log, log], [log, compressed], [log, trace], [trace, log, compressed]):
        result = paltrace("convert", *inputs, "-o", again)
        assert result.returncode == LOST, result
        assert again.read_text() == log.read_text(), inputs
    piped = paltrace("convert", "-", stdin=log.read_text())
    assert piped.stdout == log.read_text()


def test_the_plugin_writes_what_paltrace_writes(tmp_path):
    trace = lossy_trace(tmp_path, discarded=10, missing=3)
    ours, theirs = tmp_path / "ours.pal", tmp_path / "theirs.pal"
    paltrace("convert", trace, "-o", ours)
    plugin = program("babeltrace-plugin-tiffany.so")
    command = ["babeltrace2", f"--plugin-path={plugin.parent}", str(trace), "-c", "sink.tiffany.pal"]
    ran = subprocess.run([*command, f'--params=path="{theirs}"'], capture_output=True, text=True, timeout=DEADLINE)
    assert ran.returncode == 0, ran
    assert theirs.read_text().splitlines()[1:] == ours.read_text().splitlines()[1:]  # but Begin, which names the tool
    stdout = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert stdout.stdout.splitlines()[1:] == ours.read_text().splitlines()[1:]


def test_the_plugin_orders_events_of_one_time_as_paltrace_does_however_many(tmp_path):
    # alone, by three and by two, each the wrong way round, past what is looked at before Begin; then more of one time than are kept
    groups = [range(first, first + size) for first, size in ((7 * i + before, size) for i in range(900) for before, size in ((1, 1), (2, 1), (3, 3), (6, 2)))]
    seqs = [seq for group in groups for seq in reversed(group)] + list(range(6301, 11001))
    times = [1000 + 10 * i for i, group in enumerate(groups) for _ in group] + [90_000] * 4700
    yields = [("task_yield", ts, {"worker": worker(INSTANCE), "tid": 5, "seq": seq, "step": seq, "run_ns": 1}) for ts, seq in zip(times, seqs)]
    trace = Trace(catalogue())
    trace.channel("channel0", list(name for name in trace.events if name and name.startswith("task_"))).stream().packet(yields)
    trace.write(tmp_path / "trace")
    paltrace("convert", tmp_path / "trace", "-o", tmp_path / "ours.pal")
    plugin = program("babeltrace-plugin-tiffany.so")
    command = ["babeltrace2", f"--plugin-path={plugin.parent}", str(tmp_path / "trace"), "-c", "sink.tiffany.pal"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert ran.returncode == 0, ran
    lines = ran.stdout.splitlines()
    assert lines[1:] == (tmp_path / "ours.pal").read_text().splitlines()[1:]
    assert [json.loads(line)["seq"] for line in lines[1:-1]] == list(range(1, 11001))


def test_the_plugin_names_its_traces_and_each_selected_event_once(tmp_path):
    for process in ("one", "two"):  # as LTTng writes a trace for each process
        trace = Trace(catalogue())
        stream = trace.channel("channel0", ["task_failed", "task_done"]).stream()
        stream.packet([("task_failed", 1000, {"worker": worker(INSTANCE), "tid": 5, "seq": 5, "step": 9, "error": "no"})])
        trace.write(tmp_path / "run" / process)
    plugin = program("babeltrace-plugin-tiffany.so")
    command = ["babeltrace2", f"--plugin-path={plugin.parent}", str(tmp_path / "run"), "-c", "sink.tiffany.pal"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert ran.returncode == 0, ran
    begin = json.loads(ran.stdout.splitlines()[0])
    assert begin["events"] == ["task_done", "task_failed"]
    assert begin["trace"] == "fixture", "the session that both are of"


def test_the_plugin_gives_its_errors_to_babeltrace(tmp_path):
    trace = small_trace(tmp_path)
    plugin = program("babeltrace-plugin-tiffany.so")
    command = ["babeltrace2", f"--plugin-path={plugin.parent}", str(trace), "-c", "sink.tiffany.pal"]
    for parameters, word in ((f'path="{tmp_path}/nowhere/x"', "nowhere/x"), ("path=3", "path: expected a string"),
                             ("colour=3", "unknown parameter colour")):
        ran = subprocess.run([*command, f"--params={parameters}"], capture_output=True, text=True, timeout=DEADLINE)
        assert ran.returncode != 0, ran
        assert word in ran.stderr, ran
