"""The pages' commands, run as they stand: those that need no second terminal."""

import json
import os
import re
import shlex
import subprocess

import pytest
from attach import whole_dumps
from kit import (
    BIN,
    DEADLINE,
    SOURCE,
    PrivateLttng,
    checked,
    end_process,
    need_bpftrace,
    need_built,
    need_program,
    poll,
    program,
)
from prometheus import free_port


def commands(page, first, last):
    """The indented commands of a page, from one that begins with `first` to one that begins with `last`."""
    lines = re.findall(r"^    (\S.*)$", (SOURCE / page).read_text(), re.M)
    begin = next(i for i, line in enumerate(lines) if line.startswith(first))
    end = next(i for i, line in enumerate(lines) if i >= begin and line.startswith(last))
    return lines[begin : end + 1]


def in_this_build(line, tmp_path):
    line = line.replace("/tmp/my-trace", f"{tmp_path}/my-trace").replace("build/release", str(BIN.parent))
    return re.sub(r"\b(my\.pal|run2)\b", lambda found: f"{tmp_path}/{found.group()}", line)


PATH = {"PATH": f"{BIN}:{os.environ['PATH']}"}


def test_a_session_by_hand_is_read_by_paltrace_and_by_babeltrace2(tmp_path):
    lines = commands("docs/tracing.md", "lttng create", "babeltrace2")
    assert len(lines) == 9
    with PrivateLttng(tmp_path) as lttng:
        for line in lines:
            shorter = line.replace("--seconds 5", "--seconds 1")
            lttng.run(["bash", "-ec", in_this_build(shorter, tmp_path)], env=PATH)
    done = checked([program("paltrace"), "check", tmp_path / "my.pal"])
    assert done.stdout.endswith("good\n")
    page = (SOURCE / "docs/tracing.md").read_text()
    (more,) = re.findall(r"`--params='(\S+)'`", page)
    plain = lines[-1].partition("--params=")[0]
    for given, code in ((more, 0), (more.replace("yes", '"yes"'), 1)):
        command = in_this_build(f"{plain} --params='{given}'", tmp_path)
        done = subprocess.run(["bash", "-c", command], env={**os.environ, **PATH}, text=True, capture_output=True)
        assert done.returncode == code and (code == 0) == ("yes or no, without quotes" not in done.stderr), done.stderr


def test_attaching_late_as_the_page_has_it(tmp_path):
    lines = commands("docs/tracing.md", "tiffany-demo --crowd", "paltrace stats")
    assert len(lines) == 9
    demo, *lines = lines
    said = tmp_path / "said"
    demo = f"{demo.removesuffix('&')} >{said} &\nuntil grep -q '1000 tasks stand' {said}; do sleep 0.05; done"
    script = "\n".join(["trap 'kill %1' EXIT", demo, *lines]).replace("/tmp/late", f"{tmp_path}/late")
    with PrivateLttng(tmp_path) as lttng:
        done = lttng.run(["bash", "-ec", script], env=PATH, cwd=tmp_path)
    assert whole_dumps(done.stdout) >= 1 and "good\n" in done.stdout, done.stdout
    assert "of them without a name: 0, told of in a state dump: 1002\n" in done.stdout, done.stdout


def bpftrace_commands():
    """Those of the tracing page that attach to the demo, each on one line."""
    page = (SOURCE / "docs/tracing.md").read_text().replace("\\\n", "")
    return re.findall(r"^    (bpftrace .*)$", page, re.M)


