"""A real Prometheus server scrapes the demo and answers a query."""

import collections
import contextlib
import json
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

from kit import DEADLINE, SOURCE, end_process, need_program, poll, program


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def query(port, expression):
    """{labels as a frozenset: value}; empty while the server does not answer yet."""
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return {}
    return {frozenset(one["metric"].items()): float(one["value"][1]) for one in found}


@contextlib.contextmanager
def prometheus_with(config, tmp_path):
    """A server with that configuration; gives its port."""
    port = free_port()
    with open(tmp_path / "prometheus.log", "w") as log:
        server = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
            + [f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield port
        finally:
            end_process(server)


@contextlib.contextmanager
def prometheus_of(address, tmp_path):
    """A server that scrapes that address; gives its port."""
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: demo, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    with prometheus_with(config, tmp_path) as port:
        yield port


@contextlib.contextmanager
def serving_demo(*arguments):
    """The demo, with the address of its metrics; ends well when it is asked to."""
    demo = subprocess.Popen(
        [program("tiffany-demo"), "--metrics-port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield demo, re.search(r"metrics on http://([^/]+)/", demo.stderr.readline()).group(1)
    finally:
        end_process(demo, signal.SIGTERM)
    assert demo.returncode == 0


def test_a_prometheus_server_scrapes_the_demo_and_answers(tmp_path):
    need_program("prometheus")
    report = tmp_path / "own.json"
    with serving_demo("--seconds", 1, "--stay", "--report", report) as (demo, address):
        demo.stdout.readline()  # its work is finished: the counters stand still
        with prometheus_of(address, tmp_path) as port:
            events = json.loads(report.read_text())["events"]
            total = poll(lambda: query(port, "sum(task_transitions_total)"), "an answer")
            assert list(total.values()) == [sum(events.values())]
            by_event = query(port, "sum by (event) (task_transitions_total)")
            assert by_event == {frozenset({("event", name)}): count for name, count in events.items()}
            slowest = query(port, "histogram_quantile(1, sum by (le) (task_run_latency_seconds_bucket)) > 0")
            assert len(slowest) == 1


def test_the_saturation_of_the_page_is_a_share_while_the_demo_works(tmp_path):
    need_program("prometheus")
    page = (SOURCE / "docs/metrics.md").read_text()
    saturation = re.search(r"^```promql\n(.*?)^```$", page, re.M | re.S).group(1)
    with serving_demo("--seconds", DEADLINE) as (_, address), prometheus_of(address, tmp_path) as port:
        (busy,) = poll(lambda: query(port, saturation), "a rate: two scrapes").items()
        assert ("scheduler", "demo") in busy[0]
        assert 0 < busy[1] <= 1.05, "the demo is at work, and has one worker"


@contextlib.contextmanager
def odd_names(*arguments):
    """Schedulers with hostile names, served; gives the address."""
    served = subprocess.Popen(
        [program("odd_names"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield served.stdout.readline().strip().split("/")[2]
    finally:
        end_process(served)


def fetched(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE) as answer:
        return answer.read().decode()


def series_of(text):
    """{name: [labels]} of a scrape."""
    found = collections.defaultdict(list)
    for name, labels in re.findall(r'^(\w+)(?:\{((?:[^"\n]|"(?:[^"\\\n]|\\.)*")*)\})? \S+$', text, re.M):
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)
        found[name].append({label: re.sub(r"\\(.)", lambda c: {"n": "\n"}.get(c[1], c[1]), v) for label, v in pairs})
    return found


# as they are told: cut at 63 bytes, with U+FFFD for what is no UTF-8
NAMES = ["a\ufffd\ufffd", "a\ufffdb", "x" * 63, 'say "a\\b"\n', "", "M" * 63, "\ufffd" * 21, '"' * 63, "\n" * 63]
NAMES += ['}\nscheduler_workers{scheduler="forged"} 7\n#', "twin"]


@pytest.mark.parametrize("label", ["", "worker"])
def test_no_name_takes_the_scrape_away(tmp_path, label):
    need_program("prometheus")
    need_program("promtool")
    with odd_names(label) as address:
        text = fetched(address)
        lint = subprocess.run(
            ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=DEADLINE
        )
        assert "error" not in lint.stderr, lint.stderr
        series = [line.rsplit(" ", 1)[0] for line in re.findall(r"^[^#\n].*$", text, re.M)]
        assert len(series) == len(set(series))
        with prometheus_of(address, tmp_path) as port:
            depths = poll(lambda: query(port, "scheduler_ready_queue_depth"), "an answer")
            assert set(query(port, "up").values()) == {1}
            groups = query(port, "count by (group) (task_run_latency_seconds_count)")
            assert not query(port, 'scheduler_workers{scheduler="forged"}')
        by_name = {dict(labels).get("scheduler", ""): depth for labels, depth in depths.items()}
        assert by_name == {**dict.fromkeys(NAMES, 0), "twin": 1}, "the twins are one"
        assert {dict(labels).get("group", "") for labels in groups} == set(NAMES)
    log = (tmp_path / "prometheus.log").read_text()
    assert "uplicate" not in log, log


@pytest.mark.parametrize("label", ["", "worker"])
def test_a_scrape_has_as_many_series_as_the_page_says(label):
    page = (SOURCE / "docs/metrics.md").read_text()
    formula = re.search(r"^```text\nseries = (.*?)^```$", page, re.M | re.S).group(1)
    with odd_names(label) as address:
        series = series_of(fetched(address))
    of_schedulers = {name: found for name, found in series.items() if any("scheduler" in one for one in found)}
    delay = of_schedulers["scheduler_thread_run_delay_seconds_total"]
    for scheduler in NAMES:
        workers = {one["worker"] for one in delay if one["scheduler"] == scheduler and "worker" in one}
        known = {
            "GROUPS": len(NAMES) - 1,  # the empty name is the default group's
            "PARTS": len(workers) if label else 1,
            "RUN": 9,
            "WAIT": 9,
            "READY": 12,
        }
        expected = eval(formula.replace("\n", " "), {"__builtins__": {}}, known)
        found = sum(one["scheduler"] == scheduler for all_of_name in of_schedulers.values() for one in all_of_name)
        assert found == expected, scheduler
    of_process = {name for name in series if name not in of_schedulers}
    assert of_process == {
        "tiffany_build_info",
        "tiffany_tracing_attached",
        "tiffany_workers",
        "tiffany_worker_indices",
        "tiffany_refused_hooks_total",
        "tiffany_sink_lost_total",
        "tiffany_sink_lost_others_total",
    } | ({"tiffany_tracing_unavailable"} & set(series))
    least, most = map(int, re.search(r"(\d+) series at least, (\d+) at most", page).groups())
    found = sum(len(series[name]) for name in of_process)
    assert found == least + len(series.get("tiffany_tracing_unavailable", []))
    assert most == least + 1 + 3, "that of LTTng, and those of a log"


WAYS = ["metrics_server", "metrics_exposer", "metrics_own_server"]


@contextlib.contextmanager
def serving_example(name, *arguments):
    """An example that serves; gives the address."""
    served = subprocess.Popen(
        [program(name), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield re.fullmatch(r"metrics on http://([^/]+)/metrics\n", served.stdout.readline()).group(1)
    finally:
        end_process(served)


@pytest.mark.parametrize("name", WAYS)
def test_each_way_to_serve_is_an_example_that_promtool_accepts_and_the_page_shows(name):
    need_program("promtool")
    with serving_example(name) as address:
        text = poll(lambda: next((page for page in [fetched(address)] if 'event="Done"} 1' in page), None), "its task")
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=DEADLINE)
    assert "error" not in lint.stderr, lint.stderr
    assert 'task_transitions_total{scheduler="jobs",event="Done"} 1' in text
    assert "tiffany_build_info{" in text
    assert ("requests_total 1" in text) == (name == "metrics_exposer")
    example = (SOURCE / f"examples/{name}.cpp").read_text().split("// [docs/metrics.md]\n")[1]
    lines = [line.strip() for line in example.strip().splitlines()]
    page = (SOURCE / "docs/metrics.md").read_text()
    shown = [[line.strip() for line in block.strip().splitlines()] for block in re.findall(r"```cpp\n(.*?)```", page, re.S)]
    assert lines in shown, f"{name} is not on the page as it is"


def test_a_port_that_is_taken_is_an_error_that_says_so():
    with serving_example("metrics_server") as address:
        port = address.split(":")[1]
        assert port != "0", "it says which one it got"
        again = subprocess.run([program("metrics_server"), port], capture_output=True, text=True, timeout=DEADLINE)
    assert again.returncode == 1
    assert again.stderr == (
        f"metrics_server: cannot serve metrics on 127.0.0.1:{port}: Address already in use\n"
    )


def test_a_port_that_is_none_is_refused():
    for port in ["99999", "-1", "80x", ""]:
        done = subprocess.run([program("metrics_server"), port], capture_output=True, text=True, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (1, f"metrics_server: not a port: {port}\n")
