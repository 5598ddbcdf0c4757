"""tools/quickstart: one command shows the whole thing working; what it says to try next works."""

import json
import os
import re
import subprocess
import urllib.request

import pytest
from kit import BIN, BUILD_DEADLINE, DEADLINE, SOURCE, PrivateLttng, checked, end_process, need_bpftrace, need_program, poll

QUICKSTART = SOURCE / "tools" / "quickstart"


def quickstart(*arguments, **options):
    command = [str(part) for part in (QUICKSTART, *arguments)]
    return subprocess.run(command, text=True, capture_output=True, timeout=BUILD_DEADLINE, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(how it ended, the directory of the recording), called from a directory that is not the project's."""
    directory = tmp_path_factory.mktemp("elsewhere")
    return quickstart("-o", "recording", "--build", BIN.parent, cwd=directory), directory / "recording"


def test_it_builds_records_converts_checks_and_prints_statistics(run):
    done, recording = run
    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^quickstart: (.*)$", done.stderr, re.M)
    assert steps[:-2] == [
        "install packages",
        "make room for the recording",
        "build (minutes, the first time)",
        "record the demo",
        "convert the trace",
        "check the log",
        "print its statistics",
    ]
    assert re.fullmatch(rf"done in \d+ s, \d+ s of them for packages; the log is {recording}/tiffany\.pal", steps[-2])
    assert steps[-1] == f"its times by task name, too: paltrace stats {recording}/tiffany.pal"
    assert json.loads((recording / "record.json").read_text())["command_status"] == 0
    checked([BIN / "paltrace", "check", recording / "tiffany.pal"])
    shown, rest, _ = checked([BIN / "paltrace", "stats", recording / "tiffany.pal"]).stdout.partition("times by task name\n")
    assert rest and done.stdout.endswith(shown)


def without_figures(line):
    return re.sub(r"\s+", " ", re.sub(r"\d[\d.]*( (ns|us|ms|s)\b)?", "N", line)).strip()


def test_readme_shows_what_it_prints(run):
    done, _ = run
    shown = re.search(r"^\$ tools/quickstart\n(.*?)^```$", (SOURCE / "README.md").read_text(), re.M | re.S).group(1)
    # on a terminal the two come mixed, each in its own order
    talk = [without_figures(line) for line in done.stderr.splitlines()]
    data = [without_figures(line) for line in done.stdout.splitlines()]
    for line in shown.splitlines():
        if line == "[...]":
            continue
        lines = talk if without_figures(line) in talk else data
        assert without_figures(line) in lines, f"{line}\n{done.stdout}\n{done.stderr}"
        del lines[: lines.index(without_figures(line)) + 1]


def next_commands(done):
    """{"lttng": line, ...}"""
    return dict(re.findall(r"^  (lttng|bpftrace|scrape) +(.*)$", done.stderr.partition("Try next:\n")[2], re.M))


def test_lttng_as_it_says(run, tmp_path):
    need_program("babeltrace2")
    command = next_commands(run[0])["lttng"].removesuffix("    (its session daemon goes on running)")
    with PrivateLttng(tmp_path) as lttng:
        seen = lttng.run(["bash", "-c", command], cwd=tmp_path, timeout=120)
    assert re.search(r"tiffany:\w+: \{", seen.stdout), seen.stdout + seen.stderr


def test_bpftrace_as_it_says(run):
    need_bpftrace()
    demo_command, script = next_commands(run[0])["bpftrace"].split("      and in another terminal, as root:  ")
    demo = subprocess.Popen(
        demo_command.split(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        pid = re.search(r"pid (\d+) waits", demo.stderr.readline()).group(1)
        tracer = subprocess.Popen(
            script.replace("PID", pid).split(),
            env=dict(os.environ, __BPFTRACE_NOTIFY_PROBES_ATTACHED="1", TIFFANY_INCLUDE=str(BIN.parent / "generated")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            for line in tracer.stderr:
                if line.startswith("__BPFTRACE_NOTIFY_PROBES_ATTACHED"):
                    break
            demo.stdin.write("\n")
            demo.stdin.close()
            seen, errors = tracer.communicate(timeout=DEADLINE)
        finally:
            end_process(tracer)
        assert tracer.returncode == 0 and "@run_us[echo client]:" in seen, seen + errors
        assert demo.wait(DEADLINE) == 0
    finally:
        end_process(demo)


def test_a_scrape_as_it_says(run):
    demo_command, fetch = next_commands(run[0])["scrape"].split("      and:  ")
    url = re.fullmatch(r"curl (http://127\.0\.0\.1:9464/metrics)", fetch).group(1)
    # any port here: that one may be taken
    demo = subprocess.Popen(
        demo_command.replace("9464", "0").split(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        port = re.search(r"metrics on http://127\.0\.0\.1:(\d+)/metrics", demo.stderr.readline()).group(1)

        def scraped():
            with urllib.request.urlopen(url.replace("9464", port), timeout=DEADLINE) as answer:
                return re.search(r'^task_transitions_total\{.*\} [1-9]', answer.read().decode(), re.M)

        poll(scraped, "transitions are counted")
    finally:
        end_process(demo)


def test_setup_asks_for_less_when_it_is_only_to_build(tmp_path):
    stub = tmp_path / "dpkg-query"
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    nothing_there = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")

    def missing(*arguments):
        command = [SOURCE / "tools" / "setup", *arguments]
        done = subprocess.run(command, text=True, capture_output=True, check=False, env=nothing_there)
        assert (done.returncode, done.stdout) == (3, "")
        return set(done.stderr.partition("--no-install-recommends ")[2].split())

    to_build = missing("--build", "--check")
    assert {"g++", "cmake", "liblttng-ust-dev"} <= to_build
    assert missing("--check") > to_build | {"bpftrace", "buildah", "debootstrap"}


def test_where_packages_are_missing_and_it_is_not_root_it_says_which(tmp_path):
    for name, text in (("dpkg-query", "exit 1"), ("id", "echo 1000")):
        stub = tmp_path / name
        stub.write_text(f"#!/bin/sh\n{text}\n")
        stub.chmod(0o755)
    done = quickstart(env=dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "as root: apt-get update && apt-get install --no-install-recommends g++ cmake" in done.stderr
    assert "quickstart: cannot install packages: exit 3" in done.stderr


def test_a_step_that_fails_is_named(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    done = quickstart("-o", tmp_path / "full", "--build", BIN.parent)
    assert done.returncode == 3 and "is not empty\nquickstart: cannot make room for the recording" in done.stderr
    assert (tmp_path / "full" / "mine").read_text() == "kept"

    done = quickstart("-o", tmp_path / "run", "--build", "/proc/nowhere")
    assert done.returncode == 3 and "quickstart: cannot build: exit " in done.stderr


@pytest.mark.parametrize("wrong", [["--fast"], ["-o"], ["--build"], ["more"]])
def test_wrong_usage(wrong):
    done = quickstart(*wrong)
    assert (done.returncode, done.stdout) == (2, "") and "tools/quickstart [-o DIR] [--build DIR]" in done.stderr
    assert re.match(r"quickstart: (unexpected: |-o wants|--build wants)", done.stderr)
