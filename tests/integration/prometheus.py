"""A real Prometheus server scrapes the demo and answers a query."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

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
def prometheus_of(address, tmp_path):
    """A server that scrapes that address; gives its port."""
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: demo, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
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


def test_no_name_of_a_scheduler_takes_the_scrape_away(tmp_path):
    need_program("prometheus")
    need_program("promtool")
    served = subprocess.Popen([program("odd_names")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = served.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            text = answer.read()
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=DEADLINE)
        assert b"error" not in lint.stderr, lint.stderr
        series = [line.rsplit(b" ", 1)[0] for line in text.splitlines() if not line.startswith(b"#")]
        assert len(series) == len(set(series))
        with prometheus_of(url.split("/")[2], tmp_path) as port:
            depths = poll(lambda: query(port, "scheduler_ready_queue_depth"), "an answer")
            assert query(port, "up") and set(query(port, "up").values()) == {1}
        by_name = {dict(labels).get("scheduler", ""): depth for labels, depth in depths.items()}
        names = ["a\ufffd\ufffd", "a\ufffdb", "x" * 63, 'say "a\\b"\n', "", "twin"]
        assert by_name == dict.fromkeys(names, 0), "of the twins the first is seen"
    finally:
        end_process(served)
    log = (tmp_path / "prometheus.log").read_text()
    assert "uplicate" not in log, log