@pytest.mark.parametrize("number, seen", [(0, r"@runs_of_task\[\d+\]: \d"), (1, r"^\d+: \w"), (2, r"@spawned\[\w+\]: \d")])
def test_a_bpftrace_command_of_the_tracing_page_sees_the_demo(number, seen):
    need_bpftrace()
    assert len(bpftrace_commands()) == 3
    demo = subprocess.Popen(
        [program("tiffany-demo"), "--wait", "--seconds", "1"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        pid = demo.stderr.readline().split()[2]
        line = bpftrace_commands()[number].replace("$(pgrep -n tiffany-demo)", pid)
        line = line.replace("build/release/generated", str(BIN.parent / "generated"))
        assert "pgrep" not in line
        tracer = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            env={**os.environ, "__BPFTRACE_NOTIFY_PROBES_ATTACHED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            errors = []
            for said in tracer.stderr:  # until it is attached, or has ended
                if said.startswith("__BPFTRACE_NOTIFY_PROBES_ATTACHED"):
                    break
                errors.append(said)
            demo.communicate("\n", timeout=DEADLINE)  # its end is the end of what attached to it
            printed, more = tracer.communicate(timeout=DEADLINE)
        finally:
            end_process(tracer)
        assert tracer.returncode == 0 and re.search(seen, printed, re.M), printed[-2000:] + "".join(errors) + more
        keys = re.findall(r"^@\w+\[(.*)\]", printed, re.M)
        assert len(keys) == len(set(keys)), f"one key a task, or a task's name: {printed[:2000]}"
    finally:
        end_process(demo)


def test_what_recording_costs_is_measured_as_the_page_has_it(tmp_path):
    need_built("record_bench")
    need_program("zstd")
    once, long = commands("docs/tracing.md", "build/release/bin/paltrace record -o /tmp/cost", "tests/bench/sustained.py")
    once = in_this_build(once.partition("#")[0], tmp_path).replace("/tmp/cost", f"{tmp_path}/cost") + " --rounds 1"
    done = subprocess.run(shlex.split(once), text=True, capture_output=True, timeout=DEADLINE)
    assert done.returncode in (0, 4), done.stderr  # 4: something was lost, because the machine was busy
    assert done.stdout.count("Recorded transition: ") == 5
    command = [*shlex.split(long.partition("#")[0])[:-1], "--bin", BIN, "--rounds", "1", "--transitions", "100000", tmp_path]
    # how many is the machine's to say
    told = re.findall(r"^Sustained, two threads: lost of 100,000 transitions, .* = ([\d,]+) transitions", checked(command, cwd=SOURCE).stdout, re.M)
    assert len(told) == 3 and all(int(lost.replace(",", "")) < 100_000 for lost in told)


def test_the_hooks_page_records_its_example(tmp_path):
    lines = commands("docs/hooks.md", "build/release/bin/paltrace record", "build/release/bin/paltrace check")
    for line in lines:
        done = checked(shlex.split(in_this_build(line, tmp_path)))
    assert done.stdout.endswith("good\n")


def test_the_instrumenting_page_runs_its_examples(tmp_path):
    lines = commands("docs/instrumenting.md", "build/release/bin/instrumenting", "build/release/bin/testing")
    assert len(lines) == 2
    for line in lines:
        done = checked(shlex.split(in_this_build(line, tmp_path)))
        assert re.search(r"^\[  PASSED  \] [1-9]", done.stdout, re.M), "a filter that matches nothing passes, too"


@pytest.mark.parametrize("page, example", [("docs/asio.md", "asio_echo"), ("docs/tbb.md", "tbb_sort")])
def test_an_adapters_page_records_its_example(page, example, tmp_path):
    need_built(example)
    lines = commands(page, "build/release/bin/paltrace record", "build/release/bin/paltrace check")
    assert len(lines) == 2 and lines[0].endswith(example)
    for line in lines:
        done = checked(shlex.split(in_this_build(line, tmp_path)), cwd=tmp_path)
    assert done.stdout.endswith("good\n")


def test_the_metrics_page_serves_and_fetches():
    need_program("curl")
    by_option, fetch = commands("docs/metrics.md", "tiffany-demo --metrics-port", "curl")
    serve, by_variable = by_option.split("# or ")
    for line in (serve, by_variable):
        port = str(free_port())
        line = "exec " + line if line is serve else line.replace(" tiffany-demo", " exec tiffany-demo")
        demo = subprocess.Popen(
            ["bash", "-c", line.replace("9464", port)],
            env={**os.environ, **PATH},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answer = ["bash", "-c", fetch.replace("9464", port)]

            def counted():
                done = subprocess.run(answer, capture_output=True, text=True, timeout=DEADLINE)
                return re.search(r"^task_transitions_total\{.*\} [1-9]", done.stdout, re.M)

            poll(counted, f"an answer to: {fetch}")
        finally:
            end_process(demo)


def test_a_program_writes_its_log_itself_as_the_page_has_it(tmp_path):
    lines = commands("docs/pal-file.md", "TIFFANY_PAL=run.pal", "build/release/bin/paltrace check run.pal")
    assert len(lines) == 2
    for line in lines:  # how much is lost is the machine's to say
        done = subprocess.run(
            ["bash", "-c", in_this_build(line, tmp_path)], cwd=tmp_path, text=True, capture_output=True, timeout=DEADLINE
        )
        assert done.returncode in (0, 4), done
    assert "\ngood" in done.stdout, done


def test_a_socket_is_read_as_the_page_has_it(tmp_path):
    need_program("curl")
    serve, read, check = commands("docs/pal-file.md", "TIFFANY_PAL=unix:", "build/release/bin/paltrace check live.pal")
    serve = f"exec env {serve}".removesuffix(" &").replace("--seconds 5", "--seconds 0")

    def start(line):
        line = in_this_build(line, tmp_path).replace("/tmp/live", f"{tmp_path}/live")
        return subprocess.Popen(["bash", "-c", line], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    demo = start(serve)
    try:
        poll((tmp_path / "live").is_socket, "the socket is there")
        reader = start(read)
        try:
            poll(lambda: (tmp_path / "live.pal").exists() and (tmp_path / "live.pal").stat().st_size, "it is read")
            demo.terminate()
            demo.communicate(timeout=DEADLINE)
            _, errors = reader.communicate(timeout=DEADLINE)
        finally:
            end_process(reader)
        assert (demo.returncode, reader.returncode, errors) == (0, 0, "")
    finally:
        end_process(demo)
    checker = start(check)
    said, errors = checker.communicate(timeout=DEADLINE)
    assert checker.returncode in (0, 4) and "\ngood" in said, said + errors


def test_the_stats_page_prints_them(tmp_path):
    (line,) = commands("docs/stats.md", "paltrace stats", "paltrace stats")
    checked([program("paltrace"), "record", "--convert", "-o", tmp_path / "run", "--", program("first_tasks")])
    (tmp_path / "run" / "tiffany.pal").rename(tmp_path / "run.pal")
    assert "times by task name" in checked(["bash", "-c", line], cwd=tmp_path, env={**os.environ, **PATH}).stdout


def at(us, event, tid, worker=1, **fields):
    """A line of a log, so many us after the begin of a second."""
    ts = f"2026-11-23T15:43:{8 + us // 1_000_000:02}.{us % 1_000_000 * 1000:09}Z"
    return {"v": 1, "ts": ts, "instance": "5f3a9c1e07b2", "worker": worker, "seq": us, "tid": tid, "event": event, **fields}


def why_late(directory):
    """What the stats page's commands print of run.pal: (the late runs, what the worker did, the parts of the sum, a life)."""
    lines = commands("docs/stats.md", "jq -r 'select", "jq -c")
    # true: a life can be asked for only where another task ran meanwhile
    printed = checked(["bash", "-c", "\n".join([*lines, "true"])], cwd=directory).stdout.splitlines()
    (total,) = [line for line in printed if " late = " in line]
    at_total = printed.index(total)
    rows = [line.split("\t") for line in printed[:at_total]]
    meanwhile = next((i for i, row in enumerate(rows) if len(row) == 4), len(rows))
    parts = re.fullmatch(r"(\d+) late = (\d+) others ran \+ (\d+) parked \+ (-?\d+) neither", total).groups()
    return rows[:meanwhile], rows[meanwhile:], list(map(int, parts)), [json.loads(line) for line in printed[at_total + 1 :]]


def test_the_stats_page_tells_why_a_task_was_late(tmp_path):
    need_program("jq")
    log = [
        {"v": 1, "event": "Begin"},
        at(990_000, "Spawned", 7, name="greedy", site="a.cpp:7"),
        at(991_000, "Yield", 6, run_ns=9_000_000),  # before the latest task was ready
        at(995_000, "Yield", 5, run_ns=2_000_000),  # its own, as which it became ready
        at(995_300, "Done", 6, run_ns=700_000),  # 300 us of it meanwhile
        at(995_400, "Running", 7, ready_ns=1000),
        at(999_200, "Sleep", 7, run_ns=3_500_000),
        at(999_300, "Wait", 4),  # nobody measured it
        at(999_500, "Done", 9, worker=2, run_ns=8_000_000),  # of another worker
        at(999_600, "Running", 8, ready_ns=4_900_000),
        at(999_700, "Yield", 8, run_ns=100_000),
        {**at(999_900, "Park", 0, kind="end", park_ns=150_001), "tid": None},
        at(1_000_000, "Running", 5, ready_ns=5_000_000),
        at(1_020_000, "Done", 5, run_ns=20_000_000),  # its own
    ]
    (tmp_path / "run.pal").write_text("".join(json.dumps(line) + "\n" for line in log))
    late, meanwhile, parts, life = why_late(tmp_path)
    worker = ["5f3a9c1e07b2", "1"]
    assert [[row[0], *row[2:]] for row in late] == [["5000000", *worker, "5"], ["4900000", *worker, "8"], ["1000", *worker, "7"]]
    assert [row[:3] for row in meanwhile] == [
        ["3500000", "Sleep", "7"],
        ["300000", "Done", "6"],
        ["150001", "Park", "-"],
        ["100000", "Yield", "8"],
    ]
    assert parts == [5_000_000, 3_900_000, 150_001, 949_999] and parts[0] == sum(parts[1:])
    assert life == [line for line in log if line.get("tid") == 7]


def test_of_a_real_recording_the_parts_of_a_delay_are_its_sum(tmp_path):
    need_program("jq")
    demo = [program("tiffany-demo"), "--transitions", "20000"]
    checked([program("paltrace"), "record", "--convert", "-o", tmp_path / "run", "--", *demo])
    (tmp_path / "run" / "tiffany.pal").rename(tmp_path / "run.pal")
    late, meanwhile, parts, life = why_late(tmp_path)
    assert str(parts[0]) == late[0][0] and parts[0] == sum(parts[1:])
    ran = [row for row in meanwhile if row[1] != "Park"]
    assert (parts[1] > 0) == bool(ran) and parts[1] >= sum(int(row[0]) for row in ran)
    assert {record["tid"] for record in life} == {int(row[2]) for row in ran[:1]}


def test_the_sink_page_runs_its_example():
    (line,) = commands("docs/sink.md", "build/release/bin/", "build/release/bin/")
    assert "2 done, 1 failed, 0 lost" in checked([line.replace("build/release/bin", str(BIN))]).stdout


def test_the_testing_page_runs_and_shows_what_is_compiled():
    page = (SOURCE / "docs/testing.md").read_text()
    tests = SOURCE / "tests/unit/testing"
    compiled = "".join((tests / name).read_text() for name in ("page_test.cpp", "example_drivers.hpp"))
    blocks = re.findall(r"^```cpp\n(.*?)^```$", page, re.M | re.S)
    assert len(blocks) == 4 and [block for block in blocks if block not in compiled] == []
    (line,) = commands("docs/testing.md", "build/release/bin/", "build/release/bin/")
    done = checked([line.replace("build/release/bin", str(BIN))], env={**os.environ, "TIFFANY_LTTNG": "0"})
    assert "MyRuntime.DoesTheSameAgain" in done.stdout and "the driver cannot: sleep" in done.stdout


def test_every_step_and_every_ability_is_on_the_testing_page():
    header = (SOURCE / "src/tiffany/testing/program.hpp").read_text()
    page = (SOURCE / "docs/testing.md").read_text()
    for name in ("Can", "Do"):
        values = re.findall(r"^    (\w+),", re.search(rf"enum class {name} .*?\}};", header, re.S).group(), re.M)
        assert len(values) > 10 and [value for value in values if f"`{value}`" not in page] == []


def test_every_tracing_status_is_on_the_hooks_page():
    header = (SOURCE / "src/tiffany/telemetry/tracing_status.hpp").read_text()
    statuses = re.findall(r'return "(\w+)";', header)
    page = (SOURCE / "docs/hooks.md").read_text()
    assert len(statuses) >= 8 and [status for status in statuses if f"`{status}`" not in page] == []


def test_every_hook_is_on_its_page():
    header = (SOURCE / "src/tiffany/telemetry/worker.hpp").read_text()
    public = header[: header.index("private:", header.index("class alignas(64) Worker"))]
    hooks = set(re.findall(r"^    void (\w+)\(", public, re.M))
    page = (SOURCE / "docs/hooks.md").read_text()
    assert {"spawned", "ready", "running", "cancelled", "park"} <= hooks
    assert [hook for hook in sorted(hooks) if f"`{hook}(" not in page and f" {hook}(" not in page] == []
