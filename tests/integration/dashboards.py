"""tools/prometheus and tools/grafana: a real Prometheus loads them, every query finds data in the demo's metrics, and alerts
fire when the demo gives them a reason."""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import urllib.request

from kit import DEADLINE, SOURCE, checked, end_process, need_program, poll, program
from prometheus import prometheus_with, query

RULES = SOURCE / "tools" / "prometheus"
DASHBOARD = json.loads((SOURCE / "tools" / "grafana" / "tiffany.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
LONG = 5 * DEADLINE  # seconds: some answers need several scrapes and evaluations


def alerts_of(text):
    return set(re.findall(r"^ *- alert: (\w+)$", text, re.M))


ALERTS = alerts_of((RULES / "alerts.rules.yml").read_text())
RECORDED = set(re.findall(r"^ *- record: (\S+)$", (RULES / "recording.rules.yml").read_text(), re.M))


def queries(**variables):
    """(title, query) of each target of the dashboard, with its variables replaced; all values where none is given."""
    values = {name: ".*" for name, variable in VARIABLES.items() if variable["type"] == "query"}
    values |= variables | {"__rate_interval": "4s"}
    for panel in PANELS:
        for target in panel["targets"]:
            text = re.sub(r"\$(\w+)", lambda found: values[found.group(1)], target["expr"])
            yield panel["title"], text


def metric_names(text):
    """Of the library's metrics; not the recorded ones, which have colons, nor what comments say."""
    plain = re.sub(r"^ *#.*$", "", text, flags=re.M)
    return set(re.findall(r"(?<![:\w])(?:tasks?|scheduler|tiffany)_[a-z_]+(?![:\w])", plain))


@contextlib.contextmanager
def demo(*arguments, stdout=subprocess.DEVNULL, **environment):
    """The demo at the given work; gives (process, address). It may be stuck for ever: it is killed."""
    process = subprocess.Popen(
        [program("tiffany-demo"), "--metrics-port", "0", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )
    try:
        yield process, re.search(r"metrics on http://([^/]+)/", process.stderr.readline()).group(1)
    finally:
        end_process(process, signal.SIGKILL)
        process.stderr.close()


@contextlib.contextmanager
def full_pipe():
    """Gives its (read end, write end): who writes there blocks until somebody reads."""
    ends = os.pipe()
    try:
        os.set_blocking(ends[1], False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(ends[1], b"x" * 4096)
        os.set_blocking(ends[1], True)
        yield ends
    finally:
        for end in ends:
            os.close(end)


def replaced(pattern, by, text, count=None):
    """Fails unless it is there, and so often."""
    text, found = re.subn(pattern, by, text, flags=re.M)
    assert found == count if count else found, pattern
    return text


@contextlib.contextmanager
def prometheus(tmp_path, *addresses):
    """A server with our configuration and rules, which scrapes these addresses. Its times are a fifteenth, or less, so
    that nothing takes minutes. Gives its port."""
    directory = tmp_path / "rules"
    shutil.copytree(RULES, directory)
    for path in directory.glob("*.rules.yml"):
        path.write_text(replaced(r"\[[15]m\]", "[4s]", path.read_text()))
    alerts = directory / "alerts.rules.yml"
    text = replaced(r"\bfor: \d+m$", "for: 2s", alerts.read_text())
    alerts.write_text(replaced(r"(current_run_seconds\)) > 10$", r"\1 > 0.667", text, count=2))
    config = directory / "prometheus.yml"
    text = replaced(r"_interval: 15s$", "_interval: 1s", config.read_text(), count=2)
    config.write_text(replaced(r'\["127\.0\.0\.1:9464"\]', json.dumps(addresses), text, count=1))
    with prometheus_with(config, tmp_path) as port:
        yield port


def get(url):
    """None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return None


def firing(port):
    """{(alert, instance)} of what fires now."""
    answer = get(f"http://127.0.0.1:{port}/api/v1/alerts")
    alerts = json.loads(answer)["data"]["alerts"] if answer else []
    return {(one["labels"]["alertname"], one["labels"].get("instance")) for one in alerts if one["state"] == "firing"}


def test_promtool_accepts_the_configuration_and_the_rules():
    need_program("promtool")
    config = checked(["promtool", "check", "config", RULES / "prometheus.yml"], timeout=LONG).stdout
    for name in ("recording", "alerts"):
        rules = RULES / f"{name}.rules.yml"
        assert rules.name in config, "it is loaded"
        assert "SUCCESS" in checked(["promtool", "check", "rules", "--lint-fatal", rules], timeout=LONG).stdout


def test_the_rules_pass_their_tests_and_no_alert_is_without_one():
    need_program("promtool")
    tests = sorted(RULES.glob("*.test.yml"))
    done = checked(["promtool", "test", "rules", *(test.name for test in tests)], cwd=RULES, timeout=LONG)
    assert "SUCCESS" in done.stdout
    text = "".join(test.read_text() for test in tests)
    assert set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n +- exp_labels", text)) == ALERTS


def test_the_page_explains_each_alert():
    page = (SOURCE / "docs" / "metrics.md").read_text()
    assert set(re.findall(r"^\| `(Tiffany\w+)` \|", page, re.M)) == ALERTS


def test_the_dashboard_is_one_that_grafana_can_lay_out():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters and len(letters) == len(set(letters)), panel["title"]
        for part in [panel, *panel["targets"]]:
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
    assert list(VARIABLES) == ["datasource", "instance", "scheduler", "group"]


def test_every_query_and_every_recorded_rule_finds_data(tmp_path):
    need_program("prometheus")
    absent = tmp_path / "absent" / "demo.pal"
    with (
        demo("--seconds", 0, TIFFANY_LTTNG=0, TIFFANY_PAL=absent) as (_, at_work),
        demo("--crowd", 100, TIFFANY_PAL=tmp_path / "demo.pal") as (_, standing),
        prometheus(tmp_path, at_work, standing) as port,
    ):
        scrapes = poll(lambda: [get(f"http://{address}/metrics") for address in (at_work, standing)], "two scrapes")
        there = set(re.findall(r"^(\w+)[{ ]", "".join(scrapes), re.M))
        used = metric_names("".join(path.read_text() for path in RULES.glob("*.rules.yml")))
        used |= metric_names("\n".join(target["expr"] for panel in PANELS for target in panel["targets"]))
        used |= metric_names("\n".join(one["query"]["query"] for one in VARIABLES.values() if one["type"] == "query"))
        assert used and used <= there, f"no such metrics: {used - there}"

        def data(expression):
            return [value for value in query(port, expression).values() if math.isfinite(value)]

        for values in ({}, {"scheduler": "demo", "group": "network"}):
            for title, expression in queries(**values):
                poll(lambda: data(expression), f"data for {title}: {expression}", LONG)
        for name in RECORDED:
            poll(lambda: data(name), f"data for {name}", LONG)
        for name, variable in VARIABLES.items():
            if variable["type"] != "query":
                continue
            asked = re.sub(r"\$\w+", ".*", variable["query"]["query"])
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", asked).groups()
            found = query(port, f"count by ({label}) ({series})")
            assert label == name and any((label, "") not in one and one for one in found), f"values of {name}"


def test_alerts_fire_for_a_demo_that_starves_its_queue_and_for_one_that_loops_for_ever_in_a_task(tmp_path):
    need_program("prometheus")
    with (
        full_pipe() as (read_end, write_end),
        # two tasks are ready when the thread that would run them blocks, outside of a task
        demo("--crowd", 100, "--busy", stdout=write_end) as (_, starving),
        demo("--seconds", 0, "--stall", 3_600_000, TIFFANY_PAL=tmp_path / "absent" / "demo.pal") as (_, stuck),
        demo("--crowd", 100) as (healthy, standing),
        prometheus(tmp_path, starving, stuck, standing) as port,
    ):
        starved, stalled = ("TiffanyReadyQueueStarved", starving), ("TiffanyStalledRun", stuck)
        no_log = ("TiffanyLogUnavailable", stuck)

        def those_that_fire():
            """Of these alerts; a machine that is busy is a reason for others."""
            names = {alert for alert, _ in (starved, stalled, no_log)}
            return {(alert, instance) for alert, instance in firing(port) if alert in names}

        poll(lambda: those_that_fire() >= {starved, stalled, no_log}, "each alert fires", LONG)
        poll(lambda: query(port, f'up{{instance="{standing}"}} == 1'), "a scrape of the other", LONG)
        poll(lambda: those_that_fire() == {starved, stalled, no_log}, "each fires where its reason is, and nowhere else", LONG)
        healthy.kill()
        poll(lambda: ("TiffanyScrapeMissing", standing) in firing(port), "a scrape is missed", LONG)
        os.read(read_end, 1 << 20)
        poll(lambda: starved not in firing(port), "the tasks run again", LONG)
        poll(lambda: those_that_fire() == {stalled, no_log}, "the others fire on", LONG)
