"""Every command and every block of code of README.md, run or compiled as it stands."""

import os
import re
import subprocess

import pytest
from kit import (
    BIN,
    BUILD_DEADLINE,
    DEADLINE,
    SOURCE,
    PrivateLttng,
    checked,
    end_process,
    need_bpftrace,
    need_program,
    poll,
    program,
)
from prometheus import free_port, query

README = (SOURCE / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)


def blocks(language):
    return [text for found, text in BLOCKS if found == language]


def block(language, containing):
    found = [text for text in blocks(language) if containing in text]
    assert len(found) == 1, f"one {language} block with {containing}, found {len(found)}"
    return found[0]


SESSIONS = ["lttng create", "paltrace record", "tools/bpftrace/runs", "usdt::tiffany", "TIFFANY_METRICS", "TIFFANY_PAL"]


def test_every_block_has_a_test_here_or_beside():
    # quickstart's output: quickstart.py; the path: what `place` sets up; the installation: the scheduler of one's own
    assert len(blocks("console")) == 2 and len(blocks("sh")) == 2 + len(SESSIONS)
    assert (len(blocks("cpp")), len(blocks("cmake")), len(blocks("yaml"))) == (1, 1, 1)
    assert README.count("```") == 2 * len(BLOCKS), "a block without a language is a block without a test"
    # no command hides in an indented block
    outside = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    assert re.findall(r"^    \S.*$", outside, re.M) == []


def test_every_page_that_it_links_to_is_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (SOURCE / target).exists(), target


@pytest.fixture
def place(tmp_path):
    """Where the commands find what they would find in a clone: tools/ and build/release/."""
    (tmp_path / "tools").symlink_to(SOURCE / "tools")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "release").symlink_to(BIN.parent)
    return tmp_path


def shell(place, text, lttng=None, **options):
    path = block("sh", "export PATH")
    # what it put into the background ends by itself: the shell waits for it
    command = ["bash", "-euo", "pipefail", "-c", f"{path}{text}wait\n"]
    # a ring for all that the demo tells while the log's thread has no CPU
    environment = {"TIFFANY_INCLUDE": str(BIN.parent / "generated"), "TIFFANY_PAL_RING": "64M"}
    if lttng:
        return lttng.run(command, cwd=place, env=environment, timeout=2 * DEADLINE, **options)
    return checked(command, cwd=place, env={**os.environ, **environment}, timeout=2 * DEADLINE, **options)


def test_record_a_program(place):
    done = shell(place, block("sh", "paltrace record"))
    assert "paltrace: lost no transition" in done.stderr
    assert "\ngood\n" in done.stdout and "times by group" in done.stdout


def test_a_program_writes_its_own_log(place):
    assert shell(place, block("sh", "TIFFANY_PAL")).stdout.endswith("good\n")


def test_trace_with_lttng(place):
    # `| head` ends babeltrace2 early, by SIGPIPE, which pipefail would call an error
    text = block("sh", "lttng create").replace("babeltrace2 my-trace | head\n", "babeltrace2 my-trace | sed -n 1,10p\n")
    with PrivateLttng(place) as lttng:
        done = shell(place, text, lttng)
    assert len(re.findall(r"tiffany:\w+: \{", done.stdout)) == 10
    assert done.stdout.endswith("good\n")


@pytest.mark.parametrize(
    "containing, shows", [("tools/bpftrace/runs", "@run_us["), ("usdt::tiffany", "@runs_of_task[")]
)
def test_attach_bpftrace(place, containing, shows):
    need_bpftrace()
    assert shows in shell(place, block("sh", containing)).stdout


def test_scrape(place):
    need_program("promtool")
    need_program("curl")
    done = shell(place, block("sh", "TIFFANY_METRICS").replace("9464", str(free_port())))
    assert re.search(r'^task_run_latency_seconds_sum\{scheduler="demo".*\} ', done.stdout, re.M), done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_scrapes(place):
    need_program("prometheus")
    ours, theirs = free_port(), free_port()
    config = place / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s}\n" + block("yaml", "scrape_configs").replace("9464", str(ours)))
    with open(place / "log", "w") as log:
        demo = subprocess.Popen(
            [program("tiffany-demo"), "--seconds", "0.2", "--stay", "--metrics-port", str(ours)], stdout=log, stderr=log
        )
        server = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={place / 'data'}"]
            + [f"--web.listen-address=127.0.0.1:{theirs}"],
            stdout=log,
            stderr=log,
        )
        try:
            up = frozenset({("__name__", "up"), ("instance", f"127.0.0.1:{ours}"), ("job", "tiffany")})
            poll(lambda: query(theirs, "up").get(up) == 1, "Prometheus calls it up")
        finally:
            end_process(server)
            end_process(demo)


def test_the_scheduler_of_ones_own_is_built_and_recorded(tmp_path):
    prefix = tmp_path / "prefix"
    install = block("sh", "cmake --install")
    assert "cmake --build build/release\n" in install, "quickstart has not built all that is installed"
    install = install.replace("build/release", str(BIN.parent)).rstrip() + f" --prefix {prefix}"
    checked(["bash", "-ec", install], timeout=BUILD_DEADLINE)
    (tmp_path / "jobs.cpp").write_text(block("cpp", "SchedulerTelemetry"))
    head = "cmake_minimum_required(VERSION 3.25)\nproject(jobs LANGUAGES CXX)\n"
    (tmp_path / "CMakeLists.txt").write_text(head + block("cmake", "find_package"))
    checked(["cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"])
    checked(["cmake", "--build", tmp_path / "build"], timeout=BUILD_DEADLINE)
    run = checked(
        [prefix / "bin" / "paltrace", "record", "-o", tmp_path / "run", "--convert", "--", tmp_path / "build" / "jobs"]
    )
    assert run.stdout == "1\n2\n3\n"
    seen = checked([prefix / "bin" / "paltrace", "check", tmp_path / "run" / "tiffany.pal"]).stdout
    assert "tasks: 3 (done 3," in seen and seen.endswith("good\n")
    log = (tmp_path / "run" / "tiffany.pal").read_text()
    assert log.count('"name":"print a number","site":"jobs.cpp:') == 3
